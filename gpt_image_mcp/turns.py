"""Turns: only so many calls keep the event loop busy at once, so that it soon gets to everything else.

A call takes a turn when it arrives and steps aside while it waits for something that is not the loop.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from contextvars import ContextVar
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Coroutine

_T = TypeVar("_T")
_QUIET_SECONDS = 0.004

_current: ContextVar[_Turn | None] = ContextVar("turn", default=None)


class Turns:
    """The turns of one server.

    Args:
        at_once: How many calls have one at the same time.
    """

    def __init__(self, at_once: int) -> None:
        self._turn = asyncio.Semaphore(at_once)
        self._calls = 0
        self._last_arrival = 0.0

    async def take(self) -> None:
        """Waits for a turn."""
        await self._turn.acquire()

    def give_back(self) -> None:
        """Lets the next one have a turn."""
        self._turn.release()

    @asynccontextmanager
    async def taken(self) -> AsyncGenerator[None]:
        """Waits for a turn and has it, but for the times when the block steps aside."""
        turn = _Turn(self)
        self._last_arrival = asyncio.get_running_loop().time()
        self._calls += 1
        try:
            await turn.take()
            await self._let_others_arrive()
            _current.set(turn)
            yield
        finally:
            _current.set(None)
            self._calls -= 1
            turn.give_back()

    async def _let_others_arrive(self) -> None:
        """Waits until no more calls come in, unless this is the only one.

        Each takes the loop several rounds to read. Between the rounds of calls that work already, reading the
        last of many would take as long as all their work.
        """
        loop = asyncio.get_running_loop()
        # There is no event to wait for: it waits for nothing to happen.
        while self._calls > 1 and (left := self._last_arrival + _QUIET_SECONDS - loop.time()) > 0:  # noqa: ASYNC110
            await asyncio.sleep(left)


class Gate:
    """Lets work begin a little at a time, so that what arrives together does not fill the loop together.

    Args:
        at_once: How many pieces of work may be beginning.
        seconds: After so long, work counts as begun, and as waiting for something else.
    """

    def __init__(self, at_once: int, *, seconds: float) -> None:
        self._free = asyncio.Semaphore(at_once)
        self._seconds = seconds

    async def for_a_moment(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Does the work; it holds up what comes after it for a moment at most."""
        task: asyncio.Task[_T] | None = None
        try:
            async with self._free:
                task = asyncio.create_task(work)
                await asyncio.wait({task}, timeout=self._seconds)
            return await task
        finally:
            if task is None:
                work.close()
            else:
                task.cancel()


@asynccontextmanager
async def stepping_aside() -> AsyncGenerator[None]:
    """Lets others have the turn of this call, if it has one; tasks started by a call have none."""
    turn = _current.get()
    if turn is None or turn.task is not asyncio.current_task() or not turn.is_held:
        yield  # nothing to give back; in a block that stepped aside already, the outer one takes it again
        return
    turn.give_back()
    try:
        yield
    finally:
        await turn.take()


def elapsed_seconds() -> float:
    """How long ago the call of this task arrived; 0 in any other task."""
    turn = _current.get()
    return monotonic() - turn.arrived if turn and turn.task is asyncio.current_task() else 0.0


class _Turn:
    """The turn of one task; given back once, whatever cancels it."""

    def __init__(self, turns: Turns) -> None:
        self.task = asyncio.current_task()
        self.arrived = monotonic()
        self._turns = turns
        self.is_held = False

    async def take(self) -> None:
        await self._turns.take()
        self.is_held = True

    def give_back(self) -> None:
        if self.is_held:
            self.is_held = False
            self._turns.give_back()
