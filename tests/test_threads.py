"""Work in threads: what an error of it keeps alive."""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from gpt_image_mcp.errors import InvalidArgument
from gpt_image_mcp.steps import step
from gpt_image_mcp.threads import (
    in_checking,
    in_database,
    in_drawing,
    in_folders,
    in_saving,
    in_thread,
    to_the_end,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

WORKERS = [in_thread, in_drawing, in_saving, in_database, in_folders, in_checking]


class Picture:
    """Stands for megabytes."""


@pytest.mark.usefixtures("no_collection")
@pytest.mark.parametrize("in_worker", WORKERS)
async def test_an_error_keeps_nothing_that_was_worked_on(
    in_worker: Callable[..., Coroutine[Any, Any, Any]],
) -> None:
    pictures: list[weakref.ref[Picture]] = []

    def decode() -> Picture:
        picture = Picture()
        pictures.append(weakref.ref(picture))
        return picture

    def write() -> None:
        picture = decode()
        message = f"too many bytes of {picture}"
        raise ValueError(message)

    def export() -> None:
        picture = decode()
        try:
            write()
        except ValueError as error:
            message = f"no file of {[picture for _ in range(1)]}"
            raise InvalidArgument(message, next_step="Pass less.") from error

    with pytest.raises(InvalidArgument) as raised:
        await in_worker(export)
    await asyncio.sleep(0)
    assert [picture() for picture in pictures] == [None, None]
    assert isinstance(raised.value.__cause__, ValueError)


@pytest.mark.usefixtures("no_collection")
@pytest.mark.parametrize("in_worker", WORKERS)
@pytest.mark.parametrize("error", [partial(InvalidArgument, next_step="Pass another."), ValueError])
async def test_what_was_refused_is_let_go_of_with_the_error(
    error: Callable[[str], Exception], in_worker: Callable[..., Coroutine[Any, Any, Any]]
) -> None:
    def refuse(picture: Picture) -> None:
        message = f"not {picture}"
        raise error(message)

    async def ask() -> weakref.ref[Picture]:
        picture = Picture()
        with suppress(InvalidArgument, ValueError):
            await in_worker(refuse, picture)
        return weakref.ref(picture)

    picture = await ask()
    for _ in range(1000):  # the thread lets go of its work a moment later
        if picture() is None:
            return
        await asyncio.sleep(0.01)
    pytest.fail("the picture is still there")


@pytest.mark.parametrize("in_worker", [in_thread, in_drawing])
async def test_cancelled_work_ends_at_its_next_step_and_counts_until_then(
    in_worker: Callable[..., Coroutine[Any, Any, Any]],
) -> None:
    begun, go_on = threading.Semaphore(0), threading.Event()
    ended: list[str] = []

    def work(name: str) -> None:
        begun.release()
        go_on.wait(20)
        step()
        ended.append(name)

    threads = os.cpu_count() or 1
    running = [asyncio.create_task(in_worker(work, f"running {n}")) for n in range(threads)]
    for _ in running:
        await asyncio.to_thread(begun.acquire, timeout=20)
    waiting = [asyncio.create_task(in_worker(work, f"waiting {n}")) for n in range(3)]
    after = asyncio.create_task(in_worker(work, "after"))
    await asyncio.sleep(0)
    for task in (*running, *waiting):
        task.cancel()
    assert {type(each) for each in await asyncio.gather(*running, *waiting, return_exceptions=True)} == {
        asyncio.CancelledError
    }
    assert not begun.acquire(blocking=False)  # the threads are taken, although nobody waits for them
    go_on.set()
    await after
    assert ended == ["after"]


async def test_work_that_must_not_be_left_half_done_is_done_although_its_call_was_cancelled() -> None:
    begun, go_on = threading.Event(), threading.Event()
    done: list[str] = []

    def save() -> None:
        begun.set()
        go_on.wait(20)
        step()
        done.append("saved")

    saving = asyncio.create_task(to_the_end(in_saving(save)))
    await asyncio.to_thread(begun.wait, 20)
    saving.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await saving
    assert done == ["saved"]
