"""Shapes on a picture as callers write them: a box or points, in fractions of its edges or in pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, cast

from pydantic import BaseModel, BeforeValidator, Field, FiniteFloat, ValidationError

from gpt_image_mcp.coercion import lowered
from gpt_image_mcp.errors import InvalidArgument, cut, quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    Points = list[tuple[float, float]]
    _Kind = TypeVar("_Kind", bound="Shape")

MOST_SHAPES, MOST_POINTS = 64, 1000
_CORNERS = 4
# A fraction beyond this is a pixel position whose unit was forgotten.
_LARGEST_FRACTION = 2.0


def _unit(value: object) -> object:
    text = lowered(value)
    aliases = {"pixel": "px", "pixels": "px", "fractions": "fraction", "relative": "fraction"}
    return aliases.get(text, text) if isinstance(text, str) else text


class Shape(BaseModel, frozen=True, extra="forbid"):
    """One shape; ``box`` has its left, top, right and bottom edge, and all its numbers have its ``unit``."""

    shape: str
    box: tuple[FiniteFloat, ...] = ()
    points: Annotated[tuple[tuple[FiniteFloat, FiniteFloat], ...], Field(max_length=MOST_POINTS)] = ()
    unit: Annotated[Literal["fraction", "px"], BeforeValidator(_unit)] = "fraction"

    def in_pixels(self, size: tuple[int, int], *, is_box: bool) -> Points:
        """Its points, or left top and right bottom of its box, in the pixels of a picture of this size."""
        across, down = size if self.unit == "fraction" else (1, 1)
        points = (self.box[:2], self.box[2:]) if is_box else self.points
        return [(x * across, y * down) for x, y in points]

    @property
    def box_complaint(self) -> str:
        """What is wrong with its box, in words; empty if nothing is."""
        if len(self.box) != _CORNERS:
            return f"has a box of {len(self.box)} numbers; it needs left, top, right and bottom"
        if self.box[0] >= self.box[2] or self.box[1] >= self.box[3]:
            return f"has the box {list(self.box)}, whose right or bottom edge is not beyond the other"
        return ""

    def complaint(self) -> str:
        """What is wrong with its geometry, in words; empty if nothing is."""
        values = [*self.box, *(value for point in self.points for value in point)]
        if self.unit == "fraction" and any(abs(value) > _LARGEST_FRACTION for value in values):
            return 'has values beyond 1 although its unit is fraction; for pixels add "unit": "px"'
        return ""

    @staticmethod
    def example(shape: object) -> str:
        """How to write one, as JSON; of this shape, if there is such a one."""
        raise NotImplementedError


def read_shapes(kind: type[_Kind], described: Sequence[Any]) -> tuple[_Kind, ...]:
    """Shapes from what a caller wrote.

    Raises:
        InvalidArgument: If one is malformed; names it, the field and what is allowed.
    """
    name = kind.__name__
    if len(described) > MOST_SHAPES:
        message = (
            f"There are {len(described):,} {name.lower()}s; at most {MOST_SHAPES} are allowed in a call."
        )
        raise InvalidArgument(message, next_step="Pass fewer, or a file that you drew.")
    return tuple(_read(kind, item, f"{name} {number}") for number, item in enumerate(described, start=1))


def _read(kind: type[_Kind], item: Any, name: str) -> _Kind:
    if isinstance(item, kind):
        return item
    if not isinstance(item, dict):
        message = f"{name} is {quoted(item)}, which is no JSON object."
        raise InvalidArgument(message, next_step=f"Write it like {kind.example('')}.")
    given = {key: part for key, part in cast("dict[str, Any]", item).items() if part not in (None, "")}
    try:
        read = kind.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = cut(".".join(str(part) for part in first["loc"]))
        message = f"{name} is malformed: {where}: {first['msg']}, got {quoted(first['input'])}."
        step = f"Write it like {kind.example(lowered(given.get('shape')))}."
        raise InvalidArgument(message, next_step=step) from error
    if complaint := read.complaint():
        message = f"{name} ({read.shape}) {complaint}."
        raise InvalidArgument(message, next_step=f"Write it like {kind.example(read.shape)}.")
    return read
