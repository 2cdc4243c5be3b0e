"""Work that outlives the call that asked for it.

A call starts a job and waits for it as long as its client can bear. When the client gives up or is cut off,
the request that was already sent goes on, its image is saved, and a later call collects it.
"""

from __future__ import annotations

import asyncio
import math
import threading
from abc import ABC, abstractmethod
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from weakref import WeakValueDictionary

from gpt_image_mcp.calls.progress import DRAWING_ENDS, advanced, fraction_at, message_at
from gpt_image_mcp.errors import Cancelled, ImageError, InternalError, OutcomeUnknown
from gpt_image_mcp.object_paths import location
from gpt_image_mcp.openai_api.observer import Cleanup, LazyImage
from gpt_image_mcp.threads import drop_frames, to_the_end
from gpt_image_mcp.values.progress import Progress, ProgressWatcher, Stage

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Coroutine
    from pathlib import Path

HEARTBEAT_SECONDS = 3.0
# A call that will not wait still hears of a refusal that takes no longer than this to find. The contract
# grants a call one second more than its patience.
CHECKING_SECONDS = 0.9
# How long a stopped job may take to write down what became of it.
ENDING_SECONDS = 3.0
_LOOKS_AGAIN_SECONDS = 0.1

_R = TypeVar("_R")


@dataclass(eq=False, slots=True, kw_only=True)
class Job(ABC, Generic[_R]):
    """One piece of running work that ends with a result of type ``_R``.

    Attributes:
        id: Under which a caller may collect the result.
        owner: Whose it is; empty for whoever uses this machine.
        idempotency_key: What makes another call the same as this; empty where each call is its own.
        expected_seconds: What calls of this kind took before; None until that is known.
        stages: Those entered so far; empty while the request is still being checked.
        is_sent: Whether a request is out that may be billed; then it is not cancelled.
        is_handed_out: Whether a caller was given its id, to collect the result or the failure; then it does
            not end because someone stops waiting for it.
        is_joinable: Whether the same call joins this one, because its caller is gone, or was or will be given
            its id. While the caller waits, the same call is a wish for another picture.
        is_released: Whether callers are to wait no longer, because the process is about to end.
        is_ending: Whether nothing more is to be sent, because the process ends.
        partial: Gives the bytes of the latest partial image, where the call streams. Blocking.
        body_path: Where the answer is kept until its images are stored; None before it arrives.
        fraction: How far it was when someone last looked.
        cleanups: What is to be done when the work has ended, however it ended; each gives notes.
        changed: Set whenever one of these changes.
    """

    id: str
    owner: str = ""
    idempotency_key: str = ""
    expected_seconds: float | None = None
    stages: list[Stage] = field(default_factory=list[Stage])
    is_sent: bool = False
    is_handed_out: bool = False
    is_joinable: bool = False
    is_released: bool = False
    is_ending: bool = False
    partial: LazyImage | None = None
    body_path: Path | None = None
    fraction: float = 0.0
    started: float = field(default_factory=monotonic)
    waiters: int = 0
    cleanups: list[Cleanup] = field(default_factory=list[Cleanup])
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[_R] | None = None

    @abstractmethod
    def report(self) -> _R:
        """The result that says how far the job is. Blocking."""

    @property
    def elapsed_seconds(self) -> float:
        """Seconds since the job began."""
        return monotonic() - self.started

    @property
    def where_body_is(self) -> tuple[str, ...]:
        """What to say of an answer that could not be stored as images, or not all of it."""
        return () if self.body_path is None else (f"The answer is kept in {location(self.body_path)}.",)

    @property
    def may_be_billed(self) -> bool:
        """Whether something was sent that may cost money."""
        return self.is_sent

    def advance(self, stage: Stage) -> None:
        """Enters a stage and wakes whoever watches."""
        if not self.stages or self.stages[-1] != stage:
            self.stages.append(stage)
        self.changed.set()

    def release(self) -> None:
        """Has every caller who waits go now, with the id of the job."""
        self.is_released = True
        self.changed.set()

    def mark_sent(self) -> None:
        """Notes that the request left the queue."""
        self.is_sent = True
        self.advance("drawing")

    def mark_unsent(self) -> None:
        """Notes that the request came back and certainly made nothing; it may leave again until the end."""
        self.is_sent = False
        self.advance("queued")
        self.stop_if_unsent()

    def stop_if_unsent(self) -> None:
        """Cancels the work at the end of the process, unless its request is out."""
        if self.is_ending and not self.is_sent:
            _task(self).cancel()

    def receive_partial(self, image: LazyImage) -> None:
        """Keeps a partial image and wakes whoever watches."""
        self.partial = image
        self.changed.set()

    def add_cleanup(self, cleanup: Cleanup) -> None:
        """Puts something off until the work has ended."""
        self.cleanups.append(cleanup)

    async def clean_up(self) -> tuple[str, ...]:
        """Does what was put off until the work had ended, once; gives notes about it."""
        notes: list[str] = []
        while self.cleanups:
            notes += await to_the_end(self.cleanups.pop()())
        return tuple(notes)

    def progress(self, stage: Stage) -> Progress:
        """Where the job stands in a stage, a little further with each look until all is done."""
        elapsed, expected = self.elapsed_seconds, self.expected_seconds
        fraction = fraction_at(stage, elapsed_seconds=elapsed, expected_seconds=expected)
        self.fraction = advanced(self.fraction, fraction, limit=DRAWING_ENDS)
        message = message_at(
            stage, elapsed_seconds=elapsed, expected_seconds=expected, has_partial=self.partial is not None
        )
        return Progress(stage=stage, fraction=self.fraction, message=message)


class Jobs:
    """The jobs of one process that are still running.

    Args:
        checking_seconds: How long a caller hears of refusals, whatever its patience.
    """

    def __init__(self, *, checking_seconds: float = CHECKING_SECONDS) -> None:
        self._checking_seconds = checking_seconds
        self._running: dict[str, Job[Any]] = {}
        self._beginning: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def start(self, job: Job[_R], work: Coroutine[Any, Any, _R]) -> None:
        """Starts the work; it runs until it ends, whoever waits."""
        job.task = asyncio.create_task(_cleanly(job, work), name=job.id)
        self._running[job.id] = job
        job.task.add_done_callback(partial(self._forget, job))
        # Work that was cancelled before its first step would count as forgotten.
        job.task.add_done_callback(lambda _task: work.close())

    @property
    def stages(self) -> tuple[Stage, ...]:
        """Where each running job stands; one that is still being checked counts as checked."""
        return tuple(job.stages[-1] if job.stages else "checked" for job in self._running.values())

    def find(self, job_id: str) -> Job[Any] | None:
        """The running job of this id, if there is one."""
        return self._running.get(job_id)

    def find_same(self, idempotency_key: str) -> Job[Any] | None:
        """The running job of a key that the same call joins; no two jobs without a key are the same."""
        if not idempotency_key:
            return None
        running = (job for job in self._running.values() if job.idempotency_key == idempotency_key)
        return next((job for job in running if job.is_joinable), None)

    @asynccontextmanager
    async def beginning(self, idempotency_key: str) -> AsyncGenerator[None]:
        """Held from looking for the same job until one is started, so that of two equal calls one begins.

        A job that is being stopped is waited for here, because nobody could join it any more.
        """
        if not idempotency_key:
            yield
            return
        async with self._beginning.setdefault(idempotency_key, asyncio.Lock()):
            same = self.find_same(idempotency_key)
            if same is not None and _task(same).cancelling():
                await asyncio.wait({_task(same)})
            yield

    async def wait(
        self, job: Job[_R], *, seconds: float | None, watch: ProgressWatcher | None = None
    ) -> _R | None:
        """The job's result, or None if it is still running after ``seconds``.

        None waits to the end, as work does that needs the result; ``math.inf`` until the caller is released.
        While the request is still being checked it waits a little longer, so that a refusal is heard of.
        A cancelled waiter stops waiting. The job goes on if its request was sent, if someone else waits, or
        if its id was handed out.

        Raises:
            ImageError: What the job failed with, or why it was stopped: ``Cancelled`` if nothing was out.
        """
        task = _task(job)
        job.waiters += 1
        try:
            deadline = _Deadline(seconds, checking_seconds=0 if job.is_handed_out else self._checking_seconds)
            await _watch(job, task, deadline=deadline, watch=watch)
            return _outcome(job, task)
        except asyncio.CancelledError:
            if job.waiters == 1 and not job.is_sent and not job.is_handed_out:
                task.cancel()
            raise
        finally:
            job.waiters -= 1

    def abandon(self, job_id: str) -> None:
        """Stops a job whose request was not sent yet and that nobody waits for; others go on."""
        job = self._running.get(job_id)
        if job is not None and not job.is_sent and not job.waiters:
            _task(job).cancel()

    def release(self) -> None:
        """Has every caller who waits go now, with the id of the job: the process is about to end."""
        for job in self._running.values():
            job.release()

    async def close(self, *, grace_seconds: float, ending_seconds: float = ENDING_SECONDS) -> None:
        """Lets sent requests finish within the grace period, and cancels the rest.

        What is cancelled may still have something to write down, for ``ending_seconds`` at most.
        """
        tasks = [_task(job) for job in self._running.values()]
        for job in self._running.values():
            job.is_ending = True
            job.stop_if_unsent()
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=grace_seconds)
            await _cancel(late, within_seconds=ending_seconds)

    def _forget(self, job: Job[Any], task: asyncio.Task[Any]) -> None:
        self._running.pop(job.id, None)
        # A failure that nobody waited for is in the library; asyncio need not warn.
        failure = None if task.cancelled() else task.exception()
        if isinstance(failure, ImageError):
            drop_frames(failure)


async def _cancel(tasks: set[asyncio.Task[Any]], *, within_seconds: float) -> None:
    """Cancels tasks and waits until they have ended, but no longer than that.

    One that is being cancelled already comes to its end undisturbed. A library may take a cancellation for
    its own, as anyio does while it connects; then it is repeated.
    """
    give_up_at = monotonic() + within_seconds
    while tasks and monotonic() < give_up_at:
        for task in tasks:
            if not task.cancelling():
                task.cancel()
        _, tasks = await asyncio.wait(tasks, timeout=min(_LOOKS_AGAIN_SECONDS, within_seconds))


async def _cleanly(job: Job[_R], work: Coroutine[Any, Any, _R]) -> _R:
    try:
        return await work
    finally:
        await job.clean_up()


def end_of_wait(seconds: float | None) -> float:
    """When, by the monotonic clock, a wait of so many seconds is over; one of None never is."""
    return math.inf if seconds is None else monotonic() + min(seconds, threading.TIMEOUT_MAX)


class _Deadline:
    """When a waiter gives up."""

    def __init__(self, seconds: float | None, *, checking_seconds: float) -> None:
        now = monotonic()
        self._is_releasable = seconds is not None
        self._usual = end_of_wait(seconds)
        self._checking = max(self._usual, now + checking_seconds)

    def left_seconds(self, job: Job[Any]) -> float:
        """What is left of the waiter's patience, which lasts longer while the request is being checked."""
        if job.is_released and self._is_releasable:
            return 0.0
        return (self._usual if job.stages else self._checking) - monotonic()


async def _watch(
    job: Job[_R], task: asyncio.Task[_R], *, deadline: _Deadline, watch: ProgressWatcher | None
) -> None:
    """Reports each stage, and each heartbeat while drawing, until the job ends or time is up."""
    reports = _Reports(job, watch)
    while True:
        await reports.send()
        if not reports.are_complete:
            continue  # a stage was entered while the others were sent
        left = deadline.left_seconds(job)
        if task.done() or left <= 0:
            return
        job.changed.clear()
        changed = asyncio.create_task(job.changed.wait())
        try:
            await asyncio.wait(
                {task, changed}, timeout=min(left, HEARTBEAT_SECONDS), return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            changed.cancel()


class _Reports:
    """What one watcher was told of a job."""

    def __init__(self, job: Job[Any], watch: ProgressWatcher | None) -> None:
        self._job = job
        self._watch = watch
        self._stages = 0
        self._fraction = -1.0

    @property
    def are_complete(self) -> bool:
        """Whether each stage was told of."""
        return self._stages == len(self._job.stages)

    async def send(self) -> None:
        """Tells of each stage that was not told of yet, or of the last again."""
        new = self._job.stages[self._stages :]
        self._stages += len(new)
        if self._watch is not None:
            for stage in new or self._job.stages[-1:]:
                await self._tell(self._job.progress(stage), self._watch)

    async def _tell(self, progress: Progress, watch: ProgressWatcher) -> None:
        """Only what is ahead of the last report: the protocol wants that."""
        if progress.fraction > self._fraction:
            self._fraction = progress.fraction
            await watch(progress)


def _task(job: Job[_R]) -> asyncio.Task[_R]:
    if job.task is None:
        message = f"job {job.id} was never started"
        raise RuntimeError(message)
    return job.task


def _outcome(job: Job[_R], task: asyncio.Task[_R]) -> _R | None:
    if task.cancelled():
        raise stopped(job)
    return task.result() if task.done() else None


def stopped(job: Job[Any]) -> ImageError:
    """What became of a job that was ended before its work was."""
    if job.is_sent:
        message = (
            "The call was stopped after its request was sent. Whether a picture was made and billed cannot "
            "be told."
        )
        return OutcomeUnknown(
            " ".join((message, *job.where_body_is)),
            next_step="Look at the usage page of the account before you call again.",
        )
    message = "The call was cancelled before its request was sent; nothing was made and nothing is billed."
    return Cancelled(message, next_step="Call again if you still want the image.", retryable=True)


def broken(job: Job[Any], defect: Exception) -> InternalError:
    """What a defect of this program makes of a job; its traceback belongs into the log."""
    if job.may_be_billed:
        when = "after its request was sent, so it may be billed"
        step = "Look into the output folder, which may have the image, before you call again."
    else:
        when = "before its request was sent; nothing is billed"
        step = "Call again if you still want the image."
    message = f"An unexpected {type(defect).__name__} ended the call {when}."
    return InternalError(
        " ".join((message, *job.where_body_is)),
        next_step=f"{step} Report it with the server's log on stderr.",
    )
