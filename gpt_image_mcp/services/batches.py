"""The same edit on many images: each an edit of its own, so many at once, one entry for each in the end."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpt_image_mcp.calls.budget import start_of
from gpt_image_mcp.calls.idempotency import fingerprint
from gpt_image_mcp.calls.jobs import Job
from gpt_image_mcp.errors import (
    AGAIN_IN_VAIN,
    AGAIN_LATER,
    Cancelled,
    ImageError,
    InternalError,
    InvalidArgument,
    OutcomeUnknown,
    StorageFailed,
)
from gpt_image_mcp.folders import project_folder
from gpt_image_mcp.ids import new_call_id
from gpt_image_mcp.library.naming import numbered
from gpt_image_mcp.money import Quote
from gpt_image_mcp.paths import is_file_url
from gpt_image_mcp.services.edits import EditOptions, Edits, plan_edit
from gpt_image_mcp.services.globbing import expand
from gpt_image_mcp.threads import in_database, to_the_end
from gpt_image_mcp.values.options import OutputOptions
from gpt_image_mcp.values.progress import Progress, Stage
from gpt_image_mcp.values.results import BatchEntry, BatchResult

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gpt_image_mcp.calls.planning import Plan
    from gpt_image_mcp.calls.runner import PaidCalls, PaidJob
    from gpt_image_mcp.settings import Settings
    from gpt_image_mcp.values.images import Kind
    from gpt_image_mcp.values.progress import ProgressWatcher
    from gpt_image_mcp.values.responses import GeneratedImages

_KIND: Kind = "batch"
MOST_AT_ONCE = 16
_CONTINUE, _STOP = "continue", "stop"
_ERRORS_NAMED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchItem:
    """One image of a batch and what is to be done with it."""

    image: str
    prompt: str
    output: OutputOptions = field(default_factory=OutputOptions)
    edit: EditOptions = field(default_factory=EditOptions)


@dataclass(eq=False, slots=True, kw_only=True)
class BatchJob(Job[BatchResult]):
    """A running batch.

    Attributes:
        plan: That of the first image, for what a result repeats.
        entries: What is known so far, in the order of the inputs.
        made: The calls whose images were made.
        latest: The image that was finished last.
        is_stopped: Whether it was told to end before all images were done.
    """

    plan: Plan
    entries: list[BatchEntry | None]
    failures: list[ImageError] = field(default_factory=list[ImageError])
    made: list[str] = field(default_factory=list[str])
    latest: str = ""
    is_stopped: bool = False

    def note(self, position: int, entry: BatchEntry) -> None:
        """Keeps what became of an image and wakes whoever watches."""
        self.entries[position] = entry
        self.latest = f", last {entry.input}: {entry.status}"
        self.changed.set()

    def progress(self, stage: Stage) -> Progress:
        """Which part of the images is done."""
        done = sum(entry is not None for entry in self.entries)
        self.reach(done / len(self.entries), limit=min(1.0, (done + 1) / len(self.entries)))
        message = f"{done} of {len(self.entries)} images done{self.latest}"
        return Progress(stage=stage, fraction=self.fraction, message=message)


@dataclass(frozen=True, slots=True)
class Batches:
    """Runs batches for one configuration."""

    edits: Edits
    paid_calls: PaidCalls

    async def run(
        self,
        items: Sequence[BatchItem],
        *,
        on_error: str,
        concurrency: int,
        wait_seconds: float | None,
        watch: ProgressWatcher | None,
        fingerprint: str,
    ) -> BatchResult:
        """Edits every image, ``concurrency`` at once.

        Args:
            items: One or more.
            on_error: ``continue``, or ``stop`` to begin no further image after a failure.
            concurrency: How many at once; the setting for all calls together still holds.
            wait_seconds: None waits until all are done.
            watch: Awaited with each image that is done.
            fingerprint: What makes another batch the same as this.

        Raises:
            RequestError: If the batch cannot be made as asked; nothing was sent.
            ImageError: If every image failed.
        """
        _check(on_error, concurrency)

        async def begin() -> BatchJob:
            plan = await in_database(self._planned, items[0], new_call_id())
            job = BatchJob(
                id=plan.call_id,
                plan=plan,
                report=report,
                fingerprint=fingerprint,
                entries=[None] * len(items),
            )
            work = partial(self._carry_out, job, items, stops=on_error == _STOP, concurrency=concurrency)
            self.paid_calls.jobs.start(job, work)
            return job

        return await self.paid_calls.once(fingerprint, begin, wait_seconds=wait_seconds, watch=watch)

    def _planned(self, item: BatchItem, call_id: str) -> Plan:
        settings = self.edits.settings
        return plan_edit(_KIND, item.prompt, call_id, output=item.output, edit=item.edit, settings=settings)

    async def _carry_out(
        self, job: BatchJob, items: Sequence[BatchItem], *, stops: bool, concurrency: int
    ) -> BatchResult:
        """The job itself; one that is stopped ends with what was done until then."""
        try:
            same = await to_the_end(in_database(self._remember, job.plan, job.fingerprint))
            if same is not None:
                return await self.paid_calls.join(same, job, job.plan)
            job.advance("drawing")
            async with self.paid_calls.reservations.kept_alive(job.id):
                await self._edit_all(job, items, stops=stops, concurrency=concurrency)
        except asyncio.CancelledError:
            job.is_stopped = True
        except BaseException:  # the edge of the job: a defective batch must be settled too
            await in_database(self.paid_calls.reservations.settle_failure, job.id, _stopped())
            raise
        return await to_the_end(in_database(self._finished, job, items))

    async def _edit_all(
        self, job: BatchJob, items: Sequence[BatchItem], *, stops: bool, concurrency: int
    ) -> None:
        waiting, gate = iter(enumerate(items)), asyncio.Semaphore(concurrency)
        # A few more than may be sent at once: they read inputs and save images while others are drawn.
        count = concurrency if stops else concurrency + concurrency // 2
        workers = [
            asyncio.create_task(self._work(job, waiting, gate, stops=stops))
            for _ in range(min(count, len(items)))
        ]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()

    async def _work(
        self,
        job: BatchJob,
        waiting: Iterator[tuple[int, BatchItem]],
        gate: asyncio.Semaphore,
        *,
        stops: bool,
    ) -> None:
        """Takes one image after the other, so that nobody waits for the slowest of a group."""
        for position, item in waiting:
            if stops and job.failures:
                return
            job.note(position, await self._edited(job, position, item, gate=gate))

    async def _edited(
        self, job: BatchJob, position: int, item: BatchItem, *, gate: asyncio.Semaphore
    ) -> BatchEntry:
        async def send(call: PaidJob) -> GeneratedImages:
            async with gate:
                return await self.edits.send(call)

        try:
            errand = self.edits.errand(_KIND, item.prompt, [item.image], output=item.output, edit=item.edit)
            errand = replace(errand, send=send, fingerprint=fingerprint(job.fingerprint, position))
            result = await self.paid_calls.run(errand, wait_seconds=None, watch=None)
        except asyncio.CancelledError:
            job.note(position, _cut_off(item))
            raise
        except ImageError as error:
            job.failures.append(error)
            return BatchEntry(input=_shown(item.image), status="failed", error=str(error))
        job.made.append(result.call_id)
        return BatchEntry(
            input=_shown(item.image),
            status="completed",
            images=result.images,
            cost=result.cost,
            notes=result.notes,
        )

    def _remember(self, plan: Plan, fingerprint: str) -> str | None:
        """A row for the batch itself, so that its result can be collected; its images reserve their own.

        Gives the id of the same batch instead, if another process came first.
        """
        free = Quote(high_usd=Decimal(0), basis="each image of a batch has its own")
        start = replace(start_of(plan, fingerprint), quality="", size="", quote=free)
        return self.paid_calls.reservations.make(start)

    def _finished(self, job: BatchJob, items: Sequence[BatchItem]) -> BatchResult:
        """The result, settled.

        Raises:
            ImageError: If no image was made: of the kind that the first failed with.
        """
        for position, item in enumerate(items):
            if job.entries[position] is None:
                job.entries[position] = BatchEntry(input=_shown(item.image), status="skipped")
        result = replace(report(job), status="completed")
        if not job.made:
            error = _stopped() if job.is_stopped else _all_failed(job.failures, result)
            self.paid_calls.reservations.settle_failure(job.id, error)
            raise error
        # A stopped batch is not joined: the same again goes on with the images that are missing.
        settled = self.paid_calls.reservations.settle(result, usd=Decimal(0), is_delivered=job.is_stopped)
        if not job.is_stopped:
            self._deliver(job.made)
        return settled

    def _deliver(self, call_ids: list[str]) -> None:
        """Notes that the images are part of a result now; until then the same batch finds each by itself."""
        for call_id in call_ids:
            with contextlib.suppress(StorageFailed):
                self.paid_calls.library.ledger.deliver(call_id)


def report(job: BatchJob) -> BatchResult:
    """How far a batch is."""
    plan = job.plan
    return BatchResult(
        status="running",
        call_id=job.id,
        prompt=plan.prompt,
        model=plan.request.model,
        requested=plan.requested,
        items=tuple(entry for entry in job.entries if entry is not None),
        total=len(job.entries),
        notes=plan.notes,
        sandbox=plan.sandbox,
        elapsed_seconds=round(job.elapsed_seconds, 1),
    )


def make_items(
    images: Sequence[str], prompt: str, *, output: OutputOptions, edit_type: str, settings: Settings
) -> tuple[BatchItem, ...]:
    """One item for each image, also of folders and globs; files are labelled with the stem of their input.

    Raises:
        InputNotFound: If a folder or glob has no images.
        InputRejected: If one is not allowed.
    """
    found = expand(images, base=project_folder(settings), roots=settings.input_roots)
    edit = EditOptions(edit_type=edit_type)
    return tuple(
        BatchItem(image=image, prompt=prompt, output=_named(output, image, number), edit=edit)
        for number, image in enumerate(found, start=1)
    )


def _named(output: OutputOptions, image: str, number: int) -> OutputOptions:
    if output.filename:
        return replace(output, filename=numbered(output.filename, number))
    return label(output, image)


def label(output: OutputOptions, image: str) -> OutputOptions:
    """The options with the stem of an input added to the label of its file."""
    return replace(output, filename_prefix=f"{output.filename_prefix}-{_stem(image)}".strip("-"))


def _stem(image: str) -> str:
    """What an input is called without folders and extension; nothing for data URLs."""
    if image.lower().startswith("data:"):
        return ""
    if "://" in image and not is_file_url(image):
        image = image.partition("?")[0]
    return Path(image.replace("\\", "/")).stem


def _shown(image: str) -> str:
    return image if len(image) <= 500 else f"{image[:120]}…"  # noqa: PLR2004 - a path fits, a data URL does not


def _check(on_error: str, concurrency: int) -> None:
    if on_error not in (_CONTINUE, _STOP):
        message = f"on_error is {on_error!r}; it must be continue or stop."
        raise InvalidArgument(message, next_step="Use continue to edit the rest after a failure.")
    if not 1 <= concurrency <= MOST_AT_ONCE:
        message = f"concurrency is {concurrency}; it must be from 1 to {MOST_AT_ONCE}."
        raise InvalidArgument(message, next_step="Use 3, the default.")


def _all_failed(failures: list[ImageError], result: BatchResult) -> ImageError:
    first = failures[0] if failures else InternalError("nothing was edited", next_step="Report it.")
    failed = [entry for entry in result.items if entry.status == "failed"]
    listed = "; ".join(f"{entry.input}: {_one_line(entry.error)}" for entry in failed[:_ERRORS_NAMED])
    more = f"; and {len(failed) - _ERRORS_NAMED} more" if len(failed) > _ERRORS_NAMED else ""
    skipped = f" {result.total - len(failed)} were not begun." if len(failed) < result.total else ""
    message = f"No image of {result.total} was edited.{skipped} {listed}{more}"
    kind: Any = type(first)
    made: ImageError = kind(message, next_step=first.next_step, request_id=first.request_id)
    made.retryable = first.retryable
    return made


def _cut_off(item: BatchItem) -> BatchEntry:
    """The entry of an image that was being made when the batch was stopped."""
    error = OutcomeUnknown(
        "The batch was stopped while this image was being made. If its request was sent, it is saved all the "
        "same.",
        next_step="Call the same batch again: it goes on with what is missing and does not pay twice.",
    )
    return BatchEntry(input=_shown(item.image), status="failed", error=str(error))


def _one_line(error: str) -> str:
    """The text of an error without what all of them end with, which the error of the batch says once."""
    said = error.partition(" Next: ")[0]
    for again in (AGAIN_LATER, AGAIN_IN_VAIN):
        said = said.removesuffix(f" {again}")
    return said[:300]


def _stopped() -> ImageError:
    message = "The batch was stopped before an image was done; what was already sent is saved all the same."
    return Cancelled(message, next_step="Call the same batch again; it finds what was made.", retryable=True)
