"""What a batch says of images that were not made, and how it calls its inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gpt_image_mcp.coercion import whole_characters
from gpt_image_mcp.errors import (
    AGAIN_IN_VAIN,
    AGAIN_LATER,
    Cancelled,
    ImageError,
    InternalError,
    OutcomeUnknown,
)
from gpt_image_mcp.references import classify
from gpt_image_mcp.values.results import BatchEntry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gpt_image_mcp.values.results import BatchResult

_ERRORS_NAMED = 5
_LONGEST_NAME_CHARACTERS = 500


def shown(image: str) -> str:
    """An input by which callers know it again: a path is whole, unless no file system could have it."""
    ref = classify(image)
    is_name = ref.kind == "path" and len(ref.text) <= _LONGEST_NAME_CHARACTERS
    return whole_characters(ref.text) if is_name else ref.shown


def all_failed(failures: Mapping[int, ImageError], result: BatchResult) -> ImageError:
    """The error of a batch of which no image was made: of the kind that the first failed with.

    Args:
        failures: The errors by the position of the image; empty if none was tried.
        result: What would have been returned.
    """
    first = (
        failures[min(failures)] if failures else InternalError("nothing was edited", next_step="Report it.")
    )
    failed = [entry for entry in result.items if entry.status == "failed"]
    listed = "; ".join(f"{entry.input}: {_one_line(entry.error)}" for entry in failed[:_ERRORS_NAMED])
    more = f"; and {len(failed) - _ERRORS_NAMED} more" if len(failed) > _ERRORS_NAMED else ""
    skipped = f" {result.total - len(failed)} were not begun." if len(failed) < result.total else ""
    message = f"No image of {result.total} was edited.{skipped} {listed}{more}"
    kind: Any = type(first)
    made: ImageError = kind(message, next_step=first.next_step, request_id=first.request_id)
    made.retryable = first.retryable
    return made


def cut_off(image: str) -> BatchEntry:
    """The entry of an image that was being made when the batch was stopped."""
    error = OutcomeUnknown(
        "The batch was stopped while this image was being made. If its request was sent, it is saved all the "
        "same.",
        next_step="Call the same batch again: it goes on with what is missing and does not pay twice.",
    )
    return BatchEntry(input=shown(image), status="failed", error=str(error))


def stopped() -> ImageError:
    """The error of a batch that was stopped before an image was done."""
    message = "The batch was stopped before an image was done; what was already sent is saved all the same."
    return Cancelled(message, next_step="Call the same batch again; it finds what was made.", retryable=True)


def _one_line(error: str) -> str:
    """The text of an error without what all of them end with, which the error of the batch says once."""
    said = error.partition(" Next: ")[0]
    for again in (AGAIN_LATER, AGAIN_IN_VAIN):
        said = said.removesuffix(f" {again}")
    return said[:300]
