"""Parts of an image as a caller describes them, and the area they cover together.

The area is a grey image: 255 is to be edited, 0 is not. Plain regions add up; inverted ones are what must
not be edited, so one inverted region alone means everything else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BeforeValidator, Field, FiniteFloat

from gpt_image_mcp.coercion import lowered
from gpt_image_mcp.errors import InvalidArgument
from gpt_image_mcp.imaging.shapes import Shape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL import Image

    from gpt_image_mcp.imaging.shapes import Points

EXAMPLE = '{"shape": "rectangle", "box": [0.25, 0.25, 0.75, 0.75]}'
_POLYGON = '{"shape": "polygon", "points": [[0.5, 0.1], [0.9, 0.9], [0.1, 0.9]]}'
_FEWEST_POINTS = 3
# Of all regions together, five seconds of drawing; softening an edge takes three times as long again.
_MOST_DRAWN_PIXELS = 1_000_000_000
# Farther from the image than so many of its longer edge, Pillow takes minutes to draw an ellipse.
_FARTHEST_EDGES = 10
_HALF = 128


class Region(Shape, frozen=True):
    """One part of an image.

    Attributes:
        box: Left, top, right and bottom edge, for a rectangle or an ellipse.
        points: Corners of a polygon, three or more.
        unit: Of ``box``, ``points`` and ``feather``: fractions of the image's edges (``feather``: of the
            shorter one), or pixels.
        invert: Whether everything but this part is meant.
        feather: Width of the soft edge, half of it on each side.
    """

    shape: Annotated[Literal["rectangle", "ellipse", "polygon"], BeforeValidator(lowered)] = "rectangle"
    invert: bool = False
    feather: Annotated[FiniteFloat, Field(ge=0)] = 0.0

    def complaint(self) -> str:
        """What is wrong with the geometry, in words; empty if nothing is."""
        if self.shape == "polygon":
            if len(self.points) < _FEWEST_POINTS:
                return f"has {len(self.points)} points; a polygon needs at least {_FEWEST_POINTS}"
        elif complaint := self.box_complaint:
            return complaint
        if self.unit == "fraction" and self.feather > 1:
            return f'has a feather of {self.feather:g} image edges; for pixels add "unit": "px"'
        return super().complaint()

    @staticmethod
    def example(shape: object) -> str:
        """A polygon or a rectangle, as JSON."""
        return _POLYGON if shape == "polygon" else EXAMPLE


@dataclass(frozen=True, slots=True)
class Area:
    """What regions cover together, as a grey image, and what there is to say about it."""

    coverage: Image.Image
    notes: tuple[str, ...] = ()


def cover(regions: Sequence[Region], size: tuple[int, int]) -> Area:
    """The area that regions cover in an image of this size.

    Raises:
        InvalidArgument: If a region lies outside the image, or its feather leaves nothing of it.
    """
    from PIL import Image, ImageChops

    softened = sum(1 for region in regions if region.feather)
    if (len(regions) + 3 * softened) * size[0] * size[1] > _MOST_DRAWN_PIXELS:
        message = (
            f"{len(regions)} regions, {softened} of them with a feather, on {size[0]}x{size[1]} pixels would "
            "take too long."
        )
        raise InvalidArgument(message, next_step="Scale image 1 down, or pass fewer regions, or a mask.")
    notes: list[str] = []
    coverage = Image.new("L", size, 255 if all(region.invert for region in regions) else 0)
    # One after the other, so that only one is in memory; what must not be edited comes last.
    for number, region in sorted(enumerate(regions, start=1), key=lambda entry: entry[1].invert):
        area = _drawn(number, region, size, notes=notes)
        if region.invert:
            coverage = ImageChops.darker(coverage, ImageChops.invert(area))
        else:
            coverage = ImageChops.lighter(coverage, area)
    return Area(coverage, tuple(notes))


def _drawn(number: int, region: Region, size: tuple[int, int], *, notes: list[str]) -> Image.Image:
    """The region itself, white on black, whether it is inverted or not."""
    from PIL import Image, ImageDraw

    outline = region.in_pixels(size, is_box=region.shape != "polygon")
    _check_inside(number, outline, size, notes=notes)
    area = Image.new("L", size, 0)
    draw = ImageDraw.Draw(area)
    if region.shape == "polygon":
        draw.polygon(outline, fill=255)
    else:
        (draw.ellipse if region.shape == "ellipse" else draw.rectangle)(_corners(outline, size), fill=255)
    feather = region.feather if region.unit == "px" else region.feather * min(size)
    return _feathered(number, area, feather) if feather else area


def _corners(outline: Points, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """A box as Pillow takes it, with its right and bottom pixel included; never empty inside the image."""
    (left, top), (right, bottom) = outline
    first_x, first_y = min(round(left), size[0] - 1), min(round(top), size[1] - 1)
    return (first_x, first_y, max(0, first_x, round(right) - 1), max(0, first_y, round(bottom) - 1))


def _feathered(number: int, area: Image.Image, width: float) -> Image.Image:
    """The area with a soft edge."""
    from PIL import ImageFilter

    # About 95 % of a Gaussian lies within two radii on each side.
    radius = min(width, sum(area.size)) / 4
    soft = area.filter(ImageFilter.GaussianBlur(radius))
    # A region that only touches the image had nothing to lose.
    if area.getbbox() and soft.point([0] * _HALF + [255] * _HALF).getbbox() is None:
        message = f"Region {number} vanishes: its feather of {width:g} pixels is wider than itself."
        raise InvalidArgument(message, next_step="Use a smaller feather, or a larger region.")
    return soft


def _check_inside(number: int, outline: Points, size: tuple[int, int], *, notes: list[str]) -> None:
    across, down = [x for x, _ in outline], [y for _, y in outline]
    edges = f"{min(across):g},{min(down):g} to {max(across):g},{max(down):g}"
    if max(across) <= 0 or max(down) <= 0 or min(across) >= size[0] or min(down) >= size[1]:
        message = (
            f"Region {number} lies outside the image: it spans {edges}, the image is {size[0]}x{size[1]}."
        )
        raise InvalidArgument(
            message, next_step="Call get_image with grid true to read positions off the image."
        )
    farthest = max(abs(value) for value in (*across, *down))
    if farthest > _FARTHEST_EDGES * max(size):
        message = f"Region {number} reaches far beyond the image of {size[0]}x{size[1]}: it spans {edges}."
        raise InvalidArgument(message, next_step="Keep it near the image; what lies outside does not count.")
    if min(across) < 0 or min(down) < 0 or max(across) > size[0] or max(down) > size[1]:
        notes.append(f"Region {number} reaches beyond the image and was cut at its edge.")
