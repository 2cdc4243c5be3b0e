"""Callers who wait for a slot take turns by owner."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt_image_mcp.openai_api.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Sequence


class Callers:
    """Callers who each hold a slot until they are told to let it go."""

    def __init__(self, slots: int) -> None:
        self.turns = Turns(slots)
        self.began: list[str] = []
        self._ends: dict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def call(self, *names: str) -> None:
        """Callers come, each named after its owner and a number, such as ``ann 1``."""
        for name in names:
            self.tasks[name] = asyncio.create_task(self._hold(name))
        await self.settle()

    async def end(self, *names: str) -> None:
        """Callers let their slots go."""
        for name in names:
            self._ends[name].set()
            await self.settle()

    async def settle(self) -> None:
        """Lets everybody go on who can."""
        for _ in range(5):
            await asyncio.sleep(0)

    async def _hold(self, name: str) -> None:
        async with self.turns.slot(name.split(maxsplit=1)[0]):
            self.began.append(name)
            await self._ends[name].wait()


async def test_owners_take_turns_however_many_calls_one_of_them_has_waiting() -> None:
    callers = Callers(1)
    await callers.call(*(f"ann {number}" for number in range(5)), "bob 1", "eve 1", "bob 2")
    await callers.end("ann 0", "ann 1", "bob 1", "eve 1", "ann 2", "bob 2", "ann 3", "ann 4")
    assert callers.began == ["ann 0", "ann 1", "bob 1", "eve 1", "ann 2", "bob 2", "ann 3", "ann 4"]


async def test_a_colleague_waits_for_one_call_of_a_large_batch_and_not_for_all() -> None:
    callers = Callers(8)
    batch = [f"ann {number}" for number in range(100)]
    await callers.call(*batch)
    assert callers.began == batch[:8]
    await callers.call("bob 1")
    await callers.end(batch[3])
    await callers.end(batch[5])
    assert "bob 1" in callers.began
    for task in callers.tasks.values():
        task.cancel()


async def test_a_caller_who_comes_while_a_slot_is_free_does_not_wait() -> None:
    callers = Callers(2)
    await callers.call("ann 1", "ann 2")
    await callers.end("ann 1")
    await callers.call("bob 1")
    assert callers.began == ["ann 1", "ann 2", "bob 1"]


async def test_a_caller_who_gives_up_while_waiting_leaves_no_gap() -> None:
    callers = Callers(1)
    await callers.call("ann 0", "ann 1", "ann 2", "bob 1")
    callers.tasks["ann 1"].cancel()
    await callers.end("ann 0", "ann 2", "bob 1")
    await callers.call("eve 1")
    assert callers.began == ["ann 0", "ann 2", "bob 1", "eve 1"]
    with pytest.raises(asyncio.CancelledError):
        await callers.tasks["ann 1"]


async def test_a_caller_who_gives_up_in_the_moment_of_its_turn_passes_it_on() -> None:
    turns = Turns(1)
    first = turns.slot("ann")
    await first.__aenter__()
    callers = Callers(1)
    callers.turns = turns
    await callers.call("bob 1", "eve 1")
    await first.__aexit__(None, None, None)  # bob's turn, which he has not noticed yet
    callers.tasks["bob 1"].cancel()
    await callers.settle()
    assert callers.began == ["eve 1"]
    await callers.end("eve 1")
    await callers.call("ann 2")
    assert callers.began == ["eve 1", "ann 2"]


_EVENTS = st.lists(
    st.tuples(st.sampled_from(["ann", "bob", "eve"]), st.sampled_from(["call", "end", "cancel"])), max_size=40
)


@given(slots=st.integers(1, 3), events=_EVENTS)
def test_no_slot_is_ever_lost_or_given_twice(slots: int, events: Sequence[tuple[str, str]]) -> None:
    asyncio.run(_play(slots, events))


async def _play(slots: int, events: Sequence[tuple[str, str]]) -> None:
    callers = Callers(slots)
    open_calls: list[str] = []
    for number, (owner, event) in enumerate(events):
        theirs = [name for name in open_calls if name.startswith(owner)]
        if event == "call":
            name = f"{owner} {number}"
            open_calls.append(name)
            await callers.call(name)
        elif theirs and event == "end" and theirs[0] in callers.began:
            open_calls.remove(theirs[0])
            await callers.end(theirs[0])
        elif theirs and event == "cancel":
            open_calls.remove(theirs[-1])
            callers.tasks[theirs[-1]].cancel()
            await callers.settle()
        running = [name for name in open_calls if name in callers.began]
        assert len(running) == min(slots, len(open_calls))
    for task in callers.tasks.values():
        task.cancel()
    await asyncio.gather(*callers.tasks.values(), return_exceptions=True)


async def test_one_owner_alone_is_served_in_the_order_of_coming() -> None:
    callers = Callers(2)
    names = [f"ann {number}" for number in range(6)]
    await callers.call(*names)
    await callers.end(*names)
    assert callers.began == names
