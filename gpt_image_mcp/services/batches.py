"""The same edit on many images: each an edit of its own, so many at once, one entry for each in the end."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from gpt_image_mcp.calls.budget import start_of
from gpt_image_mcp.calls.idempotency import key_from, key_of_call
from gpt_image_mcp.calls.paid_call import PlannedJob
from gpt_image_mcp.calls.progress import advanced
from gpt_image_mcp.errors import (
    ImageError,
    InvalidArgument,
    RequestError,
    StorageFailed,
    quoted,
)
from gpt_image_mcp.ids import new_call_id
from gpt_image_mcp.money import Quote
from gpt_image_mcp.services.batch_failures import all_failed, cut_off, shown, stopped
from gpt_image_mcp.services.batch_items import require_paid_alike, without_collisions
from gpt_image_mcp.services.edits import Edit, EditServices
from gpt_image_mcp.threads import in_database, in_folders, in_thread, to_the_end
from gpt_image_mcp.values.progress import Progress, Stage
from gpt_image_mcp.values.results import BatchEntry, BatchResult

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from gpt_image_mcp.calls.paid_call import PaidJob
    from gpt_image_mcp.calls.planning import Plan
    from gpt_image_mcp.calls.runner import Runner
    from gpt_image_mcp.services.batch_items import BatchItem
    from gpt_image_mcp.settings import Settings
    from gpt_image_mcp.values.images import Kind
    from gpt_image_mcp.values.progress import ProgressWatcher
    from gpt_image_mcp.values.requests import InputImage
    from gpt_image_mcp.values.responses import GeneratedImages

MOST_AT_ONCE = 16
_CONTINUE, _STOP = "continue", "stop"
_COUNTED_AS_LOST = (
    "The server was stopped for so long that the batch counted as lost, so no further image was begun; the "
    "same batch again goes on with what is missing."
)


@dataclass(eq=False, slots=True, kw_only=True)
class BatchJob(PlannedJob[BatchResult]):
    """A running batch; its plan is that of the first image, for what a result repeats.

    Attributes:
        entries: What is known so far, in the order of the inputs.
        made: The calls whose images were made.
        latest: The image that was finished last.
        is_stopped: Whether it was told to end before all images were done.
    """

    entries: list[BatchEntry | None]
    failures: dict[int, ImageError] = field(default_factory=dict[int, ImageError])
    made: list[str] = field(default_factory=list[str])
    latest: str = ""
    is_stopped: bool = False

    @property
    def may_be_billed(self) -> bool:
        """Its images are paid for one by one."""
        return bool(self.stages)

    def stop_if_lost(self) -> bool:
        """Stops a batch that others may have made again meanwhile; whether it is stopped."""
        if self.may_be_lost and not self.is_stopped:
            self.is_stopped = True
            self.plan = replace(self.plan, notes=(*self.plan.notes, _COUNTED_AS_LOST))
        return self.is_stopped

    def note(self, position: int, entry: BatchEntry) -> None:
        """Keeps what became of an image and wakes whoever watches."""
        self.entries[position] = entry
        self.latest = f", last {entry.input}: {entry.status}"
        self.changed.set()

    def progress(self, stage: Stage) -> Progress:
        """Which part of the images is done."""
        count, done = len(self.entries), sum(entry is not None for entry in self.entries)
        self.fraction = advanced(self.fraction, done / count, limit=min(1.0, (done + 1) / count))
        message = f"{done} of {count} images done{self.latest}"
        return Progress(stage=stage, fraction=self.fraction, message=message)

    def report(self) -> BatchResult:
        """How far the batch is."""
        plan = self.plan
        return BatchResult(
            status="running",
            call_id=self.id,
            prompt=plan.prompt,
            model=plan.request.model,
            requested=plan.requested,
            items=tuple(entry for entry in self.entries if entry is not None),
            total=len(self.entries),
            notes=plan.notes,
            sandbox=plan.sandbox,
            elapsed_seconds=round(self.elapsed_seconds, 1),
        )


@dataclass(frozen=True, kw_only=True)
class BatchItemEdit(Edit):
    """The edit of one image of a batch; as many as the limiter allows are with the API at once."""

    limiter: asyncio.Semaphore
    references: tuple[InputImage, ...] = field(repr=False)
    kind: Kind = "batch"

    def occupy(self, job: PaidJob) -> AbstractAsyncContextManager[None]:
        """Nothing: the batch waits until it is this image's turn to be read."""
        del job
        return contextlib.nullcontext()

    async def prepare(self, plan: Plan) -> Plan:
        """Reads the image; what goes along with each is read once for all."""
        images = await self.services.inputs.load(self.images[:1])
        return await self.complete(plan, (*images, *self.references), size=self.output.size)

    async def send(self, job: PaidJob) -> GeneratedImages:
        """Makes the request when it is this image's turn."""
        async with self.limiter:
            return await Edit.send(self, job)


@dataclass(frozen=True, slots=True)
class Batches:
    """Runs batches for one configuration."""

    services: EditServices
    runner: Runner

    async def run(
        self,
        items: Sequence[BatchItem],
        *,
        on_error: str,
        concurrency: int,
        wait_seconds: float | None,
        watch: ProgressWatcher | None,
    ) -> BatchResult:
        """Edits every image, ``concurrency`` at once.

        Args:
            items: One or more.
            on_error: ``continue``, or ``stop`` to begin no further image after a failure.
            concurrency: How many at once; the setting for all calls together still holds.
            wait_seconds: None waits until all are done.
            watch: Awaited with each image that is done.

        Raises:
            RequestError: If the batch cannot be made as asked, also for a reference; nothing was sent.
            ImageError: If every image failed.
        """
        _check(on_error, concurrency)
        require_paid_alike(items, self.services.settings)
        # A reference that is not there would fail for every image.
        refs = list(dict.fromkeys(ref for item in items for ref in item.references))
        references = dict(zip(refs, await self.services.inputs.load(refs, already=1), strict=True))
        limiter = asyncio.Semaphore(concurrency)
        # By what was asked for: what a batch finds at its names is other files when it goes on.
        idempotency_key = await in_folders(_key_of, items, self.services.settings)
        items = await in_folders(without_collisions, items, self.services.settings)
        calls = [self._call(item, limiter, references) for item in items]
        # A few more than may be sent at once: they read inputs and save images while others are drawn.
        workers = concurrency if on_error == _STOP else concurrency + concurrency // 2
        async with self.runner.jobs.beginning(idempotency_key):
            same = await self.runner.find_same(idempotency_key)
            job = same or await self._begin(
                calls,
                idempotency_key,
                stops=on_error == _STOP,
                workers=workers,
                is_joinable=wait_seconds == 0,
            )
        return await self.runner.result_of(
            job, is_joined=same is not None, wait_seconds=wait_seconds, watch=watch
        )

    async def _begin(
        self,
        calls: Sequence[BatchItemEdit],
        idempotency_key: str,
        *,
        stops: bool,
        workers: int,
        is_joinable: bool,
    ) -> BatchJob:
        plan = await in_database(calls[0].plan, new_call_id())
        job = BatchJob(
            id=plan.call_id,
            plan=plan,
            idempotency_key=idempotency_key,
            is_joinable=is_joinable,
            entries=[None] * len(calls),
        )
        self.runner.jobs.start(job, self._carry_out(job, calls, stops=stops, workers=workers))
        return job

    def _call(
        self, item: BatchItem, limiter: asyncio.Semaphore, references: Mapping[str, InputImage]
    ) -> BatchItemEdit:
        return BatchItemEdit(
            services=self.services,
            prompt=item.prompt,
            images=[item.image, *item.references],
            output=item.output,
            options=item.edit,
            limiter=limiter,
            references=tuple(references[ref] for ref in item.references),
        )

    async def _carry_out(
        self, job: BatchJob, calls: Sequence[BatchItemEdit], *, stops: bool, workers: int
    ) -> BatchResult:
        """The job itself; one that is stopped ends with what was done until then."""
        async with self.runner.reservations.settled_on_failure(job):
            try:
                same = await to_the_end(self._reserve(job, calls))
                if same is not None:
                    return await self.runner.join(same, job)
                job.advance("drawing")
                async with self.runner.reservations.kept_alive(job):
                    await self._edit_all(job, calls, stops=stops, workers=workers)
                    if len(job.made) < len(calls):
                        job.stop_if_lost()
            except asyncio.CancelledError:
                job.is_stopped = True
            return await to_the_end(in_database(self._finished, job, calls))

    async def _reserve(self, job: BatchJob, calls: Sequence[BatchItemEdit]) -> str | None:
        """A row for the batch itself, so that its result can be collected; its images reserve their own.

        Gives the id of the same batch instead, if another process came first.

        Raises:
            BudgetExceeded: If its images together could cost more than one call may.
        """
        is_limited = self.services.settings.max_cost_usd is not None
        start = replace(
            start_of(job.plan, idempotency_key=job.idempotency_key, is_joinable=job.is_joinable),
            quality="",
            size="",
            quote=await in_thread(_most_quoted, calls if is_limited else ()),
            is_in_parts=True,
        )
        return await self.runner.reservations.make(job, start)

    async def _edit_all(
        self, job: BatchJob, calls: Sequence[BatchItemEdit], *, stops: bool, workers: int
    ) -> None:
        waiting = iter(enumerate(calls))
        working = [
            asyncio.create_task(self._work(job, waiting, stops=stops))
            for _ in range(min(workers, len(calls)))
        ]
        try:
            await asyncio.gather(*working)
        finally:
            for worker in working:
                worker.cancel()

    async def _work(
        self, job: BatchJob, waiting: Iterator[tuple[int, BatchItemEdit]], *, stops: bool
    ) -> None:
        """Takes one image after the other, so that nobody waits for the slowest of a group."""
        turns, owner = self.services.connections.edits, self.runner.library.owner.name
        for position, call in waiting:
            async with turns.slot(owner):
                if job.stop_if_lost() or (stops and job.failures):
                    return
                job.note(position, await self._edited(job, position, call))

    async def _edited(self, job: BatchJob, position: int, call: BatchItemEdit) -> BatchEntry:
        image = call.images[0]
        key = key_from(job.idempotency_key, position) if job.idempotency_key else ""
        try:
            result = await self.runner.run(call, idempotency_key=key, wait_seconds=None, watch=None)
        except asyncio.CancelledError:
            job.note(position, cut_off(image))
            raise
        except ImageError as error:
            job.failures[position] = error
            return BatchEntry(input=shown(image), status="failed", error=str(error))
        job.made.append(result.call_id)
        return BatchEntry(
            input=shown(image),
            status="completed",
            images=result.images,
            cost=result.cost,
            notes=result.notes,
        )

    def _finished(self, job: BatchJob, calls: Sequence[BatchItemEdit]) -> BatchResult:
        """The result, settled.

        Raises:
            ImageError: If no image was made: of the kind that the first failed with.
        """
        for position, call in enumerate(calls):
            if job.entries[position] is None:
                job.entries[position] = BatchEntry(input=shown(call.images[0]), status="skipped")
        result = replace(job.report(), status="completed")
        if not job.made:
            raise stopped() if job.is_stopped else all_failed(job.failures, result)
        # A stopped batch is not joined: the same again goes on with the images that are missing.
        settled = self.runner.reservations.settle(result, usd=Decimal(0), is_acknowledged=job.is_stopped)
        self._note_received(job)
        return settled

    def _note_received(self, job: BatchJob) -> None:
        """Notes that the images are part of a result; of a stopped batch, the same batch finds them again."""
        ledger = self.runner.library.ledger
        note = ledger.let_join if job.is_stopped else ledger.acknowledge
        for call_id in job.made:
            with contextlib.suppress(StorageFailed):
                note(call_id)


def _most_quoted(calls: Iterable[BatchItemEdit]) -> Quote:
    """The most that the images of a batch may cost together.

    What cannot be made as asked, or has no price that is known, is refused by itself and costs nothing.
    """
    most = Decimal(0)
    for call in calls:
        with contextlib.suppress(RequestError):
            most += call.most_quoted().high_usd or 0
    return Quote(high_usd=most, basis="The most that each image of the batch may cost.")


def _key_of(items: Sequence[BatchItem], settings: Settings) -> str:
    """What makes another batch the same as this. Blocking: looks at the inputs."""
    what = ("batch", [(item.prompt, item.output, item.edit.without_files) for item in items])
    refs = [ref for item in items for ref in (item.image, *item.references, *item.edit.files)]
    return key_of_call(what, refs, settings)


def _check(on_error: str, concurrency: int) -> None:
    if on_error not in (_CONTINUE, _STOP):
        message = f"on_error is {quoted(on_error)}; it must be continue or stop."
        raise InvalidArgument(message, next_step="Use continue to edit the rest after a failure.")
    if not 1 <= concurrency <= MOST_AT_ONCE:
        message = f"concurrency is {concurrency}; it must be from 1 to {MOST_AT_ONCE}."
        raise InvalidArgument(message, next_step="Use 3, the default.")
