"""One call that costs money, from the reservation to the saved files.

The order protects the user: everything that can be refused is refused first, the quote is reserved, the
request is sent, the images are on disk before anyone hears of them, and the real cost settles the
reservation. The work is a job, so it survives the client that asked for it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import TypeAdapter

from gpt_image_mcp.errors import Cancelled, ImageError, NotFound, OutcomeUnknown, StorageFailed
from gpt_image_mcp.jobs import Job, Jobs
from gpt_image_mcp.library.names import new_call_id
from gpt_image_mcp.pictures import is_complete, read_picture
from gpt_image_mcp.plans import expected_seconds
from gpt_image_mcp.prices import cost
from gpt_image_mcp.values import (
    Applied,
    CallStatus,
    Cost,
    Delivery,
    ImageResult,
    Picture,
    ProgressWatcher,
    Provenance,
    Requested,
)

if TYPE_CHECKING:
    from decimal import Decimal

    from gpt_image_mcp.library.store import Library
    from gpt_image_mcp.plans import Plan
    from gpt_image_mcp.settings import Settings

_T = TypeVar("_T")
Send = Callable[[Job], Awaitable[Delivery]]
RESULTS = TypeAdapter(ImageResult)


@dataclass(frozen=True, slots=True)
class PaidCalls:
    """Runs planned calls against one library."""

    settings: Settings
    library: Library
    jobs: Jobs

    async def run(
        self,
        plan: Callable[[str], Plan],
        send: Send,
        *,
        wait_seconds: float | None,
        watch: ProgressWatcher | None,
    ) -> ImageResult:
        """Plans a call, reserves its quote, starts the work and waits for it.

        Args:
            plan: Makes the plan for a call id.
            send: Makes the request of a job.
            wait_seconds: None waits until the work ends.
            watch: Awaited with each step.

        Returns:
            The finished result, or one with status ``running`` if it takes longer than ``wait_seconds``.

        Raises:
            BudgetExceeded: Before anything is sent.
            ImageError: What the call failed with.
        """
        job = Job(plan=await self._reserve(plan))
        if watch is not None:
            await self._expect(job)
        self.jobs.start(job, partial(self._carry_out, send))
        finished = await self.jobs.wait(job, seconds=wait_seconds, watch=watch)
        if finished is not None:
            return finished
        await self._expect(job)
        return running(job)

    async def _reserve(self, make_plan: Callable[[str], Plan]) -> Plan:
        """Plans and reserves; a call that is cancelled meanwhile gives the reservation back."""
        call_id = new_call_id()
        try:
            return await _to_the_end(asyncio.to_thread(self._reserved, make_plan, call_id))
        except asyncio.CancelledError:
            await asyncio.to_thread(self._settle_failure, call_id, _never_sent())
            raise

    def _reserved(self, make_plan: Callable[[str], Plan], call_id: str) -> Plan:
        from gpt_image_mcp.library.calls import CallStart

        plan = make_plan(call_id)
        start = CallStart(
            id=plan.call_id,
            kind=plan.kind,
            model=plan.request.model,
            quality=plan.request.quality,
            size=plan.request.size,
            prompt=plan.request.prompt,
            started_at=datetime.now(UTC),
            quote=plan.quote,
            sandbox=plan.sandbox,
        )
        self.library.catalogue.begin_call(
            start,
            per_call_usd=self.settings.max_cost_usd,
            daily_usd=self.settings.daily_budget_usd,
        )
        return plan

    async def _carry_out(self, send: Send, job: Job) -> ImageResult:
        """The job itself; whatever happens, the reservation is settled."""
        plan = job.plan
        job.advance("queued")
        try:
            delivery = await send(job)
            keeping = asyncio.to_thread(self._keep, plan, delivery, job.elapsed_seconds)
            result = await _to_the_end(keeping)
        except ImageError as error:
            await asyncio.to_thread(self._settle_failure, plan.call_id, error)
            raise
        except BaseException:  # the edge of the job: a cancelled or defective call must be settled too
            await asyncio.to_thread(self._settle_failure, plan.call_id, _stopped(job))
            raise
        job.advance("saved")
        return result

    async def _expect(self, job: Job) -> None:
        """Looks up how long the job should take; not knowing it must not disturb the call."""
        if job.expected_seconds is None:
            with contextlib.suppress(StorageFailed):
                job.expected_seconds = await asyncio.to_thread(expected_seconds, job.plan, self.library)

    def _keep(self, plan: Plan, delivery: Delivery, elapsed_seconds: float) -> ImageResult:
        """Saves what was delivered and settles its cost, which is spent even if nothing can be saved."""
        spent = cost(plan.model, delivery.usage, quote=plan.quote)
        try:
            images, picture, notes = _usable_images(delivery, plan)
            applied = _applied(plan, delivery, picture)
            provenance = _provenance(plan, delivery, applied, share=_share(spent, len(images)))
            stored, saving_notes = self.library.save(
                images, provenance=provenance, naming=plan.naming, folder=plan.folder
            )
        except ImageError as error:
            self._settle_failure(plan.call_id, error, usd=spent.usd)
            raise
        result = ImageResult(
            status="completed",
            call_id=plan.call_id,
            prompt=plan.request.prompt,
            model=plan.request.model,
            requested=plan.requested,
            applied=applied,
            images=stored,
            usage=delivery.usage,
            cost=spent,
            notes=(*plan.notes, *delivery.notes, *notes, *saving_notes),
            sandbox=plan.sandbox,
            elapsed_seconds=round(elapsed_seconds, 1),
        )
        return self._settled(result, usd=spent.usd)

    def _settled(self, result: ImageResult, *, usd: Decimal | None) -> ImageResult:
        """Settles a finished call; the images are safe, so a failure is only a note."""
        document = RESULTS.dump_json(result).decode()
        try:
            self.library.catalogue.finish_call(
                result.call_id, status="completed", cost_usd=usd, result_json=document
            )
        except StorageFailed as error:
            note = f"The cost could not be settled, so the whole quote counts as spent: {error.message}"
            return replace(result, notes=(*result.notes, note))
        return result

    def _settle_failure(self, call_id: str, error: ImageError, *, usd: Decimal | None = None) -> None:
        """Settles a call that failed; what it failed with matters more than a failure to note it."""
        status: CallStatus = "outcome_unknown" if isinstance(error, OutcomeUnknown) else "failed"
        with contextlib.suppress(StorageFailed):
            self.library.catalogue.finish_call(call_id, status=status, cost_usd=usd, error=error)


async def _to_the_end(work: Coroutine[Any, Any, _T]) -> _T:
    """Awaits work that a cancellation must not leave half done; the cancellation comes through afterwards."""
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise


def running(job: Job) -> ImageResult:
    """The result of a call that is not finished yet."""
    plan = job.plan
    return ImageResult(
        status="running",
        call_id=plan.call_id,
        prompt=plan.request.prompt,
        model=plan.request.model,
        requested=plan.requested,
        notes=plan.notes,
        sandbox=plan.sandbox,
        elapsed_seconds=round(job.elapsed_seconds, 1),
        expected_seconds=job.expected_seconds,
    )


def remembered(call_id: str, library: Library) -> ImageResult:
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
        return RESULTS.validate_json(record.result_json)
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


def _usable_images(delivery: Delivery, plan: Plan) -> tuple[list[bytes], Picture, list[str]]:
    """The delivered files that are whole images, what the first of them is, and what there is to say.

    Raises:
        OutcomeUnknown: If none is.
    """
    usable: list[bytes] = []
    pictures: list[Picture] = []
    notes: list[str] = []
    for number, data in enumerate(delivery.images, start=1):
        picture = read_picture(data)
        if picture is None or not is_complete(data, picture):
            notes.append(f"Image {number} of {len(delivery.images)} arrived damaged and was not kept.")
        else:
            usable.append(data)
            pictures.append(picture)
            if picture.format != plan.request.output_format:
                notes.append(
                    f"The endpoint delivered {picture.format} although {plan.request.output_format} was "
                    "asked; the file has the extension of what it is."
                )
    if not usable:
        message = (
            f"The request was sent and answered, but what came back is not a whole image "
            f"({len(delivery.images)} damaged). It was probably billed."
        )
        raise OutcomeUnknown(
            message,
            next_step="Look at the usage page of the account before you call again.",
            request_id=delivery.request_id,
        )
    if len(delivery.images) != plan.request.n:
        notes.append(f"{plan.request.n} images were asked for, {len(delivery.images)} came.")
    return usable, pictures[0], list(dict.fromkeys(notes))


def _applied(plan: Plan, delivery: Delivery, picture: Picture) -> Applied:
    """What took effect: size and format from the bytes, the rest from the answer, else as it was sent."""
    return Applied(
        size=f"{picture.width}x{picture.height}",
        quality=delivery.quality or plan.request.quality,
        background=delivery.background or plan.request.background,
        output_format=picture.format,
    )


def _provenance(plan: Plan, delivery: Delivery, applied: Applied, *, share: Cost) -> Provenance:
    return Provenance(
        kind=plan.kind,
        prompt=plan.request.prompt,
        model=plan.request.model,
        requested=plan.requested,
        applied=applied,
        cost=share,
        usage=delivery.usage,
        call_id=plan.call_id,
        request_id=delivery.request_id,
        project_dir=str(plan.project_dir),
        sandbox=plan.sandbox,
    )


def _share(spent: Cost, images: int) -> Cost:
    return replace(spent, usd=None if spent.usd is None else spent.usd / images)


def _stopped(job: Job) -> ImageError:
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
