"""Sizes to the pixel, which no model makes: a larger one is asked for and cut on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gpt_image_mcp.catalogue.size_rules import larger_sizes, largest_of_shape, parse_pixels
from gpt_image_mcp.errors import InvalidArgument, UnsupportedByModel, quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gpt_image_mcp.catalogue.models import ImageModel
    from gpt_image_mcp.values.pixels import Pixels

_LEAST_EDGE, _LARGEST_EDGE, _MOST_RATIO = 16, 3840, 3
_ALLOWED = f"{_LEAST_EDGE} to {_LARGEST_EDGE} pixels a side, and at most {_MOST_RATIO}:1"
_NEXT_STEP = f"Pass WIDTHxHEIGHT with {_ALLOWED}, such as 1920x1080, or leave exact_size empty."


@dataclass(frozen=True, slots=True)
class ExactSize:
    """The size to deliver, and the one to ask the model for."""

    wanted: Pixels
    asked: Pixels


def resolve_exact_size(model: ImageModel | None, text: str) -> ExactSize:
    """What an exact size that a caller wrote means for a model.

    Raises:
        InvalidArgument: If it is no size, or one that is not delivered.
        UnsupportedByModel: If the model makes none that it can be cut from.
    """
    wanted = parse_pixels(text)
    if wanted is None or not is_exact_size(wanted):
        reason = "which is no size in pixels" if wanted is None else f"but it must have {_ALLOWED}"
        message = f"exact_size is {quoted(text.strip())}, {reason}."
        raise InvalidArgument(message, next_step=_NEXT_STEP)
    found = larger_sizes(model, wanted)
    if not found:
        name = model.name if model else "the model"
        message = f"exact_size is {wanted}, and {name} makes no size as large, which it could be cut from."
        largest = largest_of_shape(model, wanted)
        raise UnsupportedByModel(
            message, next_step=f"Pass exact_size {largest}, the largest of this shape that fits."
        )
    return ExactSize(wanted, found[0])


def require_whole_picture(text: str, parts: Sequence[str]) -> None:
    """Refuses an exact size where the size of the result follows from image 1.

    Args:
        text: What the caller wrote; empty for none.
        parts: What the caller passed that edits a part of image 1, in words.

    Raises:
        InvalidArgument: If there are both.
    """
    if text.strip() and parts:
        message = f"exact_size is {quoted(text.strip())}, and does not go with {' and '.join(parts)}."
        step = "Leave exact_size empty: with a mask or regions the result has image 1's own size."
        raise InvalidArgument(message, next_step=f"{step} export_image gives it another one afterwards.")


def is_exact_size(size: Pixels) -> bool:
    """Whether a size is one that is delivered to the pixel, if the model makes one as large."""
    short, long = min(size), max(size)
    return short >= _LEAST_EDGE and long <= min(_LARGEST_EDGE, _MOST_RATIO * short)
