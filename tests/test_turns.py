"""Turns and gates: only so many at once, and none is ever lost."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

from gpt_image_mcp.threads import in_thread
from gpt_image_mcp.turns import Gate, Turns, elapsed_seconds, stepping_aside

if TYPE_CHECKING:
    from collections.abc import Callable


class Busy:
    """How many are at it, and how many there were at most."""

    def __init__(self) -> None:
        self.now = self.most = 0

    async def work(self, rounds: int = 5) -> None:
        """Keeps the loop busy for some rounds."""
        self.now += 1
        self.most = max(self.most, self.now)
        for _ in range(rounds):
            await asyncio.sleep(0)
        self.now -= 1


async def _is_free(turns: Turns) -> bool:
    """Whether a turn can be taken now."""
    taking = asyncio.create_task(turns.take())
    await asyncio.sleep(0)
    if taking.done():
        turns.give_back()
        return True
    taking.cancel()
    return False


async def test_only_so_many_have_a_turn_at_once() -> None:
    turns, busy = Turns(2), Busy()

    async def call() -> None:
        async with turns.taken():
            await busy.work()

    await asyncio.gather(*(call() for _ in range(10)))
    assert busy.most == 2


async def test_who_steps_aside_twice_takes_one_turn_again() -> None:
    turns = Turns(1)
    async with asyncio.timeout(20), turns.taken():
        async with stepping_aside():
            async with stepping_aside():
                assert await _is_free(turns)
            assert await _is_free(turns)
        assert not await _is_free(turns)
    assert await _is_free(turns)


async def test_who_steps_aside_lets_another_have_the_turn() -> None:
    turns, others_turn = Turns(1), asyncio.Event()

    async def waiting() -> None:
        async with turns.taken():
            async with stepping_aside():
                await asyncio.wait_for(others_turn.wait(), 10)
            assert not await _is_free(turns)

    async def other() -> None:
        async with turns.taken():
            others_turn.set()

    await asyncio.gather(waiting(), other())
    assert await _is_free(turns)


async def test_work_in_a_thread_steps_aside() -> None:
    turns, others_turn = Turns(1), threading.Event()

    async def other() -> None:
        async with turns.taken():
            others_turn.set()

    async with turns.taken():
        waiting = asyncio.create_task(other())
        assert await in_thread(others_turn.wait, 10)
    await waiting


async def test_a_task_that_a_call_started_gives_no_turn_away() -> None:
    turns = Turns(1)

    async def child() -> bool:
        async with stepping_aside():
            return await _is_free(turns)

    async with turns.taken():
        assert not await asyncio.create_task(child())
    assert await _is_free(turns)


async def test_the_time_of_a_call_counts_from_its_arrival_and_only_for_itself() -> None:
    turns = Turns(1)

    async def child() -> float:
        return elapsed_seconds()

    async with turns.taken():
        await asyncio.sleep(0)
        assert elapsed_seconds() > 0
        assert await asyncio.create_task(child()) == 0
    assert elapsed_seconds() == 0


async def test_without_a_turn_stepping_aside_does_nothing() -> None:
    async with stepping_aside():
        pass


@pytest.mark.parametrize("aside", [True, False])
async def test_a_cancelled_call_gives_its_turn_back_once(*, aside: bool) -> None:
    turns, there = Turns(1), asyncio.Event()

    async def call() -> None:
        async with turns.taken():
            if not aside:
                there.set()
                await asyncio.Event().wait()
            async with stepping_aside():
                there.set()
                await asyncio.Event().wait()

    task = asyncio.create_task(call())
    await asyncio.wait_for(there.wait(), 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await _is_free(turns)


async def test_a_gate_lets_work_begin_a_little_at_a_time() -> None:
    gate, busy = Gate(2, seconds=10), Busy()
    await asyncio.gather(*(gate.for_a_moment(busy.work()) for _ in range(10)))
    assert busy.most == 2


async def test_work_that_waits_for_something_else_holds_nobody_up() -> None:
    gate, done = Gate(1, seconds=0.01), asyncio.Event()

    async def finish() -> str:
        done.set()
        return "second"

    async def wait() -> str:
        await asyncio.wait_for(done.wait(), 10)
        return "first"

    first, second = await asyncio.gather(gate.for_a_moment(wait()), gate.for_a_moment(finish()))
    assert (first, second) == ("first", "second")


@pytest.mark.parametrize("is_begun", [True, False])
async def test_cancelled_work_ends_and_leaves_the_gate_open(*, is_begun: bool) -> None:
    gate, ended = Gate(1, seconds=10), asyncio.Event()

    async def endless(told: Callable[[], None]) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            told()

    first = asyncio.create_task(gate.for_a_moment(endless(ended.set)))
    await asyncio.sleep(0)
    if not is_begun:
        second = asyncio.create_task(gate.for_a_moment(endless(ended.clear)))
        await asyncio.sleep(0)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    await gate.for_a_moment(Busy().work())
    await asyncio.wait_for(ended.wait(), 10)


async def test_a_failure_comes_through_the_gate() -> None:
    async def fail() -> None:
        raise KeyError

    with pytest.raises(KeyError):
        await Gate(1, seconds=10).for_a_moment(fail())
