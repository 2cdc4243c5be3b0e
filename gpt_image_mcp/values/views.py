"""How a caller wants to see images, and the small images that come of it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias

from gpt_image_mcp.errors import InvalidArgument, quoted

PreviewFormat: TypeAlias = Literal["jpeg", "webp", "png"]
_VALUES = 4


class Crop(NamedTuple):
    """Left, top, right and bottom edge as fractions of an image's width and height."""

    left: float
    top: float
    right: float
    bottom: float


WHOLE = Crop(0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewOptions:
    """How to show images; without any, as the settings say.

    Attributes:
        max_edge: The longest edge in pixels, for a larger view than usual; 0 for the usual one.
        crop: The part to show; None for the whole.
        grid: Whether to draw rulers, for choosing regions.
    """

    max_edge: int = 0
    crop: Crop | None = None
    grid: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether the image is shown as it is, at most smaller."""
        return self.crop is None and not self.grid


@dataclass(frozen=True, slots=True)
class InlineImage:
    """An image file that is small enough to be part of an answer.

    Attributes:
        has_checker: Whether a light checker is seen where the image is transparent.
    """

    data: bytes = field(repr=False)
    mime_type: str
    has_checker: bool = False


@dataclass(frozen=True, slots=True)
class Previews:
    """The small images of a result.

    Attributes:
        images: As many as could be made, in the order of the result.
        notes: Why there is none of an image, a sentence each.
    """

    images: tuple[InlineImage, ...] = ()
    notes: tuple[str, ...] = ()


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
    message = f"crop is {quoted(text)}; {rule}."
    return InvalidArgument(message, next_step='Pass for example crop "0.25,0.25,0.75,0.75" (the middle).')
