"""Calls as the database keeps them, and their errors, read back as the exceptions that they were."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from gpt_image_mcp import errors
from gpt_image_mcp.errors import ImageError, InternalError
from gpt_image_mcp.library.schema import WRONG_VALUES, dollars
from gpt_image_mcp.values.history import CallRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sqlalchemy import Row


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


def readable_calls(rows: Iterable[Row[Any]]) -> Iterator[CallRecord]:
    """The calls of rows, without those in which the disk changed a bit, as if they were not there."""
    for row in rows:
        with contextlib.suppress(*WRONG_VALUES):
            yield call_record(row)


def call_record(row: Row[Any]) -> CallRecord:
    """A call, of its row."""
    return CallRecord(
        id=row.id,
        kind=row.kind,
        status=row.status,
        model=row.model,
        quality=row.quality,
        size=row.size,
        prompt=row.prompt,
        started_at=datetime.fromtimestamp(row.started_at, UTC),
        reserved_usd=dollars(row.reserved_nanodollars),
        cost_usd=None if row.cost_nanodollars is None else dollars(row.cost_nanodollars),
        sandbox=row.sandbox,
        result_json=row.result,
        error=None if row.error is None else load_error(row.error),
    )
