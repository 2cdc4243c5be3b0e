"""The use cases, each a short method: what a tool, a command or a program can ask for.

    async with Studio(Settings()) as studio:
        result = await studio.generate("a paper boat on a calm lake", size="16:9", quality="low")

A ``Studio`` opens nothing until it is used: no database, no connection, no folder.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Self

from gpt_image_mcp.settings import Settings, read_settings

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Unpack

    from gpt_image_mcp.jobs import Job, Jobs
    from gpt_image_mcp.library.store import Library
    from gpt_image_mcp.openai_api import OpenAIApi
    from gpt_image_mcp.paid_calls import PaidCalls
    from gpt_image_mcp.values import (
        Delivery,
        Estimate,
        ImageResult,
        OutputArguments,
        ProgressWatcher,
        StoredImage,
    )


class Studio:
    """Makes, finds and shows images for one configuration.

    Args:
        settings: What the environment says, if not given.

    Raises:
        InvalidSetting: If no settings are given and the environment's are malformed.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or read_settings()
        self._started: Jobs | None = None
        self._opening = asyncio.Lock()
        self._opened: Library | None = None
        self._apis: dict[bool, OpenAIApi] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Lets sent requests finish within the grace period and closes everything."""
        if self._started is not None:
            await self._started.close(grace_seconds=self.settings.shutdown_grace_seconds)
        for api in self._apis.values():
            await api.aclose()
        if self._opened is not None:
            await asyncio.to_thread(self._opened.close)

    async def generate(
        self,
        prompt: str,
        *,
        moderation: str = "auto",
        wait_seconds: float | None = None,
        watch: ProgressWatcher | None = None,
        **output: Unpack[OutputArguments],
    ) -> ImageResult:
        """Makes images from a prompt.

        Args:
            prompt: What to draw, up to 32,000 characters.
            moderation: ``auto`` or ``low``.
            wait_seconds: How long to wait before a result with status ``running`` is returned; None waits
                until the images are there.
            watch: Awaited with each step of the work.
            **output: The fields of ``OutputOptions``.

        Raises:
            RequestError: If the request cannot be made as asked; nothing was sent.
            UpstreamError: If the API refuses or fails.
        """
        from gpt_image_mcp.plans import plan_generation
        from gpt_image_mcp.values import OutputOptions

        plan = partial(
            plan_generation, prompt, OutputOptions(**output), moderation=moderation, settings=self.settings
        )
        paid_calls = await self._paid_calls()
        return await paid_calls.run(plan, self._generate, wait_seconds=wait_seconds, watch=watch)

    async def estimate(self, *, input_images: int = 0, **output: Unpack[OutputArguments]) -> Estimate:
        """Quotes a call without making it, at every quality, with what is left of the budget.

        Raises:
            RequestError: If the call could not be made as described.
        """
        from gpt_image_mcp.plans import estimate
        from gpt_image_mcp.values import OutputOptions

        library = await self._library()
        return await asyncio.to_thread(
            estimate,
            OutputOptions(**output),
            input_images=input_images,
            settings=self.settings,
            library=library,
        )

    async def get(
        self, ref: str, *, wait_seconds: float | None = None, watch: ProgressWatcher | None = None
    ) -> ImageResult:
        """Finds an image by id, resource address or path, or collects the result of a job by its id.

        Raises:
            NotFound: If there is no such image or job.
            ImageError: What the job failed with.
        """
        from gpt_image_mcp.references import find_image, is_job_id

        ref = ref.strip().strip("\"'")
        library = await self._library()
        if is_job_id(ref):
            return await self._collect(ref, library, wait_seconds=wait_seconds, watch=watch)
        return _shown(await asyncio.to_thread(find_image, ref, library, settings=self.settings))

    async def read(self, image: StoredImage) -> bytes:
        """The bytes of an image's file.

        Raises:
            NotFound: If the file is gone.
        """
        library = await self._library()
        return await asyncio.to_thread(library.read, image)

    async def _collect(
        self, job_id: str, library: Library, *, wait_seconds: float | None, watch: ProgressWatcher | None
    ) -> ImageResult:
        """The result of a job of this process, or what the library remembers of an earlier one."""
        from gpt_image_mcp.paid_calls import remembered, running

        job = self._jobs.find(job_id)
        if job is not None:
            finished = await self._jobs.wait(job, seconds=wait_seconds, watch=watch)
            if finished is None:
                return running(job)
            return finished
        return await asyncio.to_thread(remembered, job_id, library)

    async def _generate(self, job: Job) -> Delivery:
        api = self._api(sandbox=job.plan.sandbox)
        return await api.generate(job.plan.request, on_sent=job.mark_sent, on_partial=job.receive_partial)

    @property
    def _jobs(self) -> Jobs:
        from gpt_image_mcp.jobs import Jobs

        if self._started is None:
            self._started = Jobs()
        return self._started

    async def _library(self) -> Library:
        async with self._opening:
            if self._opened is None:
                self._opened = await asyncio.to_thread(_open_library, self.settings)
            return self._opened

    async def _paid_calls(self) -> PaidCalls:
        from gpt_image_mcp.paid_calls import PaidCalls

        return PaidCalls(self.settings, await self._library(), self._jobs)

    def _api(self, *, sandbox: bool) -> OpenAIApi:
        """The connection to OpenAI, or to the sandbox; one of each per studio."""
        if sandbox not in self._apis:
            self._apis[sandbox] = _connect(self.settings, sandbox=sandbox)
        return self._apis[sandbox]


def _open_library(settings: Settings) -> Library:
    from gpt_image_mcp.library.store import Library

    return Library(settings)


def _connect(settings: Settings, *, sandbox: bool) -> OpenAIApi:
    from gpt_image_mcp.openai_api import OpenAIApi

    if not sandbox:
        return OpenAIApi(settings)
    from gpt_image_mcp.sandbox.transport import SandboxTransport

    return OpenAIApi(settings, transport=SandboxTransport())


def _shown(image: StoredImage) -> ImageResult:
    """An image of the library as the result that once made it."""
    from gpt_image_mcp.values import ImageResult

    made = image.provenance
    return ImageResult(
        status="completed",
        call_id=made.call_id,
        prompt=made.prompt,
        model=made.model,
        requested=made.requested,
        applied=made.applied,
        images=(image,),
        usage=made.usage,
        cost=made.cost,
        route=made.route,
        sandbox=made.sandbox,
    )
