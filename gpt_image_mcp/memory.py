"""One budget of memory for the pictures of all calls of this process together."""

from __future__ import annotations

import threading
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING

from gpt_image_mcp.pillow_errors import Oversized
from gpt_image_mcp.steps import step

if TYPE_CHECKING:
    from collections.abc import Generator

BYTES_PER_MB = 1_000_000
# Of decoding a picture and drawing on it, with the copies between: 14 to 20 as measured, for WebP and CMYK
# the most; and of what is made of it. So a phone's 48 megapixels fit into the default budget.
BYTES_PER_PIXEL = 20


class MemoryBudget:
    """Memory that is given out in turn, so that no large picture waits for ever."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self._used_bytes = 0
        self._queue: deque[object] = deque()
        self._changed = threading.Condition()
        self._mine = threading.local()

    @contextmanager
    def reserved(self, needed_bytes: int) -> Generator[None]:
        """Room for the time of a block. Waits, except in a thread that has room: others may wait for it.

        Raises:
            Oversized: If it is more than the whole budget.
        """
        if getattr(self._mine, "has_room", False):
            yield
            return
        if needed_bytes > self.limit_bytes:
            needed, allowed = (f"{value // BYTES_PER_MB:,}" for value in (needed_bytes, self.limit_bytes))
            message = f"it would take {needed} MB of memory; GPT_IMAGE_MEMORY_MB allows {allowed}"
            raise Oversized(message)
        turn = object()
        with self._changed:
            self._queue.append(turn)
            self._changed.wait_for(
                lambda: self._queue[0] is turn and self._used_bytes + needed_bytes <= self.limit_bytes
            )
            self._queue.popleft()
            self._used_bytes += needed_bytes
            self._changed.notify_all()
        self._mine.has_room = True
        try:
            step()  # the call may have been cancelled while this waited
            yield
        finally:
            self._mine.has_room = False
            with self._changed:
                self._used_bytes -= needed_bytes
                self._changed.notify_all()


MEMORY = MemoryBudget(1024 * BYTES_PER_MB)
