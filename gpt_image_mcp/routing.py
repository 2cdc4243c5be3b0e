"""Which endpoint serves an edit: ``/v1/images/edits``, or the Responses API where that is not open yet.

In the weeks after a model's launch the direct endpoint can answer with a 400 that only knows ``dall-e-2``.
Such a call goes through the Responses API at once, and the rejection is remembered for ten minutes, so that
the next calls do not run into it; then the direct endpoint is probed again.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from gpt_image_mcp.errors import ImageError, UnsupportedByModel, UpstreamRejected
from gpt_image_mcp.jobs import to_the_end
from gpt_image_mcp.openai_api.bodies import as_upload, mask_upload

if TYPE_CHECKING:
    from gpt_image_mcp.openai_api import OpenAIApi
    from gpt_image_mcp.openai_api.bodies import Upload
    from gpt_image_mcp.values import Delivery, HostUsage, ImageRequest

REMEMBERED_FOR = timedelta(minutes=10)
Clock = Callable[[], datetime]
# As ``refusals.py`` words it: the API's own words, whole, after the status.
_LAUNCH_ERA = re.compile(
    r".*\(HTTP 400\b[^)]*\): Invalid value: '(?P<model>[^']+)'\. Value must be 'dall-e-2'\."
)
_log = logging.getLogger(__name__)


class Rejections(Protocol):
    """Remembers which models the direct endpoint rejected."""

    def rejected_at(self, endpoint: str, model: str) -> datetime | None:
        """When it last did."""
        ...

    def remember_rejection(self, endpoint: str, model: str, when: datetime) -> None:
        """Notes that it did."""
        ...


def _nothing() -> None:
    """The default of ``on_uploading``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """What a caller wants to hear of while an edit runs."""

    on_sent: Callable[[], None]
    on_partial: Callable[[bytes], None]
    on_uploading: Callable[[], None] = _nothing


@dataclass(frozen=True, slots=True)
class Router:
    """Sends edits to the endpoint that takes them.

    Attributes:
        endpoint: What tells one API from another in the memory of rejections: its base address.
        host_model: The chat model of the Responses route.
        is_pinned: Whether every edit takes the Responses route.
        clock: The time; tests move it.
    """

    api: OpenAIApi
    rejections: Rejections
    endpoint: str
    host_model: str
    is_pinned: bool
    clock: Clock

    async def edit(self, request: ImageRequest, steps: Steps) -> Delivery:
        """Edits the images of a request by the route that is open.

        Raises:
            UnsupportedByModel: If several images are asked of the Responses route; nothing was made.
            UpstreamError: If the API refuses or fails.
        """
        if self.is_pinned:
            return await self._respond(request, steps, reason="OPENAI_FORCE_RESPONSES_EDITS is set")
        if await asyncio.to_thread(self._is_remembered, request.model):
            reason = f"/v1/images/edits rejected {request.model} less than 10 minutes ago"
            return await self._respond(request, steps, reason=reason)
        try:
            return await self.api.edit(request, on_sent=steps.on_sent, on_partial=steps.on_partial)
        except UpstreamRejected as error:
            if not is_launch_era(error, request.model):
                raise
        await asyncio.to_thread(
            self.rejections.remember_rejection, self.endpoint, request.model, self.clock()
        )
        reason = f"/v1/images/edits does not take {request.model} yet"
        return await self._respond(request, steps, reason=reason)

    def _is_remembered(self, model: str) -> bool:
        when = self.rejections.rejected_at(self.endpoint, model)
        return when is not None and timedelta(0) <= self.clock() - when < REMEMBERED_FOR

    async def _respond(self, request: ImageRequest, steps: Steps, *, reason: str) -> Delivery:
        """The same edit through the Responses API; what was uploaded for it is deleted in any case."""
        require_single(request.n, reason)
        uploads: list[str] = []
        kept = 0
        try:
            steps.on_uploading()
            for image in request.images:
                await self._upload(as_upload(image), uploads)
            if request.mask:
                await self._upload(mask_upload(request.mask), uploads)
            delivery = await self.api.respond(
                request,
                host_model=self.host_model,
                file_ids=uploads[: len(request.images)],
                mask_id=uploads[-1] if request.mask else None,
                on_sent=steps.on_sent,
            )
        finally:
            kept = await to_the_end(self._delete(uploads))
        return replace(delivery, notes=(*delivery.notes, *_notes(reason, delivery.host, undeleted=kept)))

    async def _upload(self, upload: Upload, uploads: list[str]) -> None:
        """Uploads a file; its id is noted, so that it can be deleted, even if the call is cancelled."""

        async def work() -> None:
            uploads.append(await self.api.upload(upload))

        await to_the_end(work())

    async def _delete(self, file_ids: list[str]) -> int:
        """Deletes uploads side by side; gives the number of those that could not be."""
        outcomes = await asyncio.gather(
            *(self.api.delete_file(file_id) for file_id in file_ids), return_exceptions=True
        )
        failures = [outcome for outcome in outcomes if isinstance(outcome, ImageError)]
        for failure in failures:
            _log.warning("an uploaded file could not be deleted and expires in an hour: %s", failure.message)
        return len(failures)


def is_launch_era(error: UpstreamRejected, model: str) -> bool:
    """Whether a rejection is the one of the launch weeks, for this very model and nothing else."""
    found = _LAUNCH_ERA.fullmatch(error.message)
    return found is not None and found["model"] == model


def require_single(n: int, reason: str) -> None:
    """Refuses several images of a route that makes one a call.

    Raises:
        UnsupportedByModel: With the reason why that route is taken.
    """
    if n > 1:
        message = (
            f"n is {n}, but this edit goes through the Responses API ({reason}), which makes one image a "
            "call; nothing was made."
        )
        raise UnsupportedByModel(message, next_step="Call again with n 1, once for each image you want.")


def _notes(reason: str, host: HostUsage | None, *, undeleted: int) -> tuple[str, ...]:
    limits = "it makes one image a call and shows no partial images"
    notes = [f"Made through the Responses API, because {reason}; {limits}."]
    if host is not None and host.usage is not None:
        used = host.usage
        notes.append(
            f"The host model {host.model} used {used.input_tokens:,} input and {used.output_tokens:,} "
            "output tokens besides."
        )
    if undeleted:
        notes.append(f"{undeleted} uploaded file(s) could not be deleted; OpenAI removes them in an hour.")
    return tuple(notes)
