"""What the library keeps about a call: its reservation, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from gpt_image_mcp import errors
from gpt_image_mcp.errors import ImageError, InternalError

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

    from gpt_image_mcp.money import Quote
    from gpt_image_mcp.values import CallStatus, Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class CallStart:
    """A call that is about to be made.

    Attributes:
        quality: Empty for a batch as a whole, like ``size``: each of its images is a call of its own.
    """

    id: str
    kind: Kind
    model: str
    quality: str
    size: str
    prompt: str
    started_at: datetime
    quote: Quote
    sandbox: bool = False
    fingerprint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRecord:
    """A call as the library remembers it.

    Attributes:
        result_json: The result of a completed call, as its maker serialised it.
        error: What a failed one failed with.
    """

    id: str
    kind: Kind
    status: CallStatus
    model: str
    quality: str
    size: str
    prompt: str
    started_at: datetime
    reserved_usd: Decimal
    cost_usd: Decimal | None
    sandbox: bool
    result_json: str | None
    error: ImageError | None

    @property
    def is_batch(self) -> bool:
        """Whether it is a batch as a whole, not one of its images."""
        return self.kind == "batch" and not self.quality


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
