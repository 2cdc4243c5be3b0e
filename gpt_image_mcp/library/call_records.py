"""How the error of a call is kept in the database, and read back as the exception that it was."""

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
    """An error as JSON, which ``load_error`` reads back."""
    kept = _KeptError(error.code, error.message, error.next_step, error.request_id, error.retryable)
    return _KEPT.dump_json(kept).decode()


def load_error(text: str) -> ImageError:
    """The exception that ``dump_error`` wrote; an unknown code becomes an ``InternalError``."""
    kept = _KEPT.validate_json(text)
    made = _CLASSES.get(kept.code, InternalError)(
        kept.message, next_step=kept.next_step, request_id=kept.request_id
    )
    made.retryable = kept.retryable
    return made
