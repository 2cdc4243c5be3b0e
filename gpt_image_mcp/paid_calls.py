"""One call that costs money, from the reservation to the saved files.

The order protects the user: everything that can be refused is refused first, the quote is reserved, the
request is sent, the images are on disk before anyone hears of them, and the real cost settles the
reservation. The work is a job, so it survives the client that asked for it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

from gpt_image_mcp.collecting import collect, dump_result, joined
from gpt_image_mcp.deliveries import Keeper, cost_of
from gpt_image_mcp.errors import Cancelled, ImageError, OutcomeUnknown, StorageFailed
from gpt_image_mcp.jobs import Job, Jobs, to_the_end
from gpt_image_mcp.library.names import new_call_id
from gpt_image_mcp.money import Quote
from gpt_image_mcp.plans import Plan, expected_seconds
from gpt_image_mcp.threads import in_thread
from gpt_image_mcp.turns import elapsed_seconds, stepping_aside
from gpt_image_mcp.values import BatchResult, CallStatus, Delivery, ImageResult

if TYPE_CHECKING:
    from gpt_image_mcp.library.store import Library
    from gpt_image_mcp.progress import ProgressWatcher
    from gpt_image_mcp.settings import Settings

SIGN_OF_LIFE_SECONDS = 10.0
_Result = TypeVar("_Result", ImageResult, BatchResult)
Send = Callable[["PaidJob"], Awaitable[Delivery]]


@dataclass(eq=False, slots=True, kw_only=True)
class PaidJob(Job[ImageResult]):
    """The job of one paid call.

    Attributes:
        plan: Completed when the inputs are there.
    """

    plan: Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """What a paid call does. Only ``send`` costs money.

    Attributes:
        plan: Makes the plan for a call id from the arguments alone. Blocking.
        prepare: Completes the plan: reads the inputs. None if there are none.
        send: Makes the request of a job.
        record: Writes down what hangs on the result besides its images. Blocking.
        turn_taking: A context that the whole job runs in, such as the lease of a session.
        fingerprint: What makes another call the same as this.
    """

    plan: Callable[[str], Plan]
    send: Send
    prepare: Callable[[Plan], Awaitable[Plan]] | None = None
    record: Callable[[Plan, ImageResult], ImageResult] | None = None
    turn_taking: Callable[[PaidJob], AbstractAsyncContextManager[None]] = lambda _job: nullcontext()
    fingerprint: str = ""


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
        begin = partial(self._begin, errand, watch=watch)
        return await self.once(errand.fingerprint, begin, wait_seconds=wait_seconds, watch=watch)

    async def once(
        self,
        fingerprint: str,
        begin: Callable[[], Awaitable[Job[_Result]]],
        *,
        wait_seconds: float | None,
        watch: ProgressWatcher | None,
    ) -> _Result:
        """Begins a job, or joins the same one: one that runs, here or elsewhere, or that nobody collected.

        Args:
            fingerprint: What makes another call the same; empty where each is its own.
            begin: Starts the job.
            wait_seconds: None waits until it ends.
            watch: Awaited with each step.
        """
        async with self.jobs.beginning(fingerprint) if fingerprint else nullcontext():
            same = await self._find_same(fingerprint) if fingerprint else None
            job: Job[_Result] | str = await begin() if same is None else same
        if isinstance(job, str):
            found = cast("_Result", await collect(job, self.library, wait_seconds=wait_seconds))
        else:
            found = await self._await(job, wait_seconds=wait_seconds, watch=watch)
        return found if same is None else joined(found)

    async def collect(
        self, job_id: str, *, wait_seconds: float | None, watch: ProgressWatcher | None
    ) -> ImageResult | BatchResult:
        """The result of a job of this process, or what the library remembers of another.

        Raises:
            NotFound: If there was no such job.
            ImageError: What it failed with.
        """
        job: Job[Any] | None = self.jobs.find(job_id)
        if job is None:
            return await collect(job_id, self.library, wait_seconds=wait_seconds)
        found: ImageResult | BatchResult = await self._await(job, wait_seconds=wait_seconds, watch=watch)
        return found

    async def _begin(self, errand: Errand, *, watch: ProgressWatcher | None) -> PaidJob:
        plan = await asyncio.to_thread(errand.plan, new_call_id())
        job = PaidJob(id=plan.call_id, plan=plan, report=running, fingerprint=errand.fingerprint)
        if watch is not None:
            await self._expect(job)
        self.jobs.start(job, partial(self._carry_out, errand, job))
        return job

    async def _await(
        self, job: Job[_Result], *, wait_seconds: float | None, watch: ProgressWatcher | None
    ) -> _Result:
        """The result of a job of this process, or how far it is."""
        # A first call has loaded much before it gets here; the client's patience began when it came in.
        seconds = None if wait_seconds is None else max(0.0, wait_seconds - elapsed_seconds())
        async with stepping_aside():
            finished = await self.jobs.wait(job, seconds=seconds, watch=watch)
        if finished is not None:
            return finished
        paid: Job[Any] = job
        if isinstance(paid, PaidJob):
            await self._expect(paid)
        job.is_handed_out = True
        return job.report(job)

    async def _find_same(self, fingerprint: str) -> Job[Any] | str | None:
        """The same call, if it runs here, or its id if another process runs it or nobody got its result."""
        job = self.jobs.find_same(fingerprint)
        if job is not None:
            return job
        record = await asyncio.to_thread(self.library.ledger.find_same_call, fingerprint)
        return None if record is None else record.id

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
        await to_the_end(asyncio.to_thread(self._reserve, job.plan, job.fingerprint))
        job.advance("checked")
        job.advance("queued")
        async with self.kept_alive(job.id):
            delivery = await errand.send(job)
        keeping = in_thread(self._keep, errand, job, delivery)
        result = await to_the_end(keeping)
        job.advance("saved")
        return result

    @asynccontextmanager
    async def kept_alive(self, call_id: str) -> AsyncGenerator[None]:
        """Says now and then that a call still runs, so that nobody gives it up for lost."""

        async def say_so() -> None:
            while True:
                await asyncio.sleep(SIGN_OF_LIFE_SECONDS)
                with contextlib.suppress(StorageFailed):
                    await asyncio.to_thread(self.library.ledger.stay_alive, call_id)

        saying = asyncio.create_task(say_so())
        try:
            yield
        finally:
            saying.cancel()

    def _reserve(self, plan: Plan, fingerprint: str = "") -> None:
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
            fingerprint=fingerprint,
        )
        self.library.ledger.begin_call(
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
        return self.settle(result, usd=spent, is_delivered=job.waiters > 0)

    def settle(self, result: _Result, *, usd: Decimal | None, is_delivered: bool) -> _Result:
        """Settles a finished call; the images are safe, so a failure is only a note."""
        document = dump_result(result)
        try:
            self.library.ledger.finish_call(
                result.call_id,
                status="completed",
                cost_usd=usd,
                result_json=document,
                is_delivered=is_delivered,
            )
        except StorageFailed as error:
            note = f"The cost could not be settled, so the whole quote counts as spent: {error.message}"
            return replace(result, notes=(*result.notes, note))
        return result

    def settle_failure(self, call_id: str, error: ImageError, *, usd: Decimal | None = None) -> None:
        """Settles a call that failed; what it failed with matters more than a failure to note it."""
        status: CallStatus = "outcome_unknown" if isinstance(error, OutcomeUnknown) else "failed"
        with contextlib.suppress(StorageFailed):
            self.library.ledger.finish_call(call_id, status=status, cost_usd=usd, error=error)


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
        partial=job.partial or b"",
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
