"""A part of an image, as a caller writes it."""

from __future__ import annotations

import re
from typing import NamedTuple

from gpt_image_mcp.errors import InvalidArgument

_VALUES = 4


class Crop(NamedTuple):
    """Left, top, right and bottom edge as fractions of an image's width and height."""

    left: float
    top: float
    right: float
    bottom: float


WHOLE = Crop(0.0, 0.0, 1.0, 1.0)


def parse_crop(text: str) -> Crop | None:
    """Reads ``left,top,right,bottom`` in fractions of the image; None for an empty text.

    Raises:
        InvalidArgument: If it is not four numbers from 0 to 1 that span an area.
    """
    if not text.strip():
        return None
    parts = re.split(r"[\s,;]+", text.strip().strip("[]()"))
    try:
        values = [float(part) for part in parts]
    except ValueError:
        values = []
    in_range = len(values) == _VALUES and all(0 <= value <= 1 for value in values)
    if not in_range or values[0] >= values[2] or values[1] >= values[3]:
        message = f"crop is {text!r}; it must be left,top,right,bottom as fractions from 0 to 1."
        raise InvalidArgument(message, next_step='Pass for example crop "0.25,0.25,0.75,0.75" (the middle).')
    return Crop(*values)
