"""Collecting what an earlier call made, from the library: in another process, or after this one is gone."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from time import monotonic
from typing import TYPE_CHECKING, TypeVar

from pydantic import TypeAdapter, ValidationError

from gpt_image_mcp.calls.jobs import end_of_wait
from gpt_image_mcp.errors import NotFound, StorageFailed, quoted
from gpt_image_mcp.threads import in_database
from gpt_image_mcp.values.images import Requested, StoredImage
from gpt_image_mcp.values.results import BatchResult, ImageResult

if TYPE_CHECKING:
    from gpt_image_mcp.errors import ImageError
    from gpt_image_mcp.library.store import Library
    from gpt_image_mcp.money import Cost
    from gpt_image_mcp.values.history import CallRecord

POLL_SECONDS = 0.5
_Result = TypeVar("_Result", ImageResult, BatchResult)
_RESULTS: TypeAdapter[ImageResult | BatchResult] = TypeAdapter(ImageResult | BatchResult)


async def collect_stored(
    call_id: str, library: Library, *, wait_seconds: float | None
) -> ImageResult | BatchResult:
    """The result of a call that this process does not run; waits for one that another process runs.

    Args:
        call_id: The call.
        library: Where it is remembered.
        wait_seconds: None waits until the call ends.

    Raises:
        NotFound: If there was no such call.
        ImageError: What it failed with; ``OutcomeUnknown`` if its process is gone.
    """
    deadline = end_of_wait(wait_seconds)
    while True:
        result = await in_database(_remembered, call_id, library)
        left = deadline - monotonic()
        if result.status != "running" or left <= 0:
            return result
        await asyncio.sleep(min(POLL_SECONDS, left))


def are_saved(record: CallRecord, library: Library) -> bool:
    """Whether what a finished call made is still where it was saved; true for one that runs. Blocking."""
    if record.result_json is None:
        return True
    with contextlib.suppress(StorageFailed):
        return all(library.is_there(image) for image in images_in(record.result_json))
    return False


def images_in(result_json: str) -> tuple[StoredImage, ...]:
    """The images of a result that the library keeps, those of all items; ``StorageFailed`` if damaged."""
    result = _read(result_json)
    if isinstance(result, ImageResult):
        return result.images
    return tuple(image for item in result.items for image in item.images)


def mark_joined(result: _Result) -> _Result:
    """A result with the note that it was made for an earlier call."""
    note = (
        f"This is the same call as {result.call_id}, whose result nobody had collected; it was joined, and "
        "nothing was paid again. For another picture, call again now, or pass n."
    )
    return replace(result, notes=(*result.notes, note))


def dump_result(result: ImageResult | BatchResult) -> str:
    """A result as the text that the library keeps."""
    return _RESULTS.dump_json(result).decode()


def result_of(images: tuple[StoredImage, ...], *, notes: tuple[str, ...] = ()) -> ImageResult:
    """Images of one call, from the library, as a result like the one that it gave."""
    made = images[-1].provenance
    return ImageResult(
        status="completed",
        call_id=made.call_id,
        prompt=made.prompt,
        model=made.model,
        requested=made.requested,
        applied=made.applied,
        images=images,
        usage=made.usage,
        cost=_cost_of(images),
        route=made.route,
        notes=notes,
        sandbox=made.sandbox,
    )


def _cost_of(images: tuple[StoredImage, ...]) -> Cost:
    """What images of one call cost together."""
    calls = {image.id: image.provenance.call_id for image in images}
    costs = [image.provenance.cost for image in images if not image.paid_with(calls)]
    amounts = [cost.usd for cost in costs if cost.usd is not None]
    return replace(costs[0], usd=sum(amounts, Decimal(0)) if len(amounts) == len(costs) else None)


def _remembered(call_id: str, library: Library) -> ImageResult | BatchResult:
    """What the library knows of a call."""
    # What was asked for can be read also where nothing can be written.
    with contextlib.suppress(StorageFailed):
        library.ledger.give_up_lost_calls()
    record = library.ledger.find_call(call_id)
    if record is None:
        message = f"There is no job {quoted(call_id)}."
        raise NotFound(message, next_step="Use a job_id from an earlier result.")
    if record.result_json is not None:
        return _read(record.result_json)
    if record.error is not None:
        saved = library.images.find_images_of_call(call_id)
        if not saved:
            raise record.error
        return result_of(saved, notes=(_note_on_saved(record, record.error),))
    if record.status != "running":
        message = f"What job {quoted(call_id)} made was deleted."
        raise NotFound(message, next_step="Make the image again, or find another with find_images.")
    return _running_batch(record) if record.is_batch else _running(record)


def _read(result_json: str) -> ImageResult | BatchResult:
    try:
        return _RESULTS.validate_json(result_json)
    except ValidationError as error:
        message = "The result that the library keeps of this call is damaged."
        raise StorageFailed(message, next_step="Find its images with find_images.") from error


def _note_on_saved(record: CallRecord, error: ImageError) -> str:
    if record.status == "outcome_unknown":
        return "The server was stopped after these images were saved and before their cost was noted."
    return f"The call failed after these images were saved: {error.message}"


def _running(record: CallRecord) -> ImageResult:
    return ImageResult(
        status="running",
        call_id=record.id,
        prompt=record.prompt,
        model=record.model,
        requested=Requested(size=record.size, quality=record.quality),
        sandbox=record.sandbox,
        elapsed_seconds=_age_seconds(record),
    )


def _running_batch(record: CallRecord) -> BatchResult:
    """A batch of another process, which alone knows how many images there are and how many are done."""
    return BatchResult(
        status="running",
        call_id=record.id,
        prompt=record.prompt,
        model=record.model,
        requested=Requested(),
        items=(),
        total=0,
        sandbox=record.sandbox,
        elapsed_seconds=_age_seconds(record),
    )


def _age_seconds(record: CallRecord) -> float:
    seconds = (datetime.now(UTC) - record.started_at).total_seconds()
    return round(max(0.0, seconds), 1)  # the clock may have been set back
