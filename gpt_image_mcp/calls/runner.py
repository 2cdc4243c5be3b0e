"""How a paid call is carried out, from the plan to the answer.

The order protects the user: everything that can be refused is refused first, the quote is reserved, the
request is sent, the images are on disk before anything is computed or anyone hears of them, and the real cost
settles the reservation. The work is a job, so it survives the client that asked for it.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar, cast

from gpt_image_mcp.calls.budget import Reservations, start_of
from gpt_image_mcp.calls.paid_call import PaidCall, PaidJob, PlannedJob
from gpt_image_mcp.calls.planning import expected_seconds
from gpt_image_mcp.calls.saving import cost_of, save
from gpt_image_mcp.calls.stored_results import are_saved, collect_stored, mark_joined
from gpt_image_mcp.catalogue.prices import refusal_usd
from gpt_image_mcp.errors import ImageError, OutcomeUnknown, StorageFailed
from gpt_image_mcp.ids import new_call_id
from gpt_image_mcp.library.kept_bodies import discard_body, keep_partial_images
from gpt_image_mcp.object_paths import location
from gpt_image_mcp.openai_api.images_response import read_partial_images
from gpt_image_mcp.regular_files import MOST_BYTES, read_regular
from gpt_image_mcp.threads import in_database, in_saving, in_thread, to_the_end
from gpt_image_mcp.values.results import BatchResult, ImageResult

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from gpt_image_mcp.calls.acknowledgements import Acknowledgements
    from gpt_image_mcp.calls.jobs import Job, Jobs
    from gpt_image_mcp.library.store import Library
    from gpt_image_mcp.values.progress import ProgressWatcher
    from gpt_image_mcp.values.responses import GeneratedImages

_Result = TypeVar("_Result", ImageResult, BatchResult)
_Found = TypeVar("_Found", bound=ImageResult | BatchResult)


@dataclass(frozen=True, slots=True)
class Runner:
    """Carries out paid calls with one library."""

    library: Library
    jobs: Jobs
    reservations: Reservations
    acknowledgements: Acknowledgements

    async def run(
        self,
        call: PaidCall,
        *,
        idempotency_key: str,
        wait_seconds: float | None,
        watch: ProgressWatcher | None,
    ) -> ImageResult:
        """Makes a call, or joins the same one, and waits for it.

        Args:
            call: What to do.
            idempotency_key: What makes another call the same as this; empty if none is.
            wait_seconds: None waits until the work ends.
            watch: Awaited with each step.

        Returns:
            The finished result, or one with status ``running`` if it takes longer than ``wait_seconds``.

        Raises:
            RequestError: Before anything is sent.
            ImageError: What the call failed with.
        """
        async with self.jobs.beginning(idempotency_key):
            same = await self.find_same(idempotency_key)
            job = same or await self._begin(call, idempotency_key, is_joinable=wait_seconds == 0)
        return await self.result_of(job, is_joined=same is not None, wait_seconds=wait_seconds, watch=watch)

    async def find_same(self, idempotency_key: str) -> Job[Any] | str | None:
        """The same call, if it runs here, or its id if another process runs it or nobody got its result."""
        if not idempotency_key:
            return None
        job = self.jobs.find_same(idempotency_key)
        if job is not None:
            return job
        await self.acknowledgements.written()
        return await in_database(self._uncollected, idempotency_key)

    async def result_of(
        self,
        job: Job[_Result] | str,
        *,
        is_joined: bool,
        wait_seconds: float | None,
        watch: ProgressWatcher | None,
    ) -> _Result:
        """Waits for a job.

        Args:
            job: A job of this process, or the id of one that only the library knows.
            is_joined: Whether it was begun for an earlier call, which the result then says.
            wait_seconds: None waits until it ends.
            watch: Awaited with each step.
        """
        if isinstance(job, str):
            # The key says whether it is a batch.
            found = cast("_Result", await collect_stored(job, self.library, wait_seconds=wait_seconds))
        else:
            found = await self._await(job, wait_seconds=wait_seconds, watch=watch)
        return mark_joined(found) if is_joined else found

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
            return await collect_stored(job_id, self.library, wait_seconds=wait_seconds)
        found: ImageResult | BatchResult = await self._await(job, wait_seconds=wait_seconds, watch=watch)
        return found

    async def join(self, call_id: str, job: PlannedJob[_Result]) -> _Result:
        """The result of the same call, which another process makes; for a job that came too late to begin."""
        job.advance("drawing")
        result = mark_joined(cast("_Result", await collect_stored(call_id, self.library, wait_seconds=None)))
        if job.is_handed_out:
            await in_database(self.reservations.note_joined, start_of(job.plan), result)
        return result

    def acknowledged(self, result: _Found) -> _Found:
        """Notes that a result goes to whoever asked for it: from then on the same call is a new one."""
        if result.status == "completed":
            self.acknowledgements.note(result.call_id)
        return result

    async def _begin(self, call: PaidCall, idempotency_key: str, *, is_joinable: bool) -> PaidJob:
        plan = await in_database(call.plan, new_call_id())
        job = PaidJob(
            id=plan.call_id,
            owner=self.library.owner.name,
            plan=plan,
            idempotency_key=idempotency_key,
            is_joinable=is_joinable,
        )
        self.jobs.start(job, self._carry_out(call, job))
        return job

    async def _carry_out(self, call: PaidCall, job: PaidJob) -> ImageResult:
        """The job itself: refuse what can be refused, reserve, send, write what came, settle."""
        async with self.reservations.settled_on_failure(job), call.occupy(job):
            job.plan = await call.prepare(job.plan)
            same = await to_the_end(self._reserve(job))
            job.advance("checked")
            if same is not None:
                return await self.join(same, job)
            job.advance("queued")
            async with self.reservations.kept_alive(job), _body_named(job, self.library):
                generated = await _sent(call, job)
                result = await to_the_end(in_saving(self._save_and_settle, call, job, generated))
            job.advance("saved")
            return replace(result, notes=(*result.notes, *await job.clean_up()))

    async def _reserve(self, job: PaidJob) -> str | None:
        """The id of the same call, if another process came first; else the reservation is made."""
        start = start_of(job.plan, idempotency_key=job.idempotency_key, is_joinable=job.is_joinable)
        same = await self.reservations.make(job, start)
        # Not knowing how long it should take must not end the call.
        with contextlib.suppress(StorageFailed):
            job.expected_seconds = await in_database(expected_seconds, job.plan, self.library)
        return same

    def _save_and_settle(self, call: PaidCall, job: PaidJob, generated: GeneratedImages) -> ImageResult:
        """Saves the images and settles what they cost, which is spent even if nothing could be saved."""
        plan = job.plan = call.on_arrival(job.plan)
        try:
            result = save(plan, generated, self.library, elapsed_seconds=job.elapsed_seconds)
        except ImageError:
            job.spent_usd = cost_of(plan, generated).usd
            raise
        result = call.record(plan, result)
        if len(result.images) < len(generated.images):
            _hand_over(job, self.library)
            result = replace(result, notes=(*result.notes, *job.where_body_is))
        else:
            with contextlib.suppress(OSError):
                discard_body(plan.call_id)
        return self.reservations.settle(result, usd=result.cost.usd if result.cost else None)

    async def _await(
        self, job: Job[_Result], *, wait_seconds: float | None, watch: ProgressWatcher | None
    ) -> _Result:
        """The result of a job of this process, or how far it is."""
        try:
            finished = await self.jobs.wait(job, seconds=wait_seconds, watch=watch)
        except asyncio.CancelledError:
            if not job.waiters:
                await self._let_join(job)
            raise
        if finished is None:
            job.is_handed_out = True
            await self._let_join(job)
            return await in_thread(job.report)
        return finished

    async def _let_join(self, job: Job[Any]) -> None:
        """Lets the same call join, also in other processes; failing that, it is made anew there."""
        if not job.is_joinable:
            job.is_joinable = True
            with contextlib.suppress(StorageFailed):
                await to_the_end(in_database(self.library.ledger.let_join, job.id))

    def _uncollected(self, idempotency_key: str) -> str | None:
        """The id of the same call that another process runs, or whose result is still to be had."""
        record = self.library.ledger.find_same_call(idempotency_key)
        if record is None or are_saved(record, self.library):
            return None if record is None else record.id
        self.library.ledger.acknowledge(record.id)  # its files are gone: it counts as collected
        return None


async def _sent(call: PaidCall, job: PaidJob) -> GeneratedImages:
    """What came of a call; a refusal that used tokens, as one in the words of a host model, is paid too."""
    try:
        return await call.send(job)
    except OutcomeUnknown:  # what was reserved stays
        raise
    except ImageError as error:
        if error.billed is not None:
            job.spent_usd = refusal_usd(job.plan.model, error.billed)
        if job.spent_usd and not job.plan.sandbox:
            error.message = f"{error.message} What the models read and wrote cost ${job.spent_usd:.4f}."
        raise


@contextlib.asynccontextmanager
async def _body_named(job: PaidJob, library: Library) -> AsyncGenerator[None]:
    """Says in an error about what came where it is kept."""
    try:
        yield
    except (OutcomeUnknown, StorageFailed) as error:
        previews = await _offered_previews(job, library)
        await to_the_end(in_saving(_hand_over, job, library))
        error.message = " ".join((error.message, *job.where_body_is, *previews))
        raise


def _hand_over(job: PaidJob, library: Library) -> None:
    """Puts the answer where others can get at it too, before anyone hears of it."""
    if job.body_path is not None:
        job.body_path = library.hand_over(job.body_path)


async def _offered_previews(job: PaidJob, library: Library) -> tuple[str, ...]:
    """What to say of the previews in a stream that broke; they are no result, but better than nothing."""
    if job.body_path is None:
        return ()
    paths = await to_the_end(in_thread(_keep_previews, job.id, job.body_path))
    if not paths:
        return ()
    named = ", ".join([location(await to_the_end(in_saving(library.hand_over, path))) for path in paths])
    return (f"Unfinished previews of the picture came before and are kept, if they are of use: {named}.",)


def _keep_previews(call_id: str, body_path: Path) -> tuple[Path, ...]:
    try:
        body = read_regular(body_path, max_bytes=MOST_BYTES, follows_links=False)
    except OSError:
        return ()
    return keep_partial_images(call_id, read_partial_images(body))
