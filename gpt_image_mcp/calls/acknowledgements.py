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

_held: ContextVar[list[Callable[..., None]] | None] = ContextVar("held", default=None)


@contextmanager
def held_back() -> Generator[None]:
    """Acknowledges the results inside the block when it ends; if it fails, the same call is given them."""
    held: list[Callable[..., None]] = []
    token = _held.set(held)
    is_received = False
    try:
        yield
        is_received = True
    finally:
        _held.reset(token)
        for write in held:
            write(is_received=is_received)


class Acknowledgements:
    """The notes of one process. Nobody waits until they are written, but for the next search among them."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._writing: set[asyncio.Task[None]] = set()

    def note(self, call_id: str) -> None:
        """Notes that the result of a call was received."""
        held = _held.get()
        if held is None:
            self._begin_to_write(call_id, is_received=True)
        else:
            held.append(partial(self._begin_to_write, call_id))

    async def written(self) -> None:
        """Waits until the notes made so far are written."""
        if self._writing:
            await asyncio.wait(self._writing)

    def _begin_to_write(self, call_id: str, *, is_received: bool) -> None:
        task = asyncio.create_task(self._write(call_id, is_received=is_received))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def _write(self, call_id: str, *, is_received: bool) -> None:
        """Without the note, the same call is made anew for as long as this process runs."""
        write = self._ledger.acknowledge if is_received else self._ledger.let_join
        with contextlib.suppress(StorageFailed):
            await in_database(write, call_id)
