"""The pictures of the sandbox: deterministic, at the true size, with the request written on them."""

from __future__ import annotations

import colorsys
import hashlib
import io
import math
import random
import re
import textwrap
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from gpt_image_mcp.openai_api.sandbox.failures import CHECKERBOARD, FALSE_TRANSPARENCY, HALO

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL import Image, ImageDraw

    Colour = tuple[int, int, int]

_LEGEND = "SANDBOX - not a real image"
_LONGEST_PROMPT = 420
_SMALL = 64
# How much of an edit without a mask is new, and how far the rest drifts in one with a mask.
_NEW_SHARE, _TINT_SHARE = 0.5, 0.18
_TINT = (255, 214, 150)
_SMALLEST_CARD, _LARGEST_ENLARGED_CARD = 200, 1600
_CARD_ALPHA = 224
# Sizes of the lettering to try, as shares of the short edge.
_LETTERINGS = (0.075, 0.06, 0.048, 0.038, 0.03, 0.024)
_SQUARE, _GREY, _FRINGE = 16, (204, 204, 204, 255), (0, 255, 0, 0)
_OTHER_LETTERS = re.compile(r"[^\x20-\xff]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """Everything a picture depends on; the same values give the same bytes.

    Attributes:
        number: Which image of the request, from 1.
        of: How many images the request has.
        blur: How unfinished it looks, for partial images: a radius in thousandths of the short edge.
        directives: Of the sandbox; those of ``FALSE_TRANSPARENCY`` change a transparent picture.
    """

    prompt: str
    model: str
    quality: str
    width: int
    height: int
    output_format: str = "png"
    output_compression: int = 100
    transparent: bool = False
    number: int = 1
    of: int = 1
    blur: int = 0
    directives: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Palette:
    sky: Colour
    ground: Colour
    shapes: tuple[Colour, ...]
    ink: Colour


def draw(drawing: Drawing) -> bytes:
    """The file of a picture. CPU work, for a worker thread."""
    return _encoded(_drawn(drawing), drawing)


def draw_edit(
    drawing: Drawing, pictures: Sequence[bytes], mask: bytes | None, *, markup: bytes | None = None
) -> bytes:
    """The file of an edit: the first input with its masked area (or all of it) made new. CPU work.

    Outside the mask the colours change a little, as they do in real edits.

    Args:
        drawing: What is asked for.
        pictures: The input files; all but the first are shown as small pictures.
        mask: A PNG whose transparent pixels are to be edited.
        markup: A PNG of hints, which a real edit follows; here they are shown, as a sign that they came.
    """
    from PIL import Image, ImageChops

    size = (drawing.width, drawing.height)
    base = Image.open(io.BytesIO(pictures[0])).convert("RGBA").resize(size)
    if mask is None:
        palette, scene = _scene(drawing)
        image = Image.blend(base, scene.convert("RGBA"), _NEW_SHARE)
        if drawing.transparent:  # the subject is what is new; the background goes
            image.putalpha(scene.getchannel("A"))
        _write(image, drawing, palette, alpha=255)
    else:
        area = ImageChops.invert(Image.open(io.BytesIO(mask)).convert("RGBA").getchannel("A")).resize(size)
        image = Image.blend(base, Image.new("RGBA", size, (*_TINT, 255)), _TINT_SHARE)
        if drawing.transparent:
            image.putalpha(base.getchannel("A"))
        _fill(image, area, drawing)
    _show_references(image, pictures[1:])
    if markup is not None:
        image.alpha_composite(Image.open(io.BytesIO(markup)).convert("RGBA").resize(size))
    if not drawing.transparent:
        opaque = Image.new("RGBA", size, (255, 255, 255, 255))
        image = Image.alpha_composite(opaque, image)
    return _encoded(image, drawing)


def _drawn(drawing: Drawing) -> Image.Image:
    palette, image = _scene(drawing)
    _write(image, drawing, palette, alpha=_CARD_ALPHA)
    return image


def _scene(drawing: Drawing) -> tuple[_Palette, Image.Image]:
    """The picture without its card."""
    from PIL import Image, ImageFilter

    text = f"{drawing.prompt}|{drawing.model}|{drawing.number}"
    seed = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    chance = random.Random(seed)  # noqa: S311 - a picture, not a secret
    palette = _palette(chance)
    size = (drawing.width, drawing.height)
    # On an opaque picture Pillow blends translucent shapes; on a transparent one they stay translucent.
    image = Image.new("RGBA", size, (0, 0, 0, 0)) if drawing.transparent else _gradient(size, palette)
    _compose(image, palette, chance)
    if drawing.blur:
        image = image.filter(ImageFilter.GaussianBlur(min(image.size) * drawing.blur / 1000))
    return palette, image


def _fill(image: Image.Image, area: Image.Image, drawing: Drawing) -> None:
    """Draws the new picture, with its card, into what the mask leaves open."""
    box = area.getbbox()
    if box is None:
        return
    width, height = box[2] - box[0], box[3] - box[1]
    enlarged = max(1, math.ceil(_SMALLEST_CARD / min(width, height)))
    # A thin strip loses its proportions instead of becoming millions of pixels.
    across, down = (max(edge, min(edge * enlarged, _LARGEST_ENLARGED_CARD)) for edge in (width, height))
    patch = _drawn(replace(drawing, width=across, height=down))
    image.paste(patch.convert("RGBA").resize((width, height)), box[:2], area.crop(box))


def _show_references(image: Image.Image, pictures: Sequence[bytes]) -> None:
    """Small pictures of the other inputs along the top edge."""
    from PIL import Image

    edge = max(8, min(image.size) // 8)
    for number, data in enumerate(pictures):
        small = Image.open(io.BytesIO(data)).convert("RGB")
        small.thumbnail((edge, edge))
        image.paste(small, ((edge + 4) * number + 4, 4))


def _palette(chance: random.Random) -> _Palette:
    hue = chance.random()

    def tone(shift: float, saturation: float, value: float) -> Colour:
        red, green, blue = colorsys.hsv_to_rgb((hue + shift) % 1, saturation, value)
        return round(red * 255), round(green * 255), round(blue * 255)

    accent = chance.choice((0.08, 0.45, 0.5, 0.92))
    return _Palette(
        sky=tone(0, 0.22, 0.97),
        ground=tone(0.06, 0.42, 0.82),
        shapes=(tone(0.02, 0.55, 0.72), tone(accent, 0.5, 0.9), tone(accent, 0.62, 0.66), tone(0, 0.16, 1.0)),
        ink=tone(0.02, 0.7, 0.22),
    )


def _gradient(size: tuple[int, int], palette: _Palette) -> Image.Image:
    """A soft sky, drawn small and enlarged, because that is fast and smooth."""
    from PIL import Image

    mask = Image.linear_gradient("L").resize((_SMALL, _SMALL)).resize(size, Image.Resampling.BICUBIC)
    sky = Image.new("RGB", size, palette.sky)
    sky.paste(Image.new("RGB", size, palette.ground), (0, 0), mask)
    return sky


def _compose(image: Image.Image, palette: _Palette, chance: random.Random) -> None:
    """A sun and hills: a few large shapes that read as a landscape at any proportion."""
    from PIL import ImageDraw

    draw_on = ImageDraw.Draw(image, "RGBA")
    width, height = image.size
    unit = min(width, height)
    centre = (width * chance.uniform(0.62, 0.82), height * chance.uniform(0.22, 0.34))
    for radius, alpha in ((0.26, 60), (0.2, 110), (0.145, 255)):
        draw_on.circle(centre, unit * radius, fill=(*palette.shapes[1], alpha))
    # Opaque shapes need no blending, which is slow.
    draw_on = ImageDraw.Draw(image)
    for layer, colour in enumerate((palette.shapes[3], palette.shapes[0], palette.shapes[2])):
        _hills(draw_on, image.size, height * (0.5 + 0.1 * layer), colour=colour, chance=chance)


def _hills(
    draw_on: ImageDraw.ImageDraw,
    size: tuple[int, int],
    base: float,
    *,
    colour: Colour,
    chance: random.Random,
) -> None:
    width, height = size
    count = chance.randint(2, 3)
    for index in range(count + 1):
        middle = width * (index + chance.uniform(-0.3, 0.3)) / count
        across = width * chance.uniform(0.34, 0.5)
        up = height * chance.uniform(0.12, 0.24)
        draw_on.ellipse((middle - across, base - up, middle + across, base + height), fill=colour)


def _write(image: Image.Image, drawing: Drawing, palette: _Palette, *, alpha: int) -> None:
    """The prompt, legible, on a card at the bottom; the request's facts and the warning below it."""
    from PIL import ImageDraw

    draw_on = ImageDraw.Draw(image, "RGBA")
    unit = min(image.size)
    margin, spacing = unit * 0.05, unit * 0.012
    heading, lines = _fitted(_shown(drawing.prompt), image.width - 4 * margin, image.height * 0.3, unit=unit)
    small = _font(max(11, round(unit * 0.024)))
    text = "\n".join(lines)
    text_height = draw_on.multiline_textbbox((0, 0), text, font=heading, spacing=spacing)[3]
    legend_height = small.size * 2.6
    top = image.height - 3.6 * margin - text_height - legend_height
    card = (margin, top, image.width - margin, image.height - margin)
    draw_on.rounded_rectangle(card, radius=unit * 0.03, fill=(255, 255, 255, alpha))
    left, below = 2 * margin, top + 1.5 * margin + text_height
    draw_on.multiline_text((left, top + margin * 0.8), text, font=heading, fill=palette.ink, spacing=spacing)
    facts = f"{drawing.model}  |  {drawing.width}x{drawing.height}  |  quality {drawing.quality}"
    facts += f"  |  image {drawing.number} of {drawing.of}" if drawing.of > 1 else ""
    draw_on.text((left, below), facts, font=small, fill=palette.ink)
    draw_on.text((left, below + small.size * 1.3), _LEGEND, font=small, fill=(176, 32, 48))


def _fitted(text: str, width: float, height: float, *, unit: int) -> tuple[Any, list[str]]:
    """The largest lettering in which the text fits, and its lines."""
    for share in _LETTERINGS:
        font, lines = _wrapped(text, width, size=max(12, round(unit * share)))
        is_low_enough = len(lines) * unit * share * 1.25 <= height
        if is_low_enough and max(font.getlength(line) for line in lines) <= width:
            return font, lines
    return _wrapped(text, width, size=max(12, round(unit * _LETTERINGS[-1])))


def _wrapped(text: str, width: float, *, size: int) -> tuple[Any, list[str]]:
    font = _font(size)
    characters = max(8, int(width / (font.getlength("n") or 1)))
    return font, textwrap.wrap(text, characters) or [""]


def _shown(prompt: str) -> str:
    """The prompt in the letters that the built-in font has; runs of others are counted instead."""
    text = " ".join(prompt.split())
    text = _OTHER_LETTERS.sub(lambda run: f"[{len(run[0])} letters of another script]", text)
    return text if len(text) <= _LONGEST_PROMPT else text[: _LONGEST_PROMPT - 3] + "..."


def _font(size: int) -> Any:
    from PIL import ImageFont

    return ImageFont.load_default(size=size)


def _in_place_of_transparency(image: Image.Image, name: str) -> Image.Image:
    """What models make by mistake: a fringe, a checkerboard or white behind a picture."""
    from PIL import Image, ImageFilter

    behind, place = Image.new("RGBA", image.size, "white"), (0, 0)
    if name == HALO:
        spread = image.getchannel("A").filter(ImageFilter.MaxFilter(5))
        behind = Image.new("RGBA", image.size, _FRINGE)
        behind.putalpha(spread.point([alpha // 2 for alpha in range(256)]))
    elif name == CHECKERBOARD:
        place, image = (image.width // 4, image.height // 4), image.reduce(2)
        for top in range(0, behind.height, _SQUARE):
            for left in range(top % (2 * _SQUARE), behind.width, 2 * _SQUARE):
                behind.paste(_GREY, (left, top, left + _SQUARE, top + _SQUARE))
    behind.alpha_composite(image, place)
    return behind


def _encoded(image: Image.Image, drawing: Drawing) -> bytes:
    stream = io.BytesIO()
    wrong = next((name for name in drawing.directives if name in FALSE_TRANSPARENCY), "")
    if drawing.transparent and wrong:
        image = _in_place_of_transparency(image, wrong)
    has_alpha = drawing.transparent and drawing.output_format != "jpeg"
    ready = image if has_alpha else image.convert("RGB")
    if drawing.output_format == "png":
        ready.save(stream, "PNG", compress_level=3)
    elif drawing.output_format == "webp":
        ready.save(stream, "WEBP", quality=drawing.output_compression, method=2)
    else:
        # Pillow advises against JPEG qualities above 95.
        ready.save(stream, "JPEG", quality=max(1, min(95, drawing.output_compression)))
    return stream.getvalue()
