"""The rows of calls that cost money: made before anything is sent, kept alive, settled whatever happens."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

from gpt_image_mcp.calls.jobs import broken, stopped
from gpt_image_mcp.calls.stored_results import dump_result
from gpt_image_mcp.errors import ImageError, InternalError, OutcomeUnknown, StorageFailed
from gpt_image_mcp.threads import in_database, to_the_end
from gpt_image_mcp.values.history import CallStart
from gpt_image_mcp.values.results import BatchResult, ImageResult

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from decimal import Decimal

    from gpt_image_mcp.calls.paid_call import PlannedJob
    from gpt_image_mcp.calls.planning import Plan
    from gpt_image_mcp.library.store import Library
    from gpt_image_mcp.money import Quote
    from gpt_image_mcp.values.history import CallStatus

SIGN_OF_LIFE_SECONDS = 10.0
_Result = TypeVar("_Result", ImageResult, BatchResult)
_log = logging.getLogger(__name__)


def start_of(plan: Plan, *, idempotency_key: str = "", is_joinable: bool = False) -> CallStart:
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
        idempotency_key=idempotency_key,
        is_joinable=is_joinable,
    )


@dataclass(frozen=True, slots=True)
class Reservations:
    """Reserves and settles calls in one library. What is not ``async`` blocks, and is for a worker thread."""

    library: Library

    async def make(self, job: PlannedJob[Any], start: CallStart) -> str | None:
        """Reserves what the call of a job may cost, within the limits of its caller.

        Returns:
            The id of the same call, if another process came first: it is to be joined, and nothing is
            reserved. Else None.

        Raises:
            BudgetExceeded: If it could cost more than a limit leaves.
            StorageFailed: If it cannot be written down.
        """
        job.alive_at = monotonic()
        same = await in_database(self._begin, start)
        job.is_reserved = same is None
        return same

    def _begin(self, start: CallStart) -> str | None:
        return self.library.ledger.begin_call(start, self.library.limits())

    def make_dearer(self, call_id: str, quote: Quote) -> None:
        """Reserves more for a running call than it began with.

        Raises:
            BudgetExceeded: If it could now cost more than a limit leaves; what was reserved stays.
        """
        self.library.ledger.raise_reservation(call_id, quote, self.library.limits())

    def settle(self, result: _Result, *, usd: Decimal | None, is_acknowledged: bool = False) -> _Result:
        """Settles a finished call; the images are safe, so a failure is only a note.

        Args:
            result: What the call made.
            usd: What it did cost; None if that is unknown.
            is_acknowledged: Whether the same call again is to be made anew rather than given this result.
        """
        finish = partial(
            self.library.ledger.finish_call,
            result.call_id,
            status="completed",
            cost_usd=usd,
            result_json=dump_result(result),
            is_acknowledged=is_acknowledged,
            request_id=_request_id_of(result),
        )
        try:
            self.library.ledger.database.write_eventually(finish)
        except StorageFailed as error:
            note = (
                f"The cost could not be settled, so for now the whole quote counts as spent: {error.message}"
            )
            return replace(result, notes=(*result.notes, note))
        return result

    @asynccontextmanager
    async def settled_on_failure(self, job: PlannedJob[Any]) -> AsyncGenerator[None]:
        """Settles what the job reserved if the block fails, whatever it fails with.

        Raises:
            InternalError: If it fails with a defect of this program, whose traceback is logged.
        """
        try:
            yield
        except ImageError as error:
            await self._settle_failure(job, error)
            raise
        except asyncio.CancelledError:
            await self._settle_failure(job, stopped(job))
            raise
        except Exception as defect:  # the edge of the job: nobody further out could settle it
            _log.exception("the job %s ended with a defect", job.id)
            failure = broken(job, defect)
            await self._settle_failure(job, failure)
            raise failure from defect

    async def _settle_failure(self, job: PlannedJob[Any], error: ImageError) -> None:
        """Settles what was reserved; without that, only who was given the job's id must learn of it.

        What the call failed with matters more than a failure to write it down.
        """
        if job.is_reserved:
            is_unknown = isinstance(error, InternalError) and job.may_be_billed
            status: CallStatus = "outcome_unknown" if is_unknown else _status_of(error)
            work = partial(self._finish, job.id, status=status, error=error, usd=job.spent_usd)
        elif job.is_handed_out:
            work = partial(self._note_failure, start_of(job.plan), error)
        else:
            return
        await to_the_end(in_database(work))

    def _finish(self, call_id: str, *, status: CallStatus, error: ImageError, usd: Decimal | None) -> None:
        finish = partial(self.library.ledger.finish_call, call_id, status=status, cost_usd=usd, error=error)
        with contextlib.suppress(StorageFailed):
            self.library.ledger.database.write_eventually(finish)

    def _note_failure(self, start: CallStart, error: ImageError) -> None:
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
    async def kept_alive(self, job: PlannedJob[Any]) -> AsyncGenerator[None]:
        """Says now and then that a job still runs, so that nobody gives its call up for lost."""

        async def say_so() -> None:
            while True:
                await asyncio.sleep(SIGN_OF_LIFE_SECONDS)
                said_at = monotonic()
                with contextlib.suppress(StorageFailed):
                    if await in_database(self.library.ledger.stay_alive, job.id):
                        job.alive_at = said_at
                    else:
                        job.is_given_up = True

        saying = asyncio.create_task(say_so())
        try:
            yield
        finally:
            saying.cancel()


def _status_of(error: ImageError) -> CallStatus:
    return "outcome_unknown" if isinstance(error, OutcomeUnknown) else "failed"


def _request_id_of(result: ImageResult | BatchResult) -> str:
    """The API's id of the request that made a result; empty if it is not known."""
    images = result.images if isinstance(result, ImageResult) else ()
    return next((image.provenance.request_id or "" for image in images), "")
