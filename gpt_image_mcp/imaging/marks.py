"""Markup: hints on a transparent layer that point at something in image 1, as a file or as marks to draw."""

from __future__ import annotations

import math
import unicodedata
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from gpt_image_mcp.coercion import lowered
from gpt_image_mcp.errors import InputRejected, InvalidArgument
from gpt_image_mcp.imaging.decoding import decode
from gpt_image_mcp.imaging.encoding import encode
from gpt_image_mcp.imaging.formats import room_for
from gpt_image_mcp.imaging.normalise import damage_refused, require_whole
from gpt_image_mcp.imaging.shapes import Shape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL import Image, ImageDraw

    from gpt_image_mcp.imaging.shapes import Points

MOST_LETTERS = 80
# The documented limit of masks; none is documented for markup.
MAX_MARKUP_BYTES = 4_000_000
_INK, _OUTLINE = (255, 32, 80, 255), (255, 255, 255, 255)
# The width of strokes and the height of letters, as shares of the shorter edge, with the least of each.
_STROKE_SHARE, _LEAST_STROKE = 1 / 120, 2
_LETTER_SHARE, _LEAST_LETTER = 1 / 24, 12
_HEAD_STROKES, _CIRCLE_CORNERS = 5, 120
# Of all strokes together, about five seconds of drawing.
_MOST_DRAWN_PIXELS = 300_000_000
_NEXT_STEP = "Draw on a transparent PNG of exactly image 1's size, or pass marks."


def _drawable(text: str) -> str:
    """The text in letters that the built-in font has: it has no accents."""
    parts = unicodedata.normalize("NFKD", " ".join(text.split()))
    plain = "".join(letter for letter in parts if not unicodedata.combining(letter))
    if not (plain.isascii() and plain.isprintable()):
        message = "only Latin letters can be drawn; the prompt takes any"
        raise ValueError(message)
    return plain


class Mark(Shape, frozen=True):
    """One mark. A circle or a box has a ``box``, a path or an arrow points, and a label one point or a box.

    Attributes:
        text: Of a label; any other mark may have one too, at its beginning or on its upper edge.
    """

    shape: Annotated[Literal["arrow", "circle", "box", "path", "label"], BeforeValidator(lowered)]
    text: Annotated[str, Field(max_length=MOST_LETTERS), AfterValidator(_drawable)] = ""

    @property
    def is_boxed(self) -> bool:
        """Whether its box says where it is."""
        return self.shape in ("circle", "box") or (self.shape == "label" and not self.points)

    def complaint(self) -> str:
        """What is wrong with it, in words; empty if nothing is."""
        if self.shape == "label" and not self.text:
            return "has no text"
        if self.is_boxed and self.box_complaint:
            return self.box_complaint
        if self.shape in ("arrow", "path") and len(set(self.points)) < 2:  # noqa: PLR2004 - two ends
            return f"has {len(set(self.points))} different points; it needs two or more"
        return super().complaint()

    @staticmethod
    def example(shape: object) -> str:
        """One of this shape, or an arrow."""
        if shape == "label":
            return '{"shape": "label", "points": [[0.5, 0.1]], "text": "clear sky"}'
        if shape in ("circle", "box"):
            return f'{{"shape": "{shape}", "box": [0.2, 0.2, 0.4, 0.5]}}'
        name = "path" if shape == "path" else "arrow"
        return f'{{"shape": "{name}", "points": [[0.2, 0.3], [0.7, 0.6]], "text": "move here"}}'


def read_markup(data: bytes, size: tuple[int, int], *, source: str) -> bytes:
    """The file to send for a caller's markup of an image of this size. CPU work, for a worker thread.

    Raises:
        InputRejected: If it is no PNG, of another size, or not both transparent and drawn on.
    """
    name = f"The markup {source}"
    picture = require_whole(data, source=name)
    if picture.format != "png":
        raise InputRejected(f"{name} is {picture.format}, not PNG.", next_step=_NEXT_STEP)
    with damage_refused(name), room_for(data):
        decoded = decode(data)
        if decoded.image.size != size:
            width, height = decoded.image.size
            message = f"{name} is {width}x{height}, but image 1 is {size[0]}x{size[1]}."
            raise InputRejected(message, next_step=_NEXT_STEP)
        return _encoded(decoded.image.convert("RGBA"), name=name, profile=decoded.profile)


def draw_marks(marks: Sequence[Mark], size: tuple[int, int]) -> bytes:
    """The file to send for marks on an image of this size. CPU work, for a worker thread.

    Raises:
        RequestError: If a mark lies outside or has no room, or nothing would be left transparent.
    """
    from PIL import Image, ImageDraw

    lines = [_line(number, mark, size) for number, mark in enumerate(marks, start=1)]
    width = max(_LEAST_STROKE, round(min(size) * _STROKE_SHARE))
    if width * sum(math.dist(*ends) for line in lines for ends in pairwise(line)) > _MOST_DRAWN_PIXELS:
        message = f"The {len(marks)} marks on {size[0]}x{size[1]} pixels would take too long to draw."
        raise InvalidArgument(message, next_step="Pass fewer marks, or fewer points, or scale image 1 down.")
    image = Image.new("RGBA", size, (0, 0, 0, 0))
    draw = ImageDraw.Draw(image)
    for mark, line in zip(marks, lines, strict=True):
        if mark.shape != "label":
            (_draw_arrow if mark.shape == "arrow" else _draw_line)(draw, line, width)
    # Last, so that no stroke covers them.
    for mark, line in zip(marks, lines, strict=True):
        if mark.text:
            _write(draw, mark.text, line[0], size=size)
    return _encoded(image, name="The picture of the marks")


def _line(number: int, mark: Mark, size: tuple[int, int]) -> Points:
    """The corners of the stroke in pixels, all inside; its text begins at the first, of a label around it."""
    line = mark.in_pixels(size, is_box=mark.is_boxed)
    for x, y in line:
        if not (0 <= x <= size[0] and 0 <= y <= size[1]):
            message = (
                f"Mark {number} ({mark.shape}) is outside image 1, which is {size[0]}x{size[1]}: {x:g},{y:g}."
            )
            step = "Keep all of it inside; get_image with grid true shows positions."
            raise InvalidArgument(message, next_step=step)
    if not mark.is_boxed:
        return line
    (left, top), (right, bottom) = line
    x, y = (left + right) / 2, (top + bottom) / 2
    if mark.shape == "label":
        return [(x, y)]
    if mark.shape == "box":
        return [(x, top), (right, top), (right, bottom), (left, bottom), (left, top), (x, top)]
    turns = [2 * math.pi * step / _CIRCLE_CORNERS for step in range(_CIRCLE_CORNERS + 1)]
    return [(x + (right - x) * math.sin(turn), y - (y - top) * math.cos(turn)) for turn in turns]


def _draw_line(draw: ImageDraw.ImageDraw, line: Points, width: int) -> None:
    """A stroke with round ends and an outline, which shows on any ground."""
    for colour, across in ((_OUTLINE, 2 * width), (_INK, width)):
        draw.line(line, fill=colour, width=across, joint="curve")
        for end in (line[0], line[-1]):
            draw.circle(end, across / 2, fill=colour)


def _draw_arrow(draw: ImageDraw.ImageDraw, line: Points, width: int) -> None:
    """A stroke with a head, which points where the last part of the stroke that is as long does."""
    tip, length = line[-1], _HEAD_STROKES * width
    shaft = [point for point in line if math.dist(point, tip) > length]
    tail = shaft[-1] if shaft else max(line, key=lambda point: math.dist(point, tip))
    turn = math.atan2(tip[1] - tail[1], tip[0] - tail[0])
    along, across = (length * math.cos(turn), length * math.sin(turn)), length / 2
    base = (tip[0] - along[0], tip[1] - along[1])
    if shaft:
        _draw_line(draw, [*shaft, base], width)
    sides = [(base[0] + side * math.sin(turn), base[1] - side * math.cos(turn)) for side in (across, -across)]
    draw.line([tip, *sides, tip, sides[0]], fill=_OUTLINE, width=width, joint="curve")
    draw.polygon([tip, *sides], fill=_INK)


def _write(draw: ImageDraw.ImageDraw, text: str, at: tuple[float, float], *, size: tuple[int, int]) -> None:
    """Writes a text around a place, or as near to it as the picture allows."""
    from PIL import ImageFont

    height = max(_LEAST_LETTER, round(min(size) * _LETTER_SHARE))
    share = size[0] / (ImageFont.load_default(size=height).getlength(text) + height)
    font = ImageFont.load_default(size=max(_LEAST_LETTER, int(height * min(1, share))))
    half = ((font.getlength(text) + height / 2) / 2, height * 0.75)
    if any(2 * part > whole for part, whole in zip(half, size, strict=True)):
        message = f"A text of {len(text)} letters has no room on {size[0]}x{size[1]} pixels."
        raise InvalidArgument(message, next_step="Shorten it, or say it in the prompt.")
    x, y = (min(max(want, part), whole - part) for want, part, whole in zip(at, half, size, strict=True))
    draw.text((x, y), text, font=font, fill=_INK, stroke_width=height / 8, stroke_fill=_OUTLINE, anchor="mm")


def _encoded(image: Image.Image, *, name: str, profile: bytes = b"") -> bytes:
    """The file of a layer in RGBA that is partly drawn on."""
    levels = image.getchannel("A").histogram()
    if not any(levels[1:]):
        raise InputRejected(
            f"{name} is empty: all of it is transparent.", next_step="Draw what is meant on it."
        )
    if not levels[0]:
        message = f"{name} has no transparent pixel, so it would hide image 1."
        raise InputRejected(message, next_step="Leave most of it transparent, with a few strokes on it.")
    data = encode(image, "PNG", profile=profile, compress_level=6)
    if len(data) >= MAX_MARKUP_BYTES:
        message = f"{name} has {len(data) / 1e6:.1f} MB as PNG; the API takes less than 4."
        raise InputRejected(message, next_step="Draw less on it, in few colours, or pass a smaller image 1.")
    return data
