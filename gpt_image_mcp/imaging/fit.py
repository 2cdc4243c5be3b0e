"""Fitting a picture into a box: which part of it is used, how large it becomes, and where it lies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from gpt_image_mcp.values.pixels import Pixels

Fit: TypeAlias = Literal["contain", "cover", "stretch"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """How a picture fills a canvas.

    Attributes:
        part: Left, top, right and bottom edge of the part of the picture that is used, in its pixels.
        scaled: The size that this part becomes.
        canvas: The size of the whole result.
    """

    part: tuple[float, float, float, float]
    scaled: Pixels
    canvas: Pixels

    @property
    def corner(self) -> tuple[int, int]:
        """Where the picture's left upper corner lies on the canvas: it is in the middle."""
        return (self.canvas.width - self.scaled.width) // 2, (self.canvas.height - self.scaled.height) // 2

    @property
    def magnification(self) -> float:
        """How many times larger the picture becomes, along the edge where it grows most."""
        left, top, right, bottom = self.part
        return max(self.scaled.width / (right - left), self.scaled.height / (bottom - top))

    def is_cropped(self, picture: Pixels) -> bool:
        """Whether a part of the picture is left out, as far as whole pixels go."""
        left, top, right, bottom = self.part
        return round(right - left) < picture.width or round(bottom - top) < picture.height


def fit_into(picture: Pixels, box: Pixels, *, fit: Fit, fills_box: bool) -> Placement:
    """How a picture is fitted into a box.

    Args:
        picture: Its size.
        box: The size wanted; an edge of 0 follows from the other, and two keep the picture's own.
        fit: contain shows all of it, cover fills the box and crops what juts out, stretch distorts.
        fills_box: Whether contain leaves bars so that the result has exactly the size of the box.
    """
    box = _whole_box(picture, box)
    whole = (0.0, 0.0, float(picture.width), float(picture.height))
    if fit == "stretch":
        return Placement(part=whole, scaled=box, canvas=box)
    if fit == "cover":
        return Placement(part=_middle(picture, box), scaled=box, canvas=box)
    scaled = _scaled(picture, within=box)
    return Placement(part=whole, scaled=scaled, canvas=box if fills_box else scaled)


def _whole_box(picture: Pixels, box: Pixels) -> Pixels:
    if box.width and box.height:
        return box
    if box.width:
        return Pixels(box.width, max(1, round(picture.height * box.width / picture.width)))
    if box.height:
        return Pixels(max(1, round(picture.width * box.height / picture.height)), box.height)
    return picture


def _middle(picture: Pixels, box: Pixels) -> tuple[float, float, float, float]:
    """The part in the middle of a picture that has the proportions of a box."""
    scale = max(box.width / picture.width, box.height / picture.height)
    width, height = min(picture.width, box.width / scale), min(picture.height, box.height / scale)
    left, top = (picture.width - width) / 2, (picture.height - height) / 2
    return left, top, left + width, top + height


def _scaled(picture: Pixels, *, within: Pixels) -> Pixels:
    """The largest size of the picture's proportions in a box; one of its edges is the box's."""
    height = max(1, round(picture.height * within.width / picture.width))
    if height <= within.height:
        return Pixels(within.width, height)
    width = max(1, round(picture.width * within.height / picture.height))
    return Pixels(min(width, within.width), within.height)
