"""Standard input and output for the protocol, a line a message.

The SDK's own files read each line and write each answer in a thread of the pool, and the loop takes a dozen
rounds for it; the last of many messages that come together would be read only after most of the others were
worked on. Here one thread reads and one writes for as long as the server runs.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import signal
import sys
import threading
from collections import deque
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, cast

from fastmcp import FastMCP
from fastmcp.server.context import reset_transport, set_transport
from fastmcp.utilities.logging import temporary_log_level
from mcp.server.stdio import stdio_server

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator, Iterator, Sequence

# The names of the threads.
READER, WRITER = "protocol input", "protocol output"
_STDIN, _STDOUT, _STDERR = 0, 1, 2
_PIECE_BYTES = 1 << 20
_MOST_LINES_AHEAD = 256
_MOST_BYTES_AHEAD = 1 << 24
_LAST_WORDS_SECONDS = 5
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StdioServer(FastMCP):
    """FastMCP, served over stdio by the threads of this module."""

    # The parameters are FastMCP's.
    async def run_stdio_async(
        self,
        show_banner: bool = False,  # noqa: FBT001, FBT002
        log_level: str | None = None,
        stateless: bool = False,  # noqa: FBT001, FBT002
    ) -> None:
        """Serves until the input ends, or SIGTERM or SIGINT ends it.

        Args:
            show_banner: Has no effect: a client would see it as an error.
            log_level: For as long as it serves.
            stateless: Has no effect on one client.
        """
        del show_banner, stateless
        token = set_transport("stdio")
        try:
            with temporary_log_level(log_level):
                async with self._lifespan_manager(), _messages() as (received, sent):
                    options = self._mcp_server.create_initialization_options()
                    await self._mcp_server.run(received, sent, options)
        finally:
            reset_transport(token)


class Lines:
    """The lines that come from a file descriptor, for ``async for``, until it ends or ``end`` is called."""

    def __init__(self, source: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[str] = deque()
        self._has_news = asyncio.Event()
        self._room = threading.Semaphore(_MOST_LINES_AHEAD)
        self._is_over = False
        # Nothing can wake a thread that waits for input, so the process must not wait for this one.
        reader = threading.Thread(target=self._read, args=(source,), name=READER, daemon=True)
        reader.start()

    def end(self) -> None:
        """Ends the lines after those that are there already."""
        self._is_over = True
        self._has_news.set()

    def __aiter__(self) -> Lines:
        return self

    async def __anext__(self) -> str:
        while not self._waiting:
            if self._is_over:
                raise StopAsyncIteration
            self._has_news.clear()
            await self._has_news.wait()
        self._room.release()
        return self._waiting.popleft()

    def _read(self, source: int) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody wants the rest
            for lines in _read_lines(source):
                self._loop.call_soon_threadsafe(self._arrive, lines)
                for _ in lines:
                    self._room.acquire()
            self._loop.call_soon_threadsafe(self.end)

    def _arrive(self, lines: Sequence[str]) -> None:
        self._waiting.extend(lines)
        self._has_news.set()


class Sender:
    """Writes texts to a file descriptor in their order, without keeping the loop.

    It has the methods of a file that the SDK uses. A client that is gone is not an error: the end of the
    input tells it too.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._waiting: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._queued_bytes = self._done_bytes = 0
        self._progress = threading.Condition()
        self._is_gone = False
        self._thread = threading.Thread(target=self._write, name=WRITER, daemon=True)
        self._thread.start()

    async def write(self, text: str) -> None:
        """Queues a text."""
        if data := text.encode(errors="replace"):
            self._queued_bytes += len(data)
            self._waiting.put(data)

    async def flush(self) -> None:
        """Waits only where a client reads much more slowly than it asks."""
        if self._queued_bytes - self._done_bytes > _MOST_BYTES_AHEAD:
            await asyncio.to_thread(self._wait_for_room)

    async def close(self) -> None:
        """Lets what is queued go out, for a few seconds at most."""
        self._waiting.put(b"")
        await asyncio.to_thread(self._thread.join, _LAST_WORDS_SECONDS)

    def _wait_for_room(self) -> None:
        with self._progress:
            self._progress.wait_for(lambda: self._queued_bytes - self._done_bytes <= _MOST_BYTES_AHEAD)

    def _write(self) -> None:
        while data := self._waiting.get():
            if not self._is_gone:
                self._is_gone = not _write_whole(self._target, data)
            with self._progress:
                self._done_bytes += len(data)
                self._progress.notify_all()


@asynccontextmanager
async def _messages() -> AsyncGenerator[tuple[Any, Any]]:
    """The streams of messages that come and go over stdin and stdout, which nothing else can touch then."""
    with _diverted(_STDIN, os.open(os.devnull, os.O_RDONLY)) as source, _diverted(_STDOUT, _STDERR) as target:
        lines, sender = Lines(source), Sender(target)
        _end_on_signals(lines)
        try:
            async with stdio_server(cast("Any", lines), cast("Any", sender)) as streams:
                yield streams
        finally:
            await sender.close()


@contextmanager
def _diverted(descriptor: int, elsewhere: int) -> Generator[int]:
    """Points a file descriptor elsewhere; gives another for what it was."""
    private = os.dup(descriptor)
    os.dup2(elsewhere, descriptor)
    try:
        yield private
    finally:
        os.dup2(private, descriptor)


def _end_on_signals(lines: Lines) -> None:
    """Makes SIGTERM and SIGINT the end of the input, after which requests that were sent still finish.

    A second signal stops the server at once. Windows has no such signals for processes without a console.
    """
    if sys.platform == "win32" or threading.current_thread() is not threading.main_thread():
        return
    loop = asyncio.get_running_loop()

    def stop(number: int) -> None:
        loop.remove_signal_handler(number)
        signal.signal(number, signal.SIG_DFL)
        lines.end()

    for number in _SIGNALS:
        loop.add_signal_handler(number, stop, number)


def _read_lines(source: int) -> Iterator[list[str]]:
    """The lines that come together, until the end; bytes that are not UTF-8 are replaced."""
    parts: list[bytes] = []
    with contextlib.suppress(OSError):
        while piece := os.read(source, _PIECE_BYTES):
            head, newline, tail = piece.rpartition(b"\n")
            if newline:
                yield b"".join([*parts, head]).decode(errors="replace").split("\n")
                parts.clear()
            parts.append(tail)
    if rest := b"".join(parts):
        yield [rest.decode(errors="replace")]


def _write_whole(target: int, data: bytes) -> bool:
    """Writes all of it; False if nobody reads any more."""
    rest = memoryview(data)
    try:
        while rest:
            rest = rest[os.write(target, rest) :]
    except OSError:
        return False
    return True
