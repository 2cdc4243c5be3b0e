"""Keeping the loop free to answer clients: blocking work goes to threads, and long reading takes turns."""

from __future__ import annotations

import asyncio
import os
from functools import partial
from traceback import clear_frames
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar

from anyio import CapacityLimiter
from anyio.lowlevel import RunVar
from anyio.to_thread import run_sync

from gpt_image_mcp.errors import Cancelled
from gpt_image_mcp.steps import on_step

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Callable, Coroutine, Iterator

_DATABASE_THREADS, _FOLDER_THREADS, _CHECKING_THREADS = 4, 8, 4
_P = ParamSpec("_P")
_T = TypeVar("_T")

_drawing: RunVar[CapacityLimiter] = RunVar("drawing")
_computing: RunVar[CapacityLimiter] = RunVar("computing")
_saving: RunVar[CapacityLimiter] = RunVar("saving")
_waiting: RunVar[CapacityLimiter] = RunVar("waiting")
_looking: RunVar[CapacityLimiter] = RunVar("looking")
_checking: RunVar[CapacityLimiter] = RunVar("checking")


async def in_thread(work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """What ``work`` returns, or raises, for work that computes, on megabytes of JSON or a few pixels.

    As much runs at once as there are processors; more would only take the loop's share.
    """
    return await _run(partial(work, *args, **kwargs), _limiter(_computing, os.cpu_count() or 1))


async def in_drawing(work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """What ``work`` returns, or raises, for work on pictures: it may be long, or wait for memory."""
    return await _run(partial(work, *args, **kwargs), _limiter(_drawing, os.cpu_count() or 1))


async def in_database(work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """What ``work`` returns, or raises, for work that mostly waits, for the database or for files."""
    return await _run(partial(work, *args, **kwargs), _limiter(_waiting, _DATABASE_THREADS))


async def in_saving(work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """What ``work`` returns, or raises, for work that stores what was paid for, behind nothing else."""
    return await _run(partial(work, *args, **kwargs), _limiter(_saving, _DATABASE_THREADS))


async def in_folders(work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """What ``work`` returns, or raises, for work on files and folders that a caller named.

    Their drive may never answer, so nobody else waits for it once its call was cancelled.
    """
    return await _run(partial(work, *args, **kwargs), _limiter(_looking, _FOLDER_THREADS), may_hang=True)


async def in_checking(work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """What ``work`` returns, or raises, for work that tells whether something answers, which may be never.

    It waits behind no call. When the server ends, it is given up.
    """
    return await _run(partial(work, *args, **kwargs), _limiter(_checking, _CHECKING_THREADS), may_hang=True)


async def to_the_end(work: Coroutine[Any, Any, _T]) -> _T:
    """Awaits work that a cancellation must not leave half done; the cancellation comes through afterwards."""
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise


async def taking_turns(pieces: AsyncIterable[_T]) -> AsyncIterator[_T]:
    """The pieces of a body, and after each a turn for everybody else: thousands may have come at once.

    A library that finds the next one in what it has read already does not give the loop back meanwhile.
    """
    async for piece in pieces:
        yield piece
        await asyncio.sleep(0)


def drop_frames(error: Exception) -> None:
    """Lets go of what the functions that an error came through were given and had made, such as pictures.

    Its traceback keeps them, and they the task that keeps the error: a circle, which is collected late. Of an
    error of ours nobody needs it.
    """
    clear_frames(error.__traceback__)
    for each in _led_up_to(error):
        # Others may still be hearing of it, so that its frames are not ours to clear.
        each.__traceback__ = None


def _led_up_to(error: BaseException) -> Iterator[BaseException]:
    """An error, and all that were being handled when it was raised."""
    left: list[BaseException | None] = [error]
    seen = set[int]()
    while left:
        each = left.pop()
        if each is not None and id(each) not in seen:
            seen.add(id(each))
            left += (each.__cause__, each.__context__)  # which may differ
            yield each


class _Work(Generic[_T]):
    """Work for a thread, which ends at its next step once nobody waits for it."""

    def __init__(self, work: Callable[[], _T]) -> None:
        self._work = work
        self.has_begun = False
        self.is_unwanted = False

    def __call__(self) -> _T:
        """What the work returns, or raises without the pictures that it was working on."""
        self.has_begun = True
        self._step = on_step.get()
        on_step.set(self._go_on)  # in a context of its own
        try:
            return self._work()
        except BaseException as error:
            for each in _led_up_to(error):
                clear_frames(each.__traceback__)  # where it came from can still be read
            raise

    def _go_on(self) -> None:
        if self.is_unwanted:
            raise Cancelled("The call was cancelled.", next_step="Call again if you still want it.")
        self._step()


async def _run(work: Callable[[], _T], limiter: CapacityLimiter, *, may_hang: bool = False) -> _T:
    """Runs work in a thread. A cancelled call leaves at once; its thread counts until it has ended.

    Otherwise each cancelled call would let one more thread draw beside its own. Only work that may hang for
    ever, and does next to nothing, no longer counts.
    """
    wanted = _Work(work)
    running = asyncio.create_task(run_sync(wanted, abandon_on_cancel=may_hang, limiter=limiter))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        wanted.is_unwanted = True
        if may_hang or not wanted.has_begun:
            running.cancel()
        running.add_done_callback(_ignore)
        raise
    except BaseException as error:
        clear_frames(error.__traceback__)  # one of them has the future that keeps the error
        raise
    finally:
        del running  # it keeps the error, which keeps what runs here


def _ignore(ended: asyncio.Task[Any]) -> None:
    """Takes note of how work ended that nobody waits for, so that asyncio need not warn."""
    if not ended.cancelled() and (error := ended.exception()):
        clear_frames(error.__traceback__)


def _limiter(limiters: RunVar[CapacityLimiter], threads: int) -> CapacityLimiter:
    """The limiter of this event loop."""
    limiter = limiters.get(None)
    if limiter is None:
        limiter = CapacityLimiter(threads)
        limiters.set(limiter)
    return limiter
