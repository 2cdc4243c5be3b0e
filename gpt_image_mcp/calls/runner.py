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
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

from gpt_image_mcp.calls.budget import Reservations, start_of
from gpt_image_mcp.calls.jobs import Job, Jobs, stopped
from gpt_image_mcp.calls.planning import Plan, expected_seconds
from gpt_image_mcp.calls.saving import Keeper, cost_of
from gpt_image_mcp.calls.stored_results import are_saved, collect, joined
from gpt_image_mcp.errors import ImageError, StorageFailed
from gpt_image_mcp.ids import new_call_id
from gpt_image_mcp.threads import in_database, in_thread, to_the_end
from gpt_image_mcp.values.responses import GeneratedImages
from gpt_image_mcp.values.results import BatchResult, ImageResult

if TYPE_CHECKING:
    from gpt_image_mcp.calls.acknowledgements import Receipts
    from gpt_image_mcp.library.store import Library
    from gpt_image_mcp.values.progress import ProgressWatcher

_Result = TypeVar("_Result", ImageResult, BatchResult)
_Found = TypeVar("_Found", bound=ImageResult | BatchResult)
Send = Callable[["PaidJob"], Awaitable[GeneratedImages]]


@dataclass(eq=False, slots=True, kw_only=True)
class PaidJob(Job[ImageResult]):
    """The job of one paid call.

    Attributes:
        plan: Completed when the inputs are there.
        is_watched: Whether someone is to be told how long it should take.
        is_reserved: Whether the library has a row of it, to be settled whatever happens.
    """

    plan: Plan
    is_watched: bool = False
    is_reserved: bool = False


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

    library: Library
    jobs: Jobs
    reservations: Reservations
    receipts: Receipts

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
        begin = partial(self._begin, errand, is_watched=watch is not None)
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
            fingerprint: What makes another call the same.
            begin: Starts the job.
            wait_seconds: None waits until it ends.
            watch: Awaited with each step.
        """
        async with self.jobs.beginning(fingerprint):
            same = await self._find_same(fingerprint)
            job: Job[_Result] | str = await begin() if same is None else same
        if isinstance(job, str):
            # The fingerprint says whether it is a batch.
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

    async def join(self, call_id: str, job: Job[_Result], plan: Plan) -> _Result:
        """The result of the same call, which another process makes; for a job that came too late to begin."""
        job.advance("drawing")
        result = joined(cast("_Result", await collect(call_id, self.library, wait_seconds=None)))
        if job.is_handed_out:
            await in_database(self.reservations.note_joined, start_of(plan), result)
        return result

    def deliver(self, result: _Found) -> _Found:
        """Notes that a result goes to whoever asked for it; the same call again is made anew from then on."""
        if result.status == "completed":
            self.receipts.note(result.call_id)
        return result

    async def _begin(self, errand: Errand, *, is_watched: bool) -> PaidJob:
        plan = await in_database(errand.plan, new_call_id())
        job = PaidJob(
            id=plan.call_id,
            plan=plan,
            report=running,
            fingerprint=errand.fingerprint,
            is_watched=is_watched,
        )
        job.before_report = partial(self._expect, job)
        self.jobs.start(job, partial(self._carry_out, errand, job))
        return job

    async def _await(
        self, job: Job[_Result], *, wait_seconds: float | None, watch: ProgressWatcher | None
    ) -> _Result:
        """The result of a job of this process, or how far it is."""
        finished = await self.jobs.wait(job, seconds=wait_seconds, watch=watch)
        if finished is None:
            job.is_handed_out = True
            await job.before_report()
            finished = await self.jobs.wait(job, seconds=0)  # it may have ended meanwhile
        return await in_thread(job.report, job) if finished is None else finished

    async def _find_same(self, fingerprint: str) -> Job[Any] | str | None:
        """The same call, if it runs here, or its id if another process runs it or nobody got its result."""
        job = self.jobs.find_same(fingerprint)
        if job is not None:
            return job
        await self.receipts.written()
        return await in_database(self._uncollected, fingerprint)

    def _uncollected(self, fingerprint: str) -> str | None:
        """The id of the same call that another process runs, or whose result is still to be had."""
        record = self.library.ledger.find_same_call(fingerprint)
        if record is None or are_saved(record):
            return None if record is None else record.id
        self.library.ledger.deliver(record.id)  # its files are gone: it counts as collected
        return None

    async def _carry_out(self, errand: Errand, job: PaidJob) -> ImageResult:
        """The job itself; whatever happens, a reservation is settled and a failure can be asked for."""
        try:
            async with errand.turn_taking(job):
                if errand.prepare is not None:
                    job.plan = await errand.prepare(job.plan)
                return await self._spend(errand, job)
        except ImageError as error:
            await self._settle_failure(job, error)
            raise
        except BaseException:  # the edge of the job: a cancelled or defective call must be settled too
            await self._settle_failure(job, stopped(job))
            raise

    async def _settle_failure(self, job: PaidJob, error: ImageError) -> None:
        """Settles what was reserved; without that, only who was given the job's id must learn of it."""
        if job.is_reserved:
            await to_the_end(in_database(self.reservations.settle_failure, job.id, error))
        elif job.is_handed_out:
            await to_the_end(in_database(self.reservations.note_failure, start_of(job.plan), error))

    async def _spend(self, errand: Errand, job: PaidJob) -> ImageResult:
        """Reserves the quote, sends the request, saves the images and settles the cost."""
        same = await to_the_end(self._reserve(job))
        job.advance("checked")
        if same is not None:
            return await self.join(same, job, job.plan)
        job.advance("queued")
        async with self.reservations.kept_alive(job.id), self._told_how_long(job):
            delivery = await errand.send(job)
            result = await to_the_end(in_database(self._keep, errand, job, delivery))
        job.advance("saved")
        return replace(result, notes=(*result.notes, *await job.clean_up()))

    async def _reserve(self, job: PaidJob) -> str | None:
        """The id of the same call, if another process came first; else the reservation is made."""
        same = await in_database(self.reservations.make, start_of(job.plan, job.fingerprint))
        job.is_reserved = same is None
        return same

    @asynccontextmanager
    async def _told_how_long(self, job: PaidJob) -> AsyncGenerator[None]:
        """Looks up, beside the block, how long a watched job should take."""
        looking = asyncio.create_task(self._expect(job)) if job.is_watched else None
        try:
            yield
        finally:
            if looking is not None:
                looking.cancel()

    async def _expect(self, job: PaidJob) -> None:
        """Looks up how long the job should take; not knowing it must not disturb the call."""
        if job.expected_seconds is None:
            with contextlib.suppress(StorageFailed):
                job.expected_seconds = await in_database(expected_seconds, job.plan, self.library)

    def _keep(self, errand: Errand, job: PaidJob, delivery: GeneratedImages) -> ImageResult:
        """Saves what was delivered and settles its cost, which is spent even if nothing can be saved."""
        plan = job.plan
        try:
            result = Keeper(self.library).keep(plan, delivery, elapsed_seconds=job.elapsed_seconds)
        except ImageError as error:
            self.reservations.settle_failure(plan.call_id, error, usd=cost_of(plan, delivery).usd)
            raise
        if errand.record is not None:
            result = errand.record(plan, result)
        return self.reservations.settle(result, usd=result.cost.usd if result.cost else None)


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
        partial=job.partial() if job.partial else b"",
    )
