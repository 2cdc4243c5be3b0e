"""The standard streams of a server: stdin and stdout for the protocol alone, a stderr that nobody waits for.

Nothing heavy is imported here, so that this holds before anything is imported that might print.
"""

from __future__ import annotations

import faulthandler
import os
import queue
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

_STDIN, _STDOUT, _STDERR = 0, 1, 2
_MOST_LINES_UNREAD = 1000
_LAST_WORDS_SECONDS = 2


class QueuedWriter:
    """Writes to a file descriptor in the order given, in a thread, so that nobody else waits for it.

    Args:
        target: The file descriptor.
        on_gone: Called in the thread when nobody reads any more; what comes after that is dropped.
    """

    def __init__(self, target: int, on_gone: Callable[[], object] = lambda: None) -> None:
        self.waiting: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self.written_bytes = 0
        self.is_gone = False
        self._target = target
        self._on_gone = on_gone
        self._thread = threading.Thread(target=self._write, daemon=True)
        self._thread.start()

    def close(self) -> bool:
        """Lets what waits go out, for a short time; whether somebody read all of it."""
        self.waiting.put(b"")
        self._thread.join(_LAST_WORDS_SECONDS)
        return not self._thread.is_alive() and not self.is_gone

    def _write(self) -> None:
        while data := self.waiting.get():
            rest = memoryview(b"" if self.is_gone else data)
            try:
                while rest:
                    rest = rest[os.write(self._target, rest) :]
            except OSError:
                self.is_gone = True
                self._on_gone()
            self.written_bytes += len(data)


@contextmanager
def protocol_streams() -> Generator[tuple[int, int]]:
    """What stdin and stdout were, as new descriptors, which nothing else reads or writes from then on.

    Inside the block whoever reads stdin finds its end, and what anything prints goes to stderr.
    """
    with unwaited_stderr():
        streams = os.dup(_STDIN), os.dup(_STDOUT)
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(nothing, _STDIN)
        os.dup2(_STDERR, _STDOUT)
        sys.stdout = sys.stderr
        try:
            yield streams
        finally:
            os.dup2(nothing, _STDOUT)


@contextmanager
def unwaited_stderr() -> Generator[None]:
    """Inside the block nobody who writes to stderr waits: lines are dropped that nobody reads.

    A standard stream that was closed from the start is empty from then on, and cannot be written.
    """
    for descriptor in (_STDIN, _STDOUT, _STDERR):
        try:
            os.fstat(descriptor)
        except OSError:
            # Else the next file that is opened, such as the database, would get the number and the prints.
            os.open(os.devnull, os.O_RDONLY)
    before, private = sys.stderr, os.dup(_STDERR)
    source, target = os.pipe()
    os.dup2(target, _STDERR)
    os.close(target)
    # Python has none if stderr was closed, and print() would then take stdout.
    sys.stderr = open(_STDERR, "w", 1, "utf-8", "backslashreplace", closefd=False)  # noqa: SIM115
    if faulthandler.is_enabled():
        faulthandler.enable(private)  # no thread runs any more when it writes
    writer = QueuedWriter(private)
    relay = threading.Thread(target=_relay, args=(source, writer), daemon=True)
    relay.start()
    try:
        yield
    finally:
        sys.stderr = before or sys.stderr
        os.dup2(private, _STDERR)
        relay.join(_LAST_WORDS_SECONDS)
        if not writer.close():
            # Python itself may have something to say at its end, and would wait.
            os.dup2(os.open(os.devnull, os.O_WRONLY), _STDERR)


def _relay(source: int, writer: QueuedWriter) -> None:
    with open(source, "rb") as lines:
        for line in lines:
            if writer.waiting.qsize() < _MOST_LINES_UNREAD:
                writer.waiting.put(line)
