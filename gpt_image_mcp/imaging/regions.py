"""Parts of an image as a caller describes them, and the area they cover together.

The area is a grey image: 255 is to be edited, 0 is not. Plain regions add up; inverted ones are what must
not be edited, so one inverted region alone means everything else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, FiniteFloat, ValidationError

from gpt_image_mcp.coercion import lowered
from gpt_image_mcp.errors import InvalidArgument, cut, quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL import Image

    Points = list[tuple[float, float]]

EXAMPLE = '{"shape": "rectangle", "box": [0.25, 0.25, 0.75, 0.75]}'
_POLYGON = '{"shape": "polygon", "points": [[0.5, 0.1], [0.9, 0.9], [0.1, 0.9]]}'
_CORNERS = 4
_FEWEST_POINTS, MOST_POINTS = 3, 1000
MOST_REGIONS = 64
# Of all regions together, five seconds of drawing; softening an edge takes three times as long again.
_MOST_DRAWN_PIXELS = 1_000_000_000
# A fraction beyond this is a pixel position whose unit was forgotten.
_LARGEST_FRACTION = 2.0
# Farther from the image than so many of its longer edge, Pillow takes minutes to draw an ellipse.
_FARTHEST_EDGES = 10
_HALF = 128


def _unit(value: object) -> object:
    text = lowered(value)
    aliases = {"pixel": "px", "pixels": "px", "fractions": "fraction", "relative": "fraction"}
    return aliases.get(text, text) if isinstance(text, str) else text


class Region(BaseModel):
    """One part of an image.

    Attributes:
        box: Left, top, right and bottom edge, for a rectangle or an ellipse.
        points: Corners of a polygon, three or more.
        unit: Of ``box``, ``points`` and ``feather``: fractions of the image's edges (``feather``: of the
            shorter one), or pixels.
        invert: Whether everything but this part is meant.
        feather: Width of the soft edge, half of it on each side.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    shape: Annotated[Literal["rectangle", "ellipse", "polygon"], BeforeValidator(lowered)] = "rectangle"
    box: tuple[FiniteFloat, ...] = ()
    points: Annotated[tuple[tuple[FiniteFloat, FiniteFloat], ...], Field(max_length=MOST_POINTS)] = ()
    unit: Annotated[Literal["fraction", "px"], BeforeValidator(_unit)] = "fraction"
    invert: bool = False
    feather: Annotated[FiniteFloat, Field(ge=0)] = 0.0


@dataclass(frozen=True, slots=True)
class Area:
    """What regions cover together, as a grey image, and what there is to say about it."""

    coverage: Image.Image
    notes: tuple[str, ...] = ()


def parse_regions(described: Sequence[Any]) -> tuple[Region, ...]:
    """Regions from what a caller wrote.

    Raises:
        InvalidArgument: If one is malformed; names the region, the field and what is allowed.
    """
    if len(described) > MOST_REGIONS:
        message = f"There are {len(described):,} regions; at most {MOST_REGIONS} are allowed in one call."
        raise InvalidArgument(message, next_step="Merge them, or pass a mask.")
    return tuple(_parsed(number, item) for number, item in enumerate(described, start=1))


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


def _parsed(number: int, item: Any) -> Region:
    if isinstance(item, Region):
        return item
    if not isinstance(item, dict):
        message = f"Region {number} is {quoted(item)}, which is no JSON object."
        raise InvalidArgument(message, next_step=f"Write it like {EXAMPLE}.")
    given = {name: part for name, part in cast("dict[str, Any]", item).items() if part not in (None, "")}
    try:
        region = Region.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = cut(".".join(str(part) for part in first["loc"]))
        message = f"Region {number} is malformed: {where}: {first['msg']}, got {quoted(first['input'])}."
        raise InvalidArgument(message, next_step=f"Write it like {_example(given.get('shape'))}.") from error
    complaint = _complaint(region)
    if complaint:
        message = f"Region {number} ({region.shape}) {complaint}."
        raise InvalidArgument(message, next_step=f"Write it like {_example(region.shape)}.")
    return region


def _example(shape: object) -> str:
    return _POLYGON if shape == "polygon" else EXAMPLE


def _complaint(region: Region) -> str:
    """What is wrong with the geometry, in words; empty if nothing is."""
    if region.shape == "polygon":
        if len(region.points) < _FEWEST_POINTS:
            return f"has {len(region.points)} points; a polygon needs at least {_FEWEST_POINTS}"
    elif len(region.box) != _CORNERS:
        return f"has a box of {len(region.box)} numbers; it needs left, top, right and bottom"
    elif region.box[0] >= region.box[2] or region.box[1] >= region.box[3]:
        return f"has the box {list(region.box)}, whose right or bottom edge is not beyond the other"
    values = [*region.box, *(value for point in region.points for value in point)]
    if region.unit == "fraction" and any(abs(value) > _LARGEST_FRACTION for value in values):
        return 'has values beyond 1 although its unit is fraction; for pixels add "unit": "px"'
    if region.unit == "fraction" and region.feather > 1:
        return f'has a feather of {region.feather:g} image edges; for pixels add "unit": "px"'
    return ""


def _drawn(number: int, region: Region, size: tuple[int, int], *, notes: list[str]) -> Image.Image:
    """The region itself, white on black, whether it is inverted or not."""
    from PIL import Image, ImageDraw

    outline = _outline(region, size)
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
    """The area with a soft edge.

    Raises:
        InvalidArgument: If the edge is so wide that nothing of the area is left.
    """
    from PIL import ImageFilter

    # About 95 % of a Gaussian lies within two radii on each side.
    radius = min(width, sum(area.size)) / 4
    soft = area.filter(ImageFilter.GaussianBlur(radius))
    # A region that only touches the image had nothing to lose.
    if area.getbbox() and soft.point([0] * _HALF + [255] * _HALF).getbbox() is None:
        message = f"Region {number} vanishes: its feather of {width:g} pixels is wider than itself."
        raise InvalidArgument(message, next_step="Use a smaller feather, or a larger region.")
    return soft


def _outline(region: Region, size: tuple[int, int]) -> Points:
    """Corners in pixels: of the polygon, or left top and right bottom of the box."""
    across, down = size if region.unit == "fraction" else (1, 1)
    if region.shape == "polygon":
        return [(x * across, y * down) for x, y in region.points]
    left, top, right, bottom = region.box
    return [(left * across, top * down), (right * across, bottom * down)]


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
