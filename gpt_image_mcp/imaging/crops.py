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
    if len(values) != _VALUES or not all(0 <= value <= 1 for value in values):
        raise _no_crop(text, "it must be left,top,right,bottom as fractions from 0 to 1")
    if values[0] >= values[2] or values[1] >= values[3]:
        raise _no_crop(text, "left must be less than right, and top less than bottom")
    return Crop(*values)


def _no_crop(text: str, rule: str) -> InvalidArgument:
    message = f"crop is {text!r}; {rule}."
    return InvalidArgument(message, next_step='Pass for example crop "0.25,0.25,0.75,0.75" (the middle).')
