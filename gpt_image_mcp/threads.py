"""Running blocking work in threads: on images in a few, with the database in others, reading answers in one.

What hangs on the loop comes first: a client is answered while images are made small and saved.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from functools import cache, partial
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from gpt_image_mcp.turns import stepping_aside

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

# Measured with 64 calls at once: above the loop's own, so that it runs first, and not so high that a busy
# machine never gets to the images.
_IMAGES_NICENESS, _DATABASE_NICENESS = 10, 5
_DATABASE_THREADS = 4
_P = ParamSpec("_P")
_T = TypeVar("_T")


async def in_thread(work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """What ``work`` returns, or raises, for work on images: it computes much and gives way to the loop."""
    return await _boxed(_workers(), partial(work, *args, **kwargs))


async def in_reader(work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """What ``work`` returns, or raises, for reading megabytes of JSON: one after another and without delay.

    Such work keeps Python's global lock throughout. A thread of low priority that has the lock and no
    processor would let the loop wait for both.
    """
    return await _boxed(_reader(), partial(work, *args, **kwargs))


async def in_database(work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """What ``work`` returns, or raises, for work that computes little and may have to wait for a lock."""
    async with stepping_aside():
        loop, inside = asyncio.get_running_loop(), copy_context()
        return await loop.run_in_executor(_database(), partial(inside.run, partial(work, *args, **kwargs)))


async def _boxed(pool: ThreadPoolExecutor, work: Callable[[], _T]) -> _T:
    """What ``work`` returns, as large as an image.

    ``asyncio.to_thread`` leaves its result in a reference cycle of futures, where it stays until the garbage
    collector comes by; and it lets so many threads work at once that the loop hardly gets its share.
    """
    box: list[_T] = []
    inside = copy_context()
    async with stepping_aside():
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(pool, lambda: inside.run(lambda: box.append(work())))
    return box.pop()


async def to_the_end(work: Coroutine[Any, Any, _T]) -> _T:
    """Awaits work that a cancellation must not leave half done; the cancellation comes through afterwards."""
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise


def computed(work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """What ``work`` on an image returns, or raises, in the middle of work that waits for locks. Blocking."""
    return _begun(_workers(), partial(work, *args, **kwargs)).result()


def beside(work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
    """Begins work on an image while the caller waits for the disk; gives the promise of its result."""
    return _begun(_assistant(), partial(work, *args, **kwargs))


def _begun(pool: ThreadPoolExecutor, work: Callable[[], _T]) -> Future[_T]:
    """The work in a thread of the pool; done here where Python ends while an image is still being saved."""
    try:
        return pool.submit(work)
    except RuntimeError:
        done = Future[_T]()
        done.set_result(work())
        return done


@cache
def _reader() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, thread_name_prefix="reader")


@cache
def _assistant() -> ThreadPoolExecutor:
    """Not one for each image: while an executor starts a thread, the loop cannot give work to any other."""
    return _giving_way(1, "beside", niceness=_IMAGES_NICENESS)


@cache
def _database() -> ThreadPoolExecutor:
    """Images are saved here: while the database is locked, some of them should be on disk already."""
    return _giving_way(_DATABASE_THREADS, "database", niceness=_DATABASE_NICENESS)


@cache
def _workers() -> ThreadPoolExecutor:
    """As many as there are processors; more of them would only take the loop's share."""
    return _giving_way(os.cpu_count() or 1, "images", niceness=_IMAGES_NICENESS)


def _giving_way(threads: int, name: str, *, niceness: int) -> ThreadPoolExecutor:
    """Threads that let the thread of the loop run first, where the system knows priorities of threads."""
    return ThreadPoolExecutor(
        threads, thread_name_prefix=name, initializer=_lower_priority, initargs=(niceness,)
    )


def _lower_priority(niceness: int) -> None:
    if sys.platform != "linux":
        return
    # A container may forbid it, and a thread that fails here would end all work.
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), niceness)
