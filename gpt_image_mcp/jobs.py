"""Work that outlives the call that asked for it.

A call starts a job and waits for it as long as its client can bear. When the client gives up or is cut off,
the request that was already sent goes on, its image is saved, and a later call collects it.
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, field
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING

from gpt_image_mcp.errors import Cancelled
from gpt_image_mcp.values import ImageResult, Progress, ProgressWatcher, Stage

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from gpt_image_mcp.plans import Plan

HEARTBEAT_SECONDS = 3.0
# Where each stage begins on the way from 0 to 1; drawing fills what lies between it and saved.
_STARTS: dict[Stage, float] = {
    "checked": 0.02,
    "uploading": 0.05,
    "queued": 0.08,
    "drawing": 0.1,
    "saved": 1.0,
}
_DRAWING_ENDS = 0.95
_UNKNOWN_EXPECTED_SECONDS = 40.0


@dataclass(eq=False, slots=True)
class Job:
    """One piece of running work.

    Attributes:
        plan: What is being made; its call id is the job's.
        expected_seconds: What calls of this kind took before; None until that is known.
        stage: How far it is.
        is_sent: Whether a request has left; from then on it is never cancelled.
        partial: The latest partial image, where the call streams.
        changed: Set whenever one of these changes.
    """

    plan: Plan
    expected_seconds: float | None = None
    stage: Stage = "checked"
    is_sent: bool = False
    partial: bytes | None = None
    started: float = field(default_factory=monotonic)
    waiters: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def id(self) -> str:
        """The call's id, which a caller may keep to collect the result."""
        return self.plan.call_id

    @property
    def elapsed_seconds(self) -> float:
        """Seconds since the job began."""
        return monotonic() - self.started

    def advance(self, stage: Stage) -> None:
        """Enters a stage and wakes whoever watches."""
        self.stage = stage
        self.changed.set()

    def mark_sent(self) -> None:
        """Notes that the request left the queue."""
        self.is_sent = True
        self.advance("drawing")

    def receive_partial(self, image: bytes) -> None:
        """Keeps a partial image and wakes whoever watches."""
        self.partial = image
        self.advance("drawing")

    def progress(self) -> Progress:
        """Where the job stands now."""
        fraction = _STARTS[self.stage]
        if self.stage == "drawing":
            expected = self.expected_seconds or _UNKNOWN_EXPECTED_SECONDS
            done = 1 - math.exp(-self.elapsed_seconds / expected)
            fraction += (_DRAWING_ENDS - fraction) * done
        return Progress(stage=self.stage, fraction=fraction, message=self._message())

    def _message(self) -> str:
        if self.stage != "drawing":
            return _MESSAGES[self.stage]
        usual = f", usually about {self.expected_seconds:.0f} s" if self.expected_seconds else ""
        seen = ", a partial image has arrived" if self.partial else ""
        return f"drawing: {self.elapsed_seconds:.0f} s so far{usual}{seen}"


_MESSAGES: dict[Stage, str] = {
    "checked": "checked: the request is valid and within budget",
    "uploading": "uploading the input images",
    "queued": "queued: waiting for a free request slot",
    "saved": "saved to disk",
}


class Jobs:
    """The jobs of one process that are still running."""

    def __init__(self) -> None:
        self._running: dict[str, tuple[Job, asyncio.Task[ImageResult]]] = {}

    def start(self, job: Job, work: Callable[[Job], Awaitable[ImageResult]]) -> None:
        """Starts the work; it runs until it ends, whoever waits."""

        async def run() -> ImageResult:
            return await work(job)

        task = asyncio.create_task(run(), name=job.id)
        self._running[job.id] = (job, task)
        task.add_done_callback(partial(self._forget, job))

    def find(self, job_id: str) -> Job | None:
        """The running job of this id, if there is one."""
        entry = self._running.get(job_id)
        return entry[0] if entry else None

    async def wait(
        self, job: Job, *, seconds: float | None, watch: ProgressWatcher | None = None
    ) -> ImageResult | None:
        """The job's result, or None if it is still running after ``seconds`` (None waits for ever).

        A cancelled waiter stops waiting. The job goes on if its request was sent, or someone else waits.

        Raises:
            ImageError: What the job failed with; ``Cancelled`` if it was stopped before anything was sent.
        """
        task = self._running[job.id][1]
        job.waiters += 1
        try:
            await self._watch(job, task, seconds=seconds, watch=watch)
            return _outcome(task)
        except asyncio.CancelledError:
            if job.waiters == 1 and not job.is_sent:
                task.cancel()
            raise
        finally:
            job.waiters -= 1

    async def close(self, *, grace_seconds: float) -> None:
        """Lets sent requests finish within the grace period, and cancels the rest."""
        running = list(self._running.values())
        tasks = [task for _, task in running]
        for job, task in running:
            if not job.is_sent:
                task.cancel()
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=grace_seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _watch(
        self,
        job: Job,
        task: asyncio.Task[ImageResult],
        *,
        seconds: float | None,
        watch: ProgressWatcher | None,
    ) -> None:
        """Reports each stage, and each heartbeat while drawing, until the job ends or time is up."""
        deadline = math.inf if seconds is None else monotonic() + seconds
        if watch is not None:
            await watch(job.progress())
        while not task.done() and (left := deadline - monotonic()) > 0:
            job.changed.clear()
            changed = asyncio.create_task(job.changed.wait())
            try:
                await asyncio.wait(
                    {task, changed},
                    timeout=min(left, HEARTBEAT_SECONDS),
                    return_when=asyncio.FIRST_COMPLETED,
                )
            finally:
                changed.cancel()
            if watch is not None:
                await watch(job.progress())

    def _forget(self, job: Job, task: asyncio.Task[ImageResult]) -> None:
        self._running.pop(job.id, None)
        if not task.cancelled():
            task.exception()  # a failure nobody waited for is in the library; asyncio need not warn


def _outcome(task: asyncio.Task[ImageResult]) -> ImageResult | None:
    if task.cancelled():
        message = (
            "The call was cancelled before its request was sent; nothing was made and nothing is billed."
        )
        raise Cancelled(message, next_step="Call again if you still want the image.", retryable=True)
    return task.result() if task.done() else None
