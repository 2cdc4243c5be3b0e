"""Which endpoint serves an edit: ``/v1/images/edits``, or the Responses API where that is not open yet.

In the weeks after a model's launch the direct endpoint can answer with a 400 that only knows ``dall-e-2``.
Such a call goes through the Responses API at once, and the rejection is remembered for ten minutes, so that
the next calls do not run into it; then the direct endpoint is probed again.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Protocol

from gpt_image_mcp.catalogue.validation import PINNED, require_no_markup, require_single
from gpt_image_mcp.errors import ImageError, UpstreamRejected
from gpt_image_mcp.openai_api.request_bodies import as_upload, mask_upload
from gpt_image_mcp.threads import in_database, to_the_end

if TYPE_CHECKING:
    from gpt_image_mcp.openai_api import OpenAIApi
    from gpt_image_mcp.openai_api.observer import Observer
    from gpt_image_mcp.openai_api.request_bodies import Upload
    from gpt_image_mcp.values.requests import ImageRequest
    from gpt_image_mcp.values.responses import ChatUsage, GeneratedImages

REMEMBERED_FOR = timedelta(minutes=10)
# How long a call waits at its end for the deletion of an upload.
DELETING_SECONDS = 20.0
WallClock = Callable[[], datetime]
# The message that ``error_mapping`` makes of that 400: the status, then the API's own words.
_LAUNCH_ERA = re.compile(
    r".*\(HTTP 400\b[^)]*\): Invalid value: '(?P<model>[^']+)'\. Value must be 'dall-e-2'\."
)
_log = logging.getLogger(__name__)


class RejectionMemory(Protocol):
    """The memory of which models the direct endpoint rejected; several servers may share it."""

    def rejected_at(self, endpoint: str, model: str) -> datetime | None:
        """When the endpoint last rejected the model; None if it never did."""
        ...

    def remember_rejection(self, endpoint: str, model: str, when: datetime) -> None:
        """Notes that the endpoint rejected the model."""
        ...


@dataclass(frozen=True, slots=True)
class Router:
    """Sends edits to the endpoint that takes them.

    Attributes:
        memo: Where rejections are remembered.
        endpoint: The base address of the API, which tells one API from another in the memo.
        host_model: The chat model of the Responses route.
        is_pinned: Whether every edit takes the Responses route.
        clock: The time; tests move it.
    """

    api: OpenAIApi
    memo: RejectionMemory
    endpoint: str
    host_model: str
    is_pinned: bool
    clock: WallClock

    async def detour(self, model: str) -> str:
        """Why an edit by this model takes the Responses route; empty while the direct endpoint is open."""
        if self.is_pinned:
            return PINNED
        if await in_database(self._is_remembered, model):
            return f"/v1/images/edits rejected {model} less than 10 minutes ago"
        return ""

    async def edit(
        self, request: ImageRequest, observer: Observer, *, before_detour: Callable[[], Awaitable[None]]
    ) -> GeneratedImages:
        """Edits the images of a request by the route that is open.

        Files that were uploaded for it are deleted by a cleanup that the observer gets.

        Args:
            request: What to send.
            observer: Told how far the request is.
            before_detour: Awaited before the Responses route is taken; if it raises, nothing is sent there.

        Raises:
            UnsupportedByModel: If several images are asked of the Responses route, or there is markup;
                nothing was made.
            UpstreamError: If the API refuses or fails.
        """
        reason = await self.detour(request.model)
        if not reason:
            try:
                return await self.api.edit(request, observer)
            except UpstreamRejected as error:
                if not is_launch_era(error, request.model):
                    raise
            observer.mark_unsent()
            await in_database(self.memo.remember_rejection, self.endpoint, request.model, self.clock())
            reason = f"/v1/images/edits does not take {request.model} yet"
        require_single(request.n, reason)
        require_no_markup(reason, has_markup=bool(request.markup))
        await before_detour()
        return await self._respond(request, observer, reason=reason)

    def _is_remembered(self, model: str) -> bool:
        when = self.memo.rejected_at(self.endpoint, model)
        return when is not None and timedelta(0) <= self.clock() - when < REMEMBERED_FOR

    async def _respond(self, request: ImageRequest, observer: Observer, *, reason: str) -> GeneratedImages:
        """The same edit through the Responses API."""
        uploads: list[str] = []
        # Deleting may take long, so it is left to the cleanups: after the picture is saved, and in any case.
        observer.add_cleanup(partial(self._delete, uploads))
        observer.advance("uploading")
        for image in request.images:
            await self._upload(as_upload(image), uploads)
        if request.mask:
            await self._upload(mask_upload(request.mask), uploads)
        generated = await self.api.respond(
            request,
            observer,
            host_model=self.host_model,
            file_ids=uploads[: len(request.images)],
            mask_id=uploads[-1] if request.mask else None,
        )
        return replace(generated, notes=(*generated.notes, *_notes(reason, generated.host)))

    async def _upload(self, upload: Upload, uploads: list[str]) -> None:
        """Uploads a file; its id is noted, so that it can be deleted, even if the call is cancelled."""

        async def work() -> None:
            uploads.append(await self.api.upload(upload))

        await to_the_end(work())

    async def _delete(self, file_ids: list[str]) -> tuple[str, ...]:
        """Deletes uploads side by side; gives a note with how many could not be deleted."""
        deleted = await asyncio.gather(*(self._is_deleted(file_id) for file_id in file_ids))
        kept = deleted.count(False)
        if not kept:
            return ()
        return (f"{kept} uploaded file(s) could not be deleted; OpenAI removes them in an hour.",)

    async def _is_deleted(self, file_id: str) -> bool:
        try:
            async with asyncio.timeout(DELETING_SECONDS):
                await self.api.delete_file(file_id)
        except (ImageError, TimeoutError) as error:
            _log.warning("the upload %s could not be deleted and expires in an hour: %r", file_id, error)
            return False
        return True


def is_launch_era(error: UpstreamRejected, model: str) -> bool:
    """Whether an error is the rejection of the launch weeks, and for this very model."""
    found = _LAUNCH_ERA.fullmatch(error.message)
    return found is not None and found["model"] == model


def _notes(reason: str, host: ChatUsage | None) -> tuple[str, ...]:
    limits = "it makes one image a call and shows no partial images"
    notes = [f"Made through the Responses API, because {reason}; {limits}."]
    if host is not None and host.usage is not None:
        used = host.usage
        notes.append(
            f"The host model {host.model} used {used.input_tokens:,} input and {used.output_tokens:,} "
            "output tokens besides."
        )
    return tuple(notes)
