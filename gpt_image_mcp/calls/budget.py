"""The rows of calls that cost money: made before anything is sent, kept alive, settled whatever happens."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from gpt_image_mcp.calls.stored_results import dump_result
from gpt_image_mcp.errors import OutcomeUnknown, StorageFailed
from gpt_image_mcp.threads import in_database
from gpt_image_mcp.values.history import CallStart
from gpt_image_mcp.values.results import BatchResult, ImageResult

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from decimal import Decimal

    from gpt_image_mcp.calls.planning import Plan
    from gpt_image_mcp.errors import ImageError
    from gpt_image_mcp.library.store import Library
    from gpt_image_mcp.settings import Settings
    from gpt_image_mcp.values.history import CallStatus

SIGN_OF_LIFE_SECONDS = 10.0
_Result = TypeVar("_Result", ImageResult, BatchResult)


def start_of(plan: Plan, fingerprint: str = "") -> CallStart:
    """A planned call as it is remembered from its beginning."""
    return CallStart(
        id=plan.call_id,
        kind=plan.kind,
        model=plan.request.model,
        quality=plan.request.quality,
        size=plan.request.size,
        prompt=plan.prompt,
        started_at=datetime.now(UTC),
        quote=plan.quote,
        sandbox=plan.sandbox,
        fingerprint=fingerprint,
    )


@dataclass(frozen=True, slots=True)
class Reservations:
    """Reserves and settles calls in one library. All but ``kept_alive`` is blocking, for a worker thread."""

    settings: Settings
    library: Library

    def make(self, start: CallStart) -> str | None:
        """Reserves what a call may cost, within the limits of the settings.

        Returns:
            The id of the same call, if another process came first: it is to be joined, and nothing is
            reserved. Else None.

        Raises:
            BudgetExceeded: If it could cost more than a limit leaves.
            StorageFailed: If it cannot be written down.
        """
        return self.library.ledger.begin_call(
            start,
            per_call_usd=self.settings.max_cost_usd,
            daily_usd=self.settings.daily_budget_usd,
        )

    def settle(self, result: _Result, *, usd: Decimal | None, is_delivered: bool = False) -> _Result:
        """Settles a finished call; the images are safe, so a failure is only a note.

        Args:
            result: What the call made.
            usd: What it did cost; None if that is unknown.
            is_delivered: Whether the same call again is to be made anew rather than given this result.
        """
        try:
            self.library.ledger.finish_call(
                result.call_id,
                status="completed",
                cost_usd=usd,
                result_json=dump_result(result),
                is_delivered=is_delivered,
            )
        except StorageFailed as error:
            note = f"The cost could not be settled, so the whole quote counts as spent: {error.message}"
            return replace(result, notes=(*result.notes, note))
        return result

    def settle_failure(self, call_id: str, error: ImageError, *, usd: Decimal | None = None) -> None:
        """Settles a call that failed; what it failed with matters more than a failure to note it."""
        with contextlib.suppress(StorageFailed):
            self.library.ledger.finish_call(call_id, status=_status_of(error), cost_usd=usd, error=error)

    def note_failure(self, start: CallStart, error: ImageError) -> None:
        """Remembers what a call failed with that had reserved nothing, for those who were given its id."""
        with contextlib.suppress(StorageFailed):
            self.library.ledger.add_ended_call(start, status=_status_of(error), error=error)

    def note_joined(self, start: CallStart, result: ImageResult | BatchResult) -> None:
        """Remembers the result of another call also under the id of one that joined it."""
        unlike_others = replace(start, quality="", size="")  # how long it took says nothing about its kind
        with contextlib.suppress(StorageFailed):
            self.library.ledger.add_ended_call(
                unlike_others, status="completed", result_json=dump_result(result)
            )

    @asynccontextmanager
    async def kept_alive(self, call_id: str) -> AsyncGenerator[None]:
        """Says now and then that a call still runs, so that nobody gives it up for lost."""

        async def say_so() -> None:
            while True:
                await asyncio.sleep(SIGN_OF_LIFE_SECONDS)
                with contextlib.suppress(StorageFailed):
                    await in_database(self.library.ledger.stay_alive, call_id)

        saying = asyncio.create_task(say_so())
        try:
            yield
        finally:
            saying.cancel()


def _status_of(error: ImageError) -> CallStatus:
    return "outcome_unknown" if isinstance(error, OutcomeUnknown) else "failed"
