"""What the library keeps about a call: its reservation, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import TypeAdapter

from gpt_image_mcp import errors
from gpt_image_mcp.errors import ImageError, InternalError


@dataclass(frozen=True, slots=True)
class _KeptError:
    code: str
    message: str
    next_step: str
    request_id: str | None
    retryable: bool


_KEPT = TypeAdapter(_KeptError)
_CLASSES = {
    kind.code: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, ImageError) and "code" in vars(kind)
}


def dump_error(error: ImageError) -> str:
    """An error as text that ``load_error`` makes it from again."""
    kept = _KeptError(error.code, error.message, error.next_step, error.request_id, error.retryable)
    return _KEPT.dump_json(kept).decode()


def load_error(text: str) -> ImageError:
    """The error that was kept."""
    kept = _KEPT.validate_json(text)
    made = _CLASSES.get(kept.code, InternalError)(
        kept.message, next_step=kept.next_step, request_id=kept.request_id
    )
    made.retryable = kept.retryable
    return made
