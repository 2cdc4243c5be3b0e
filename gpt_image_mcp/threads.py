"""Running blocking work in worker threads, so that the loop stays free to answer clients."""

from __future__ import annotations

import asyncio
import os
from functools import partial
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from anyio import CapacityLimiter
from anyio.lowlevel import RunVar
from anyio.to_thread import run_sync

from gpt_image_mcp.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

_DATABASE_THREADS, _FOLDER_THREADS = 4, 8
_P = ParamSpec("_P")
_T = TypeVar("_T")

_drawing: RunVar[CapacityLimiter] = RunVar("drawing")
_computing: RunVar[CapacityLimiter] = RunVar("computing")
_saving: RunVar[CapacityLimiter] = RunVar("saving")
_waiting: RunVar[CapacityLimiter] = RunVar("waiting")
_looking: RunVar[CapacityLimiter] = RunVar("looking")


async def in_thread(work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """What ``work`` returns, or raises, for work that computes, on megabytes of JSON or a few pixels.

    As much runs at once as there are processors; more would only take the loop's share.
    """
    return await run_sync(
        partial(_lightly, partial(work, *args, **kwargs)), limiter=_limiter(_computing, os.cpu_count() or 1)
    )


async def in_drawing(work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """What ``work`` returns, or raises, for work on pictures: it may be long, or wait for memory."""
    return await run_sync(
        partial(_lightly, partial(work, *args, **kwargs)), limiter=_limiter(_drawing, os.cpu_count() or 1)
    )


async def in_database(work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """What ``work`` returns, or raises, for work that mostly waits, for the database or for files."""
    return await run_sync(
        partial(_lightly, partial(work, *args, **kwargs)), limiter=_limiter(_waiting, _DATABASE_THREADS)
    )


async def in_saving(work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """What ``work`` returns, or raises, for work that stores what was paid for, behind nothing else."""
    return await run_sync(
        partial(_lightly, partial(work, *args, **kwargs)), limiter=_limiter(_saving, _DATABASE_THREADS)
    )


async def in_folders(work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """What ``work`` returns, or raises, for work on files and folders that a caller named.

    Their drive may never answer, so nobody else waits for it, and a cancelled call does not either.
    """
    limiter = _limiter(_looking, _FOLDER_THREADS)
    return await run_sync(
        partial(_lightly, partial(work, *args, **kwargs)), abandon_on_cancel=True, limiter=limiter
    )


async def to_the_end(work: Coroutine[Any, Any, _T]) -> _T:
    """Awaits work that a cancellation must not leave half done; the cancellation comes through afterwards."""
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise


def _lightly(work: Callable[[], _T]) -> _T:
    """What work returns, or raises without the pictures that it was working on.

    A traceback keeps what the functions that it names were given and had made, and lies in circles, which are
    collected late. Of an error of ours nobody needs it.
    """
    try:
        return work()
    except ImageError as raised:
        error: BaseException | None = raised
        while error:
            error.__traceback__ = None
            error = error.__cause__ or error.__context__
        raise


def _limiter(limiters: RunVar[CapacityLimiter], threads: int) -> CapacityLimiter:
    """The limiter of this event loop."""
    limiter = limiters.get(None)
    if limiter is None:
        limiter = CapacityLimiter(threads)
        limiters.set(limiter)
    return limiter
