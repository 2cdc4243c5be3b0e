"""Shapes on a picture as callers write them: a box or points, in fractions of its edges or in pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, cast

from pydantic import BaseModel, BeforeValidator, Field, FiniteFloat, ValidationError

from gpt_image_mcp.coercion import lowered
from gpt_image_mcp.errors import InvalidArgument, cut, quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Points = list[tuple[float, float]]
    _Read = TypeVar("_Read", bound="Shape")

MOST_POINTS = 1000
_CORNERS = 4
# A fraction beyond this is a pixel position whose unit was forgotten.
_LARGEST_FRACTION = 2.0


def _unit(value: object) -> object:
    text = lowered(value)
    aliases = {"pixel": "px", "pixels": "px", "fractions": "fraction", "relative": "fraction"}
    return aliases.get(text, text) if isinstance(text, str) else text


class Shape(BaseModel, frozen=True, extra="forbid"):
    """One shape on a picture.

    Attributes:
        box: Left, top, right and bottom edge.
        points: Each with x and y.
        unit: Of ``box`` and ``points``: fractions of the picture's edges, or pixels.
    """

    shape: str
    box: tuple[FiniteFloat, ...] = ()
    points: Annotated[tuple[tuple[FiniteFloat, FiniteFloat], ...], Field(max_length=MOST_POINTS)] = ()
    unit: Annotated[Literal["fraction", "px"], BeforeValidator(_unit)] = "fraction"

    @property
    def corners(self) -> Points:
        """Left top and right bottom of the box."""
        left, top, right, bottom = self.box
        return [(left, top), (right, bottom)]

    def in_pixels(self, points: Iterable[tuple[float, float]], size: tuple[int, int]) -> Points:
        """Points of its own in the pixels of a picture of this size."""
        across, down = size if self.unit == "fraction" else (1, 1)
        return [(x * across, y * down) for x, y in points]

    @property
    def box_complaint(self) -> str:
        """What is wrong with its box, in words; empty if nothing is."""
        if len(self.box) != _CORNERS:
            return f"has a box of {len(self.box)} numbers; it needs left, top, right and bottom"
        if self.box[0] >= self.box[2] or self.box[1] >= self.box[3]:
            return f"has the box {list(self.box)}, whose right or bottom edge is not beyond the other"
        return ""

    @property
    def unit_complaint(self) -> str:
        """What is wrong with its unit, in words; empty if nothing is."""
        values = [*self.box, *(value for point in self.points for value in point)]
        if self.unit == "fraction" and any(abs(value) > _LARGEST_FRACTION for value in values):
            return 'has values beyond 1 although its unit is fraction; for pixels add "unit": "px"'
        return ""


def read_shape(
    kind: type[_Read],
    item: Any,
    *,
    name: str,
    complaint: Callable[[_Read], str],
    example: Callable[[object], str],
) -> _Read:
    """A shape from what a caller wrote.

    Args:
        kind: What it is to be; one that is that already is taken as it is.
        item: A JSON object.
        name: What messages call it.
        complaint: What is wrong with its geometry, in words.
        example: One of a shape's name.

    Raises:
        InvalidArgument: If it is malformed; names the field and what is allowed.
    """
    if isinstance(item, kind):
        return item
    if not isinstance(item, dict):
        message = f"{name} is {quoted(item)}, which is no JSON object."
        raise InvalidArgument(message, next_step=f"Write it like {example('')}.")
    given = {key: part for key, part in cast("dict[str, Any]", item).items() if part not in (None, "")}
    try:
        read = kind.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = cut(".".join(str(part) for part in first["loc"]))
        message = f"{name} is malformed: {where}: {first['msg']}, got {quoted(first['input'])}."
        step = f"Write it like {example(lowered(given.get('shape')))}."
        raise InvalidArgument(message, next_step=step) from error
    if said := complaint(read):
        message = f"{name} ({read.shape}) {said}."
        raise InvalidArgument(message, next_step=f"Write it like {example(read.shape)}.")
    return read
