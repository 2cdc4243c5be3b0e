"""A contact sheet: several pictures side by side, each with its number and a label. CPU work for a thread.

The letters keep their size when the sheet becomes narrower, so that they stay legible; only pictures shrink.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from gpt_image_mcp.imaging.previews import View, drawn, encoded_within, is_transparent, on_checker, scaled
from gpt_image_mcp.values.pixels import Pixels
from gpt_image_mcp.values.views import InlineImage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL import Image, ImageFont

    _Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

LARGEST_EDGE, NARROWEST_EDGE = 1536, 480
_GAP, _LINE_HEIGHT, _LETTER_HEIGHT = 12, 21, 17
_NUMBER_HEIGHT, _BADGE = 26, (38, 34)
_NARROWEST_CELL = 140
_GROUND, _INK = (255, 255, 255), (24, 24, 27)


@dataclass(frozen=True, slots=True)
class Entry:
    """A picture of a sheet, in RGB and already small, with the words to write below it.

    Attributes:
        has_checker: Whether a light checker is seen where the picture is transparent.
    """

    image: Image.Image
    label: tuple[str, ...]
    has_checker: bool


class _Grid(NamedTuple):
    """Columns of cells, with the lines of each entry's label and the room that the longest needs."""

    columns: int
    cell: Pixels
    labels: tuple[tuple[str, ...], ...]
    label_height: int


def make_entry(data: bytes, size: Pixels, *, label: tuple[str, ...], count: int) -> Entry:
    """An image file of a size for a sheet of so many, no larger than it can become there.

    Raises:
        StorageFailed: If it cannot be decoded.
    """
    # Whatever the grid, no picture gets more than its share of the area.
    ratio = max(size) / min(size)
    edge = min(LARGEST_EDGE, math.isqrt(round(LARGEST_EDGE**2 / count * ratio)))
    image = drawn(data, View(max_bytes=0, max_edge=edge))
    has_checker = is_transparent(image)
    return Entry(on_checker(image) if has_checker else image.convert("RGB"), label, has_checker)


def make_sheet(entries: Sequence[Entry], view: View) -> InlineImage | None:
    """The best sheet within the view's bytes and edge; None if even the narrowest has too many bytes.

    The quality goes down first, then the width.
    """
    width = max(NARROWEST_EDGE, min(view.max_edge, LARGEST_EDGE))
    while True:
        encoded = encoded_within(_sheet(entries, width), view)
        if len(encoded) <= view.max_bytes:
            return InlineImage(encoded, f"image/{view.format}")
        if width == NARROWEST_EDGE:
            return None
        shrink = max(0.5, 0.96 * math.sqrt(view.max_bytes / len(encoded)))
        width = max(NARROWEST_EDGE, int(width * shrink))


def _sheet(entries: Sequence[Entry], width: int) -> Image.Image:
    """The sheet of a width, drawn; it is about as high as wide at most."""
    from PIL import Image, ImageDraw, ImageFont

    letters, digits = (ImageFont.load_default(size=height) for height in (_LETTER_HEIGHT, _NUMBER_HEIGHT))
    grid = _best_grid(entries, width, letters)
    small = [scaled(entry.image, max(_fit(entry.image, grid.cell))) for entry in entries]
    rows = [small[start : start + grid.columns] for start in range(0, len(small), grid.columns)]
    heights = [max(image.height for image in row) for row in rows]
    sheet = Image.new("RGB", (width, sum(heights) + len(rows) * grid.label_height + _GAP), _GROUND)
    draw_on = ImageDraw.Draw(sheet)
    for position, image in enumerate(small):
        row, column = divmod(position, grid.columns)
        left = _GAP + column * (grid.cell.width + _GAP)
        bottom = _GAP + sum(heights[: row + 1]) + row * grid.label_height
        sheet.paste(image, (left, bottom - image.height))
        middle = (left + _BADGE[0] / 2, bottom - image.height + _BADGE[1] / 2)
        draw_on.rectangle(
            (left, middle[1] - _BADGE[1] / 2, left + _BADGE[0], middle[1] + _BADGE[1] / 2), _INK
        )
        draw_on.text(middle, str(position + 1), fill=_GROUND, font=digits, anchor="mm")
        for number, line in enumerate(grid.labels[position]):
            draw_on.text((left, bottom + 4 + number * _LINE_HEIGHT), line, fill=_INK, font=letters)
    return sheet


def _best_grid(entries: Sequence[Entry], width: int, font: _Font) -> _Grid:
    """The grid in which the pictures are largest together; two are always side by side."""
    most = min(len(entries), (width - _GAP) // (_NARROWEST_CELL + _GAP))
    fewest = 2 if len(entries) == 2 else 1  # noqa: PLR2004 - two
    grids = [_grid(entries, columns, width=width, font=font) for columns in range(fewest, most + 1)]
    return max(grids, key=lambda grid: sum(_fit(entry.image, grid.cell).area for entry in entries))


def _grid(entries: Sequence[Entry], columns: int, *, width: int, font: _Font) -> _Grid:
    across = max(1, (width - _GAP) // columns - _GAP)
    labels = tuple(_lines(entry.label, across, font) for entry in entries)
    label_height = max(map(len, labels)) * _LINE_HEIGHT + _GAP
    down = (width - _GAP) // math.ceil(len(entries) / columns) - label_height
    return _Grid(columns, Pixels(across, max(1, down)), labels, label_height)


def _lines(words: Sequence[str], width: int, font: _Font) -> tuple[str, ...]:
    """Words in lines of a width, in the letters that the built-in font has; a longer word is broken."""
    lines = [""]
    for word in words:
        text = word.encode("latin-1", "replace").decode("latin-1")
        start = f"{lines[-1]}, " if lines[-1] else ""
        if font.getlength(start + text) > width and start:
            start = ""
            lines.append("")
        lines[-1] = start + text
        while font.getlength(lines[-1]) > width:
            ends = range(1, len(lines[-1]))
            end = max(end for end in ends if font.getlength(lines[-1][:end]) <= width)
            lines[-1:] = [lines[-1][:end], lines[-1][end:]]
    return tuple(lines)


def _fit(image: Image.Image, cell: Pixels) -> Pixels:
    """How large a picture is shown in a cell; never enlarged."""
    scale = min(1.0, cell.width / image.width, cell.height / image.height)
    return Pixels(max(1, round(image.width * scale)), max(1, round(image.height * scale)))
