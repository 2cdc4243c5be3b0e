"""One call that costs money, from the reservation to the saved files.

The order protects the user: everything that can be refused is refused first, the quote is reserved, the
request is sent, the images are on disk before anyone hears of them, and the real cost settles the
reservation. The work is a job, so it survives the client that asked for it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from pydantic import TypeAdapter

from gpt_image_mcp.deliveries import Keeper, cost_of
from gpt_image_mcp.errors import Cancelled, ImageError, NotFound, OutcomeUnknown, StorageFailed
from gpt_image_mcp.jobs import Job, Jobs, to_the_end
from gpt_image_mcp.library.names import new_call_id
from gpt_image_mcp.money import Quote
from gpt_image_mcp.plans import Plan, expected_seconds
from gpt_image_mcp.values import BatchResult, CallStatus, Delivery, ImageResult, Requested

if TYPE_CHECKING:
    from gpt_image_mcp.library.store import Library
    from gpt_image_mcp.progress import ProgressWatcher
    from gpt_image_mcp.settings import Settings

_Result = TypeVar("_Result", ImageResult, BatchResult)
Send = Callable[["PaidJob"], Awaitable[Delivery]]
_RESULTS: TypeAdapter[ImageResult | BatchResult] = TypeAdapter(ImageResult | BatchResult)


@dataclass(eq=False, slots=True, kw_only=True)
class PaidJob(Job[ImageResult]):
    """The job of one paid call.

    Attributes:
        plan: Completed when the inputs are there.
        is_handed_out: Whether a caller was given its id, to collect the result or the failure.
    """

    plan: Plan
    is_handed_out: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """What a paid call does. Only ``send`` costs money.

    Attributes:
        plan: Makes the plan for a call id from the arguments alone. Blocking.
        prepare: Completes the plan: reads the inputs. None if there are none.
        send: Makes the request of a job.
        record: Writes down what hangs on the result besides its images. Blocking.
        turn_taking: A context that the whole job runs in, such as the lease of a session.
    """

    plan: Callable[[str], Plan]
    send: Send
    prepare: Callable[[Plan], Awaitable[Plan]] | None = None
    record: Callable[[Plan, ImageResult], ImageResult] | None = None
    turn_taking: Callable[[PaidJob], AbstractAsyncContextManager[None]] = lambda _job: nullcontext()


@dataclass(frozen=True, slots=True)
class PaidCalls:
    """Runs planned calls against one library."""

    settings: Settings
    library: Library
    jobs: Jobs

    async def run(
        self, errand: Errand, *, wait_seconds: float | None, watch: ProgressWatcher | None
    ) -> ImageResult:
        """Plans a call, starts the work and waits for it.

        Args:
            errand: What to do.
            wait_seconds: None waits until the work ends.
            watch: Awaited with each step.

        Returns:
            The finished result, or one with status ``running`` if it takes longer than ``wait_seconds``.

        Raises:
            RequestError: Before anything is sent.
            ImageError: What the call failed with.
        """
        plan = await asyncio.to_thread(errand.plan, new_call_id())
        job = PaidJob(id=plan.call_id, plan=plan, report=running)
        if watch is not None:
            await self._expect(job)
        self.jobs.start(job, partial(self._carry_out, errand, job))
        finished = await self.jobs.wait(job, seconds=wait_seconds, watch=watch)
        if finished is not None:
            return finished
        await self._expect(job)
        job.is_handed_out = True
        return running(job)

    async def _carry_out(self, errand: Errand, job: PaidJob) -> ImageResult:
        """The job itself; whatever happens, a reservation is settled."""
        async with errand.turn_taking(job):
            if errand.prepare is not None:
                await self._prepare(errand.prepare, job)
            try:
                return await self._spend(errand, job)
            except ImageError as error:
                await asyncio.to_thread(self.settle_failure, job.id, error)
                raise
            except BaseException:  # the edge of the job: a cancelled or defective call must be settled too
                await asyncio.to_thread(self.settle_failure, job.id, _stopped(job))
                raise

    async def _prepare(self, prepare: Callable[[Plan], Awaitable[Plan]], job: PaidJob) -> None:
        try:
            job.plan = await prepare(job.plan)
        except ImageError as error:
            if job.is_handed_out:
                # Whoever was given the id must be able to learn of the failure.
                free = replace(job.plan, quote=Quote(high_usd=Decimal(0), basis="nothing was sent"))
                await asyncio.to_thread(self._reserve, free)
                await asyncio.to_thread(self.settle_failure, job.id, error)
            raise

    async def _spend(self, errand: Errand, job: PaidJob) -> ImageResult:
        """Reserves the quote, sends the request, saves the images and settles the cost."""
        await to_the_end(asyncio.to_thread(self._reserve, job.plan))
        job.advance("checked")
        job.advance("queued")
        delivery = await errand.send(job)
        keeping = asyncio.to_thread(self._keep, errand, job, delivery)
        result = await to_the_end(keeping)
        job.advance("saved")
        return result

    def _reserve(self, plan: Plan) -> None:
        from gpt_image_mcp.library.calls import CallStart

        start = CallStart(
            id=plan.call_id,
            kind=plan.kind,
            model=plan.request.model,
            quality=plan.request.quality,
            size=plan.request.size,
            prompt=plan.prompt,
            started_at=datetime.now(UTC),
            quote=plan.quote,
            sandbox=plan.sandbox,
        )
        self.library.catalogue.begin_call(
            start,
            per_call_usd=self.settings.max_cost_usd,
            daily_usd=self.settings.daily_budget_usd,
        )

    async def _expect(self, job: PaidJob) -> None:
        """Looks up how long the job should take; not knowing it must not disturb the call."""
        if job.expected_seconds is None:
            with contextlib.suppress(StorageFailed):
                job.expected_seconds = await asyncio.to_thread(expected_seconds, job.plan, self.library)

    def _keep(self, errand: Errand, job: PaidJob, delivery: Delivery) -> ImageResult:
        """Saves what was delivered and settles its cost, which is spent even if nothing can be saved."""
        plan = job.plan
        spent = cost_of(plan, delivery).usd
        try:
            result = Keeper(self.library).keep(plan, delivery, elapsed_seconds=job.elapsed_seconds)
        except ImageError as error:
            self.settle_failure(plan.call_id, error, usd=spent)
            raise
        if errand.record is not None:
            result = errand.record(plan, result)
        return self.settle(result, usd=spent)

    def settle(self, result: _Result, *, usd: Decimal | None) -> _Result:
        """Settles a finished call; the images are safe, so a failure is only a note."""
        document = _RESULTS.dump_json(result).decode()
        try:
            self.library.catalogue.finish_call(
                result.call_id, status="completed", cost_usd=usd, result_json=document
            )
        except StorageFailed as error:
            note = f"The cost could not be settled, so the whole quote counts as spent: {error.message}"
            return replace(result, notes=(*result.notes, note))
        return result

    def settle_failure(self, call_id: str, error: ImageError, *, usd: Decimal | None = None) -> None:
        """Settles a call that failed; what it failed with matters more than a failure to note it."""
        status: CallStatus = "outcome_unknown" if isinstance(error, OutcomeUnknown) else "failed"
        with contextlib.suppress(StorageFailed):
            self.library.catalogue.finish_call(call_id, status=status, cost_usd=usd, error=error)


def running(job: PaidJob) -> ImageResult:
    """The result of a call that is not finished yet."""
    plan = job.plan
    return ImageResult(
        status="running",
        call_id=plan.call_id,
        prompt=plan.prompt,
        model=plan.request.model,
        requested=plan.requested,
        notes=plan.notes,
        sandbox=plan.sandbox,
        session=plan.session,
        elapsed_seconds=round(job.elapsed_seconds, 1),
        expected_seconds=job.expected_seconds,
    )


def remembered(call_id: str, library: Library) -> ImageResult | BatchResult:
    """The result of a call that this process no longer runs, from the library.

    Raises:
        NotFound: If there was no such call.
        ImageError: What it failed with.
    """
    record = library.catalogue.find_call(call_id)
    if record is None:
        message = f"There is no job {call_id!r}."
        raise NotFound(message, next_step="Use a job_id from an earlier result.")
    if record.result_json is not None:
        return _RESULTS.validate_json(record.result_json)
    if record.error is not None:
        raise record.error
    return ImageResult(
        status="running",
        call_id=record.id,
        prompt=record.prompt,
        model=record.model,
        requested=Requested(size=record.size, quality=record.quality),
        sandbox=record.sandbox,
        elapsed_seconds=round((datetime.now(UTC) - record.started_at).total_seconds(), 1),
    )


def _stopped(job: PaidJob) -> ImageError:
    """What to remember of a call that a cancellation or a defect of ours ended."""
    if job.is_sent:
        return OutcomeUnknown(
            "The call was stopped after its request was sent. Whether a picture was made and billed cannot "
            "be told.",
            next_step="Look at the usage page of the account before you call again.",
        )
    return _never_sent()


def _never_sent() -> ImageError:
    message = "The call was cancelled before its request was sent; nothing was made and nothing is billed."
    return Cancelled(message, next_step="Call again if you still want the image.", retryable=True)
