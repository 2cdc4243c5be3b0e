"""An image as the best small picture that fits a byte budget.

JPEG is shown by every client and takes a tenth of the time of WebP; what is transparent is laid on a light
checker for it. WebP at method 2: about a third of the time of the default method, and the same bytes.
Everything here is CPU work for a worker thread.
"""

from __future__ import annotations

import math
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from gpt_image_mcp.errors import StorageFailed
from gpt_image_mcp.imaging.animation import find_animation
from gpt_image_mcp.imaging.decoding import in_profile, pixels_of
from gpt_image_mcp.imaging.encoding import encode
from gpt_image_mcp.imaging.formats import open_picture, room_for
from gpt_image_mcp.imaging.svg import LARGEST_EDGE
from gpt_image_mcp.imaging.svg_drawing import INSTALL, rasterised
from gpt_image_mcp.pillow_errors import DamagedImage, DrawingUnavailable
from gpt_image_mcp.values.views import WHOLE, InlineImage

if TYPE_CHECKING:
    from collections.abc import Generator

    from PIL import Image

    from gpt_image_mcp.imaging.animation import Animation
    from gpt_image_mcp.imaging.source_type import SourceType
    from gpt_image_mcp.values.views import Crop, PreviewFormat

SMALLEST_EDGE = 32
_BEST_QUALITY, _WORST_QUALITY = 82, 40
_REDUCING_GAP = 1.1
_THUMBNAIL_QUALITY = 93
_METHOD = 2
# Of the quality that just fits; after two, what is left is not visible.
_MOST_GUESSES = 2
# Fields of the checker are of the size of JPEG's blocks, and so take next to no bytes.
_CHECKER_FIELD, _CHECKER_LEVELS = 8, (255, 229)
_FAST_OCTREE = 2  # Pillow's number of the one way that takes transparency, and the quickest
_GRID_STEPS = 10
_OPAQUE = 255
# Of the frames of an animation side by side; more are too small to see, and the API makes no more.
_MOST_FRAMES, _LARGEST_STRIP, _STRIP_GAP = 16, 2048, 4


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """How to look at an image.

    Attributes:
        max_bytes: Budget for the encoded preview, in bytes (not base64).
        max_edge: Longest edge in pixels; images are never enlarged, but an SVG is drawn so large.
        format: The format of the preview.
        grid: Draw rulers in fractions of the shown image, for choosing regions.
        source_type: How AI took part in the picture, for a preview that is kept as a file.
    """

    max_bytes: int
    max_edge: int
    format: PreviewFormat = "jpeg"
    crop: Crop | None = None
    grid: bool = False
    source_type: SourceType = ""

    @property
    def shows_frames(self) -> bool:
        """Whether an animation is shown as all its frames; parts and rulers are those of the first."""
        return self.crop is None and not self.grid


def bytes_within_base64(characters: int) -> int:
    """How many bytes fit into so many base64 characters."""
    return characters // 4 * 3


def make_preview(data: bytes, view: View) -> InlineImage:
    """The sharpest preview of an image file that fits the view's budget.

    Quality goes down first, then size, so that text stays legible as long as possible.

    Raises:
        StorageFailed: If the bytes cannot be decoded.
    """
    with _ready(data, view) as pixels:
        image = drawn(pixels, view)
        has_checker = view.format == "jpeg" and is_transparent(image)
        if view.format == "jpeg" and not has_checker:
            image = image.convert("RGB")
        if view.grid:
            image = _with_grid(image, view.crop or WHOLE)
        while True:
            encoded = encoded_within(on_checker(image) if has_checker else image, view)
            if len(encoded) <= view.max_bytes or max(image.size) <= SMALLEST_EDGE:
                return InlineImage(encoded, f"image/{view.format}", has_checker)
            shrink = max(0.5, 0.95 * math.sqrt(view.max_bytes / len(encoded)))
            image = scaled(image, max(SMALLEST_EDGE, int(max(image.size) * shrink)))


def animation_notes(data: bytes, view: View) -> tuple[str, ...]:
    """What is said of the view of an animation; nothing of a still."""
    animation = find_animation(data)
    if animation is None:
        return ()
    durations_ms = animation.durations_ms()
    low, high = min(durations_ms, default=0), max(durations_ms, default=0)
    each = f"{low} ms each" if low == high else f"{low} to {high} ms each"
    frames = f"{min(animation.count, _MOST_FRAMES)} frames side by side"
    seen = frames if view.shows_frames else "the first frame"
    return (f"The preview shows {seen}; the file is an animation of {animation.count} frames, {each}.",)


def thumbnail(data: bytes, max_edge: int) -> bytes:
    """A smaller file of an image, quick to unpack, so good that a preview made of it shows no difference.

    Raises:
        StorageFailed: If the bytes cannot be decoded.
    """
    image = drawn(data, View(max_bytes=0, max_edge=max_edge))
    if image.mode == "RGB":
        # A fifth of the time of WebP, to write and to read.
        return encode(image, "JPEG", quality=_THUMBNAIL_QUALITY, subsampling=0)
    return encode(image, "WEBP", quality=_THUMBNAIL_QUALITY, method=0)


def drawn(data: bytes, view: View) -> Image.Image:
    """The part of an image that a view shows, in sRGB and at most as large as the view.

    Of an animation, frames side by side, in order.

    Raises:
        StorageFailed: If the bytes cannot be decoded.
    """
    with _ready(data, view) as pixels, open_picture(pixels) as image:
        if view.shows_frames and (animation := find_animation(pixels)):
            return _strip(animation, min(view.max_edge, _LARGEST_STRIP))
        if view.crop is None:
            # Lets the JPEG decoder skip detail that a small preview would not show.
            image.draft("RGB", (view.max_edge, view.max_edge))
        image.load()
        decoded = pixels_of(image)
        # In any case a copy, because what is not cut or scaled goes with the file.
        small = scaled(_cropped(decoded.image, view.crop or WHOLE), view.max_edge)
        return in_profile(replace(decoded, image=small), b"").image


def _strip(animation: Animation, max_edge: int) -> Image.Image:
    """The frames in the rows in which they are largest, on white, each scaled as soon as it is decoded."""
    from PIL import Image

    size, count = animation.size, min(animation.count, _MOST_FRAMES)

    def edges(columns: int) -> tuple[int, int]:
        return columns * size.width, -(-count // columns) * size.height

    columns = min(range(count, 0, -1), key=lambda number: max(edges(number)))
    scale = min(1.0, max_edge / max(edges(columns)))
    across, down = (max(1, int(edge * scale)) for edge in size)
    gap = min(_STRIP_GAP, across // 20, down // 20)
    sheet = Image.new("RGBA", (columns * across, -(-count // columns) * down), "white")
    for position, (frame, _) in enumerate(animation.frames(count)):
        small = scaled(frame, max(across, down) - gap)
        row, column = divmod(position, columns)
        sheet.paste(small, (column * across + gap // 2, row * down + gap // 2))
    return sheet if is_transparent(sheet) else sheet.convert("RGB")


@contextmanager
def _ready(data: bytes, view: View) -> Generator[bytes]:
    """A file of pixels, with the memory for a view of it; says what is wrong where there is none."""
    crop = view.crop or WHOLE
    # So large that also a part of a vector drawing is sharp.
    share = max(crop.right - crop.left, crop.bottom - crop.top)
    edge = math.ceil(min(view.max_edge / share, LARGEST_EDGE))
    try:
        pixels = rasterised(data, edge)
        strip = min(view.max_edge, _LARGEST_STRIP) if find_animation(pixels) else 0
        with room_for(pixels, more_pixels=strip**2):
            yield pixels
    except DrawingUnavailable as error:
        message = f"The file is kept, and cannot be shown here: {error}. {INSTALL}"
        raise StorageFailed(message, next_step=INSTALL) from error
    except DamagedImage as error:
        message = f"The image cannot be decoded for a preview: {error}."
        raise StorageFailed(message, next_step="Open the file itself; its path is in the result.") from error


def _cropped(image: Image.Image, crop: Crop) -> Image.Image:
    left, top = math.floor(crop.left * image.width), math.floor(crop.top * image.height)
    right, bottom = math.ceil(crop.right * image.width), math.ceil(crop.bottom * image.height)
    return image.crop((left, top, right, bottom))


def scaled(image: Image.Image, max_edge: int) -> Image.Image:
    """An image that is at most so large, with its proportions."""
    from PIL import Image

    longest = max(image.size)
    if longest <= max_edge:
        return image
    size = tuple(max(1, round(edge * max_edge / longest)) for edge in image.size)
    # Averages whole blocks of pixels first: a quarter of the time, and no difference that a preview shows.
    # Hamming is as sharp as bicubic where pictures become smaller, and takes half of its time.
    return image.resize((size[0], size[1]), Image.Resampling.HAMMING, reducing_gap=_REDUCING_GAP)


def is_transparent(image: Image.Image) -> bool:
    """Whether anything is seen through."""
    return image.mode == "RGBA" and cast("tuple[int, int]", image.getchannel("A").getextrema())[0] < _OPAQUE


def on_checker(image: Image.Image) -> Image.Image:
    """The image on a light checker, which is how transparency is shown where a format has none."""
    from PIL import Image

    columns, rows = (edge // _CHECKER_FIELD + 1 for edge in image.size)
    fields = bytes(_CHECKER_LEVELS[(x + y) % 2] for y in range(rows) for x in range(columns))
    size = (columns * _CHECKER_FIELD, rows * _CHECKER_FIELD)
    checker = Image.frombytes("L", (columns, rows), fields).resize(size, Image.Resampling.NEAREST)
    ground = checker.crop((0, 0, *image.size)).convert("RGB")
    ground.paste(image, mask=image.getchannel("A"))
    return ground


def encoded_within(image: Image.Image, view: View) -> bytes:
    """The image at about the best quality that fits, or at the worst one if none does."""
    high, most = _BEST_QUALITY, _encoded(image, view, _BEST_QUALITY)
    if len(most) <= view.max_bytes:
        return most
    low, best = _WORST_QUALITY, _encoded(image, view, _WORST_QUALITY)
    if len(best) > view.max_bytes or view.format == "png":
        return best
    for _ in range(_MOST_GUESSES):
        # The logarithm of the size grows with the quality, and a little faster near the best.
        share = math.log(view.max_bytes / len(best)) / math.log(len(most) / len(best))
        quality = low + int((high - low) * share)
        if quality == low:
            break
        encoded = _encoded(image, view, quality)
        if len(encoded) <= view.max_bytes:
            low, best = quality, encoded
        else:
            high, most = quality, encoded
    return best


def _encoded(image: Image.Image, view: View, quality: int) -> bytes:
    """The image as a file; a PNG has two qualities, all colours or 256, and only WebP has methods."""
    if view.format == "png" and quality < _BEST_QUALITY:
        image = image.quantize(method=_FAST_OCTREE)
    kind = view.format.upper()
    return encode(image, kind, source_type=view.source_type, quality=quality, method=_METHOD)


def _with_grid(image: Image.Image, crop: Crop) -> Image.Image:
    """Rulers every tenth, labelled in fractions of the whole image, so that they can be used as regions."""
    from PIL import ImageDraw, ImageFont

    image = image.copy()
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(size=max(10, max(image.size) // 48))
    for step in range(1, _GRID_STEPS):
        part = step / _GRID_STEPS
        x, y = round(part * image.width), round(part * image.height)
        for line in (((x, 0), (x, image.height)), ((0, y), (image.width, y))):
            draw.line(line, fill=(255, 255, 255), width=3)
            draw.line(line, fill=(220, 0, 80), width=1)
        across = crop.left + part * (crop.right - crop.left)
        down = crop.top + part * (crop.bottom - crop.top)
        for place, value in (((x + 3, 2), across), ((3, y + 1), down)):
            draw.text(
                place, f"{value:.3g}", fill=(220, 0, 80), font=font, stroke_width=2, stroke_fill="white"
            )
    return image
