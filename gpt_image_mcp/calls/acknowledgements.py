"""Noting which results reached whoever asked for them: only those are made anew when asked for again.

For a program, a result is received when its call returns. A server holds the note back until the answer that
carries the result is built: a client may give up before that, and would pay again.
"""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING

from gpt_image_mcp.errors import StorageFailed
from gpt_image_mcp.threads import in_database

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from gpt_image_mcp.library.ledger import Ledger

_held: ContextVar[list[Callable[[], None]] | None] = ContextVar("held", default=None)


@contextmanager
def held_back() -> Generator[None]:
    """Acknowledges the results inside the block when the block ends, and none of them if it fails."""
    held: list[Callable[[], None]] = []
    token = _held.set(held)
    try:
        yield
    finally:
        _held.reset(token)
    for write in held:
        write()


class Acknowledgements:
    """The notes of one process. Nobody waits until they are written, but for the next search among them."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._writing: set[asyncio.Task[None]] = set()

    def note(self, call_id: str) -> None:
        """Notes that the result of a call was received."""
        write = partial(self._begin_to_write, call_id)
        held = _held.get()
        if held is None:
            write()
        else:
            held.append(write)

    async def written(self) -> None:
        """Waits until the notes made so far are written."""
        if self._writing:
            await asyncio.wait(self._writing)

    def _begin_to_write(self, call_id: str) -> None:
        task = asyncio.create_task(self._write(call_id))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def _write(self, call_id: str) -> None:
        """Without the note, the same call would be given the same result once more, which costs nothing."""
        with contextlib.suppress(StorageFailed):
            await in_database(self._ledger.acknowledge, call_id)
