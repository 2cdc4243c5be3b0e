"""Whose turn it is: a few requests at once, and callers who wait for one take turns by owner."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator


class Turns:
    """A semaphore that is fair between owners: each in turn gets one slot, and within one who came first.

    Args:
        slots: How many may have one at once.
    """

    def __init__(self, slots: int) -> None:
        self._free = slots
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    @asynccontextmanager
    async def slot(self, owner: str) -> AsyncGenerator[None]:
        """A slot, when it is the owner's turn, until the block ends."""
        if self._free:  # then nobody waits
            self._free -= 1
        else:
            await self._turn_of(owner)
        try:
            yield
        finally:
            self._pass_on()

    async def _turn_of(self, owner: str) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(owner, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # the slot came in the same moment
                self._pass_on()
            raise

    def _pass_on(self) -> None:
        """Gives a slot to the next who still waits, whose owner then is behind all others."""
        while self._waiting:
            owner, turns = self._waiting.popitem(last=False)
            while turns and turns[0].done():  # it was cancelled
                turns.popleft()
            if turns:
                turns.popleft().set_result(None)
                if turns:
                    self._waiting[owner] = turns
                return
        self._free += 1
