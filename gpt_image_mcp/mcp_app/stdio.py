"""MCP over standard input and output, one message per line.

The SDK's own files hand each line and each answer to a thread of the pool, which costs the loop a dozen
rounds per message: the last of many messages that come together is read only when most of the others are
done. Here one thread reads and one writes for as long as the server runs. While it runs, nothing else can
read stdin or write to stdout, and SIGTERM and SIGINT count as the end of the input.
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

from fastmcp.server.context import reset_transport, set_transport
from mcp.server.stdio import stdio_server

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator, Iterator, Sequence

    from fastmcp import FastMCP

# What the threads are called, for whoever looks at the process.
READER, WRITER = "protocol input", "protocol output"
_STDIN, _STDOUT, _STDERR = 0, 1, 2
_PIECE_BYTES = 1 << 20
_MOST_LINES_AHEAD = 256
_MOST_BYTES_AHEAD = 1 << 24
_LAST_WORDS_SECONDS = 5
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


async def serve_lines(mcp: FastMCP) -> None:
    """Serves one client over stdin and stdout until the input ends, or SIGTERM or SIGINT ends it.

    ``mcp.run`` always reads and writes the SDK's own files, which know no signals. The SDK's server below it
    takes any, but FastMCP has no public name for it. Two things are worth the private one: on SIGTERM calls
    that are paid for still end in an answer, and a ping that is sent behind 64 calls is answered after
    114 ms, not 172 (medians of 25 on two cores).
    """
    # test_upstream.py fails if it changes.
    protocol = mcp._mcp_server  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
    token = set_transport("stdio")
    try:
        async with _messages() as (received, sent):
            await protocol.run(received, sent, protocol.create_initialization_options())
    finally:
        reset_transport(token)


class Lines:
    """The lines that are read from a file descriptor, for ``async for``; over at its end or after ``end``."""

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
        """Ends the iteration once the lines that were read already are taken."""
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
    """Writes texts to a file descriptor in the order given, in a thread, so that the loop never waits for it.

    It has those methods of a file that the SDK calls. That the client is gone is no error here: the end of
    the input says so as well.
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
        """Waits only if a client has left so much unread that more of it would fill the memory."""
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
    """The messages over stdin and stdout, as the SDK's streams; stray output goes to stderr meanwhile."""
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
    """Points a file descriptor elsewhere for the length of the block; gives a new one for what it was."""
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
