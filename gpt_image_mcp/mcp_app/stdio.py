"""MCP over standard input and output, one message per line.

The SDK's own transport hands each line and each answer to a thread of the pool, which costs the loop a dozen
rounds per message: the last of many messages that come together is read only when most of the others are
done. Here one thread reads and one writes for as long as the server runs, and every line is answered that a
client may wait for. Signals to end count as the end of the input, and so does a client that is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import select
import signal
import sys
import threading
from collections import deque
from functools import partial
from typing import TYPE_CHECKING

from anyio import EndOfStream
from anyio.abc import ObjectStream
from fastmcp.server.context import reset_transport, set_transport
from mcp.shared.message import ServerMessageMetadata, SessionMessage
from mcp.types import JSONRPCError, JSONRPCRequest, JSONRPCResponse
from pydantic_core import PydanticSerializationError

from gpt_image_mcp.coercion import whole_characters
from gpt_image_mcp.mcp_app.jsonrpc import BATCHES_IN, Line, read_line
from gpt_image_mcp.mcp_app.standard_streams import QueuedWriter
from gpt_image_mcp.signals import Ending, ending_signals

if TYPE_CHECKING:
    from fastmcp import FastMCP
    from mcp.types import JSONRPCMessage, RequestId

# What the thread is called, for whoever looks at the process.
READER = "protocol input"
_BUFFER_BYTES = 1 << 20
_MOST_LINES_AHEAD = 256
_MOST_BYTES_AHEAD = 1 << 24
_SECONDS_BETWEEN_LOOKS, _SECONDS_BETWEEN_KNOCKS = 0.02, 1.0


async def serve_lines(mcp: FastMCP, streams: tuple[int, int], on_end: partial[None]) -> None:
    """Serves one client over two file descriptors until it leaves, or a signal ends the server.

    ``mcp.run`` always reads and writes the SDK's own files, which know no signals. The SDK's server below it
    takes any, but FastMCP has no public name for it. Two things are worth the private one: on SIGTERM calls
    that are paid for still end in an answer, and a ping that is sent behind 64 calls is answered after
    114 ms, not 172 (medians of 25 on two cores).
    """
    # test_upstream.py fails if it changes.
    protocol = mcp._mcp_server  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
    token = set_transport("stdio")
    client = Client(*streams, on_end)
    _end_on_signals(client)
    try:
        await protocol.run(client, client, protocol.create_initialization_options())
    finally:
        reset_transport(token)
        await asyncio.to_thread(client.writer.close)


class Client(ObjectStream[SessionMessage]):
    """A client, as the stream that the SDK takes: its messages to us, and ours to it, one a line.

    A thread waits for its input and another for it to read. What is no message is answered here. Bytes that
    are not UTF-8 are replaced. ``on_end`` is called when the input ends.
    """

    def __init__(self, source: int, target: int, on_end: partial[None] | None = None) -> None:
        self._on_end = on_end
        self.writer = QueuedWriter(target, self._end_from_thread)
        self._loop = asyncio.get_running_loop()
        self._lines: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._room = threading.Semaphore(_MOST_LINES_AHEAD)
        self._messages: deque[SessionMessage] = deque()
        self._batches: dict[RequestId | None, list[str]] = {}
        self._takes_batches = self._is_over = False
        self._queued_bytes = 0
        # Nothing can wake a thread that waits for input, so the process must not wait for this one.
        threading.Thread(target=self._read, args=(source,), name=READER, daemon=True).start()

    def end(self) -> None:
        """Ends the input, after the lines that were read already."""
        self._tell_of_end()
        self._is_over = True
        self._lines.put_nowait(None)

    def _tell_of_end(self) -> None:
        on_end, self._on_end = self._on_end, None
        if on_end:
            on_end()

    async def receive(self) -> SessionMessage:
        """The next message.

        Raises:
            EndOfStream: If the input has ended.
        """
        while not self._messages:
            if (line := await self._lines.get()) is None:
                self.end()  # the SDK asks again
                raise EndOfStream
            self._room.release()
            await self._take(read_line(line.decode(errors="replace"), takes_batches=self._takes_batches))
        return self._messages.popleft()

    async def send(self, item: SessionMessage) -> None:
        """Sends a message, or keeps an answer back until its whole batch is answered."""
        message = item.message
        answered = message.id if isinstance(message, JSONRPCResponse | JSONRPCError) else None
        await self._settle(answered, _json(message))

    async def send_eof(self) -> None:
        """Does nothing: ``writer.close`` comes when all has been sent."""

    async def aclose(self) -> None:
        """Does nothing: the SDK closes its two streams one after the other."""

    async def _take(self, line: Line) -> None:
        requests = [message for message in line.messages if isinstance(message, JSONRPCRequest)]
        for request in requests:
            if request.method == "initialize":
                # What the SDK agrees to is what was asked for, if it knows that.
                self._takes_batches = (request.params or {}).get("protocolVersion") == BATCHES_IN
        if line.is_batch:
            answers = list(line.errors)
            self._batches.update({request.id: answers for request in requests})
            await self._write_whole(answers)
        else:
            await self._write(*line.errors)
        for message in line.messages:
            settle = partial(self._settle, getattr(message, "id", None))
            self._messages.append(
                SessionMessage(message, ServerMessageMetadata(on_request_unanswered=settle))
            )

    async def _settle(self, request: RequestId | None, *answer: str) -> None:
        """Sends the answer to a request, if it has one; of a batch all that were given, with the last."""
        answers = self._batches.pop(request, None)
        if answers is None:
            await self._write(*answer)
        else:
            answers.extend(answer)
            await self._write_whole(answers)

    async def _write_whole(self, answers: list[str]) -> None:
        if answers and not any(others is answers for others in self._batches.values()):
            await self._write(f"[{','.join(answers)}]")

    async def _write(self, *texts: str) -> None:
        """Queues lines; waits only if a client leaves so much unread that more would fill the memory."""
        for text in texts:
            data = f"{text}\n".encode()
            self._queued_bytes += len(data)
            self.writer.waiting.put(data)
        while self._is_unread and not self._is_over:  # noqa: ASYNC110 - an event would have to be set for every line
            await asyncio.sleep(_SECONDS_BETWEEN_LOOKS)

    @property
    def _is_unread(self) -> bool:
        """Whether the client leaves so much unread that no more is written."""
        return self._queued_bytes - self.writer.written_bytes > _MOST_BYTES_AHEAD

    def _read(self, source: int) -> None:
        with (
            contextlib.suppress(OSError, RuntimeError),  # of a loop that is closed
            open(source, "rb", _BUFFER_BYTES, closefd=False) as file,
        ):
            for line in file:
                if not self._finds_room(source):
                    break
                self._loop.call_soon_threadsafe(self._lines.put_nowait, line)
        self._end_from_thread()

    def _finds_room(self, source: int) -> bool:
        """Waits for room for a line; false if the input ends behind it and nobody reads the answers."""
        while not self._room.acquire(timeout=_SECONDS_BETWEEN_KNOCKS):
            if self._is_unread and _has_hung_up(source):
                return False
        return True

    def _end_from_thread(self) -> None:
        self._tell_of_end()  # also if the loop is stuck
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self.end)


def _has_hung_up(source: int) -> bool:
    """Whether nobody can write any more, though there may be lines to read; on Windows that is not known."""
    if sys.platform == "win32":
        return False
    looking = select.poll()
    looking.register(source, 0)
    return any(happened & select.POLLHUP for _, happened in looking.poll(0))


def _json(message: JSONRPCMessage) -> str:
    """A message as ASCII, which no client reads in another encoding or breaks at a separator of lines."""
    try:
        return message.model_dump_json(by_alias=True, exclude_unset=True, ensure_ascii=True)
    except PydanticSerializationError:  # half a character, as in the name of a file that is not UTF-8
        parts = message.model_dump(by_alias=True, exclude_unset=True)
        return json.dumps(json.loads(whole_characters(json.dumps(parts, ensure_ascii=False))))


def _end_on_signals(client: Client) -> None:
    """Takes a signal to end for the end of the input, after which requests that were sent still finish.

    Whoever insists stops the server at once. Windows has no such signals for processes without a console.
    """
    if sys.platform == "win32" or threading.current_thread() is not threading.main_thread():
        return
    ending = Ending(client.end, _die)
    for number in ending_signals():
        asyncio.get_running_loop().add_signal_handler(number, ending, number)


def _die() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.raise_signal(signal.SIGINT)
