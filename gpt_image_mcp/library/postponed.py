"""Writes of what was paid for that failed, as they do while the database is away: they are tried again."""

from __future__ import annotations

import logging
import threading
from time import monotonic
from typing import TYPE_CHECKING

from gpt_image_mcp.errors import StorageFailed

if TYPE_CHECKING:
    from collections.abc import Callable

_TRIES_EVERY_SECONDS = 2
_GIVES_UP_AFTER_SECONDS = 3600
_LAST_TRY_SECONDS = 1
_log = logging.getLogger(__name__)


class Postponed:
    """The writes that are still to be done. A thread tries them now and then, each for an hour."""

    def __init__(self) -> None:
        self._writes: list[tuple[Callable[[], object], float]] = []
        self._changing = threading.Lock()
        self._worker: threading.Thread | None = None
        self._stop = threading.Event()

    def add(self, write: Callable[[], object], failure: StorageFailed) -> None:
        """Has a write done later that failed now. To do it twice must have the effect of doing it once."""
        _log.warning("what was paid for could not be written down, and is tried again: %s", failure.message)
        with self._changing:
            self._writes.append((write, monotonic() + _GIVES_UP_AFTER_SECONDS))
            if self._worker is None:
                self._stop = threading.Event()
                given = (self._writes, self._stop)
                self._worker = threading.Thread(target=self._work, args=given, daemon=True)
                self._worker.start()

    def close(self) -> None:
        """Has all that is still to be done tried once more, for a moment; what fails then is dropped."""
        with self._changing:
            worker, self._worker, self._writes = self._worker, None, []
            self._stop.set()
        if worker is not None:
            worker.join(_LAST_TRY_SECONDS)

    def _work(self, writes: list[tuple[Callable[[], object], float]], stop: threading.Event) -> None:
        is_last = False
        while not is_last:
            is_last = stop.wait(_TRIES_EVERY_SECONDS)
            for entry in tuple(writes):
                if _is_over(*entry):
                    writes.remove(entry)
            with self._changing:
                if not writes and not stop.is_set():
                    self._worker = None
                    return


def _is_over(write: Callable[[], object], gives_up_at: float) -> bool:
    """Tries a write; whether it was done, or tried for long enough."""
    try:
        write()
    except (StorageFailed, ValueError) as error:  # or a text that no database takes
        if isinstance(error, StorageFailed) and monotonic() < gives_up_at:
            return False
        _log.warning("what was paid for is given up: %s", error)
        return True
    _log.warning("what was paid for is written down now")
    return True
