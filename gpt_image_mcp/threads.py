"""Running blocking work in worker threads: on images in a few, with the database in others.

What hangs on the loop comes first: a client is answered while images are made small and saved.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import cache, partial
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from gpt_image_mcp.turns import stepping_aside

if TYPE_CHECKING:
    from collections.abc import Callable

_NICENESS = 5
_DATABASE_THREADS = 4
_P = ParamSpec("_P")
_T = TypeVar("_T")


async def in_thread(work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """What ``work`` returns, or raises, for work that takes long or results as large as an image.

    ``asyncio.to_thread`` leaves its result in a reference cycle of futures, where it stays until the garbage
    collector comes by; and it lets so many threads work at once that the loop hardly gets its share.
    """
    box: list[_T] = []
    context = copy_context()
    async with stepping_aside():
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(_workers(), lambda: context.run(lambda: box.append(work(*args, **kwargs))))
    return box.pop()


async def in_database(work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """What ``work`` returns, or raises, for work that computes little and may have to wait for a lock."""
    async with stepping_aside():
        loop, inside = asyncio.get_running_loop(), copy_context()
        return await loop.run_in_executor(_database(), partial(inside.run, partial(work, *args, **kwargs)))


def computed(work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """What ``work`` on an image returns, or raises, in the middle of work that waits for locks. Blocking."""
    return _workers().submit(work, *args, **kwargs).result()


@cache
def _database() -> ThreadPoolExecutor:
    """Images are saved here: while the database is locked, some of them should be on disk already."""
    return ThreadPoolExecutor(_DATABASE_THREADS, thread_name_prefix="database", initializer=_give_way)


@cache
def _workers() -> ThreadPoolExecutor:
    """As many as there are processors; more of them would only take the loop's share."""
    return ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="images", initializer=_give_way)


def _give_way() -> None:
    """Lets the thread of the loop run first, where the system knows priorities of threads."""
    if sys.platform != "linux":
        return
    with contextlib.suppress(
        OSError
    ):  # a container may forbid it, and a thread that fails here ends all work
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
