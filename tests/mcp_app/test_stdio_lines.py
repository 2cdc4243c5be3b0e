"""Messages over real pipes: whole, in order, never in the way of the loop."""

from __future__ import annotations

import asyncio
import os
import threading
from typing import TYPE_CHECKING

import pytest
from anyio import EndOfStream
from mcp.shared.message import SessionMessage
from mcp.types import JSONRPCNotification, JSONRPCRequest

from gpt_image_mcp.mcp_app.stdio import READER, Client
from tests.mcp_app.raw_client import ping

if TYPE_CHECKING:
    from collections.abc import Iterator

WITHIN_SECONDS = 20


class Pipes:
    """A pipe to the server and one from it, whose ends are closed once, by the test or after it."""

    def __init__(self) -> None:
        self.source, self.to_server = os.pipe()
        self.from_server, self.target = os.pipe()
        self._open = {self.source, self.to_server, self.from_server, self.target}

    def client(self) -> Client:
        """The server's view of who is at the other ends."""
        return Client(self.source, self.target)

    def close(self, end: int) -> None:
        """Closes an end, unless it is closed already."""
        if end in self._open:
            self._open.remove(end)
            os.close(end)


@pytest.fixture
def pipes() -> Iterator[Pipes]:
    """Whoever reads has ended before the numbers are given to other files."""
    made = Pipes()
    yield made
    made.close(made.to_server)
    for thread in threading.enumerate():
        if thread.name == READER:
            thread.join(WITHIN_SECONDS)
            assert not thread.is_alive()
    for end in (made.source, made.from_server, made.target):
        made.close(end)


async def _next(client: Client) -> int | str:
    async with asyncio.timeout(WITHIN_SECONDS):
        message = (await client.receive()).message
    assert isinstance(message, JSONRPCRequest)
    return message.id


async def _has_ended(client: Client) -> bool:
    with pytest.raises(EndOfStream):
        await _next(client)
    return True


def _message(text: str) -> SessionMessage:
    return SessionMessage(JSONRPCNotification(jsonrpc="2.0", method=text))


async def test_messages_come_whole_and_in_order_however_they_are_cut(pipes: Pipes) -> None:
    client = pipes.client()
    sent = "".join(f"{ping(name)}\n" for name in ("one", "two é", "three")) + ping("four")
    for piece in (sent[:70], sent[70:75], sent[75:130], sent[130:]):
        os.write(pipes.to_server, piece.encode())
    assert [await _next(client) for _ in range(3)] == ["one", "two é", "three"]
    pipes.close(pipes.to_server)
    assert await _next(client) == "four"
    assert await _has_ended(client)
    assert await _has_ended(client)


async def test_a_line_longer_than_the_pipe_comes_whole(pipes: Pipes) -> None:
    client = pipes.client()
    long = "x" * 3_000_000
    data = f"{ping(long)}\n{ping('next')}\n".encode()
    writing = asyncio.create_task(asyncio.to_thread(_write_all, pipes.to_server, data))
    assert await _next(client) == long
    assert await _next(client) == "next"
    await writing


async def test_more_lines_than_are_read_ahead_all_come(pipes: Pipes) -> None:
    client = pipes.client()
    data = "".join(f"{ping(number)}\n" for number in range(5000)).encode()
    writing = asyncio.create_task(asyncio.to_thread(_write_all, pipes.to_server, data))
    assert [await _next(client) for _ in range(5000)] == list(range(5000))
    await writing


async def test_ending_gives_what_is_there_and_no_more(pipes: Pipes) -> None:
    client = pipes.client()
    os.write(pipes.to_server, f"{ping(1)}\n{ping(2)}\n".encode())
    assert [await _next(client), await _next(client)] == [1, 2]
    client.end()
    os.write(pipes.to_server, f"{ping('too late')}\n".encode())
    assert await _has_ended(client)


async def test_ending_wakes_who_waits(pipes: Pipes) -> None:
    client = pipes.client()
    waiting = asyncio.create_task(_has_ended(client))
    await asyncio.sleep(0)
    client.end()
    assert await waiting


async def test_messages_go_out_in_order_and_before_the_end(pipes: Pipes) -> None:
    client = pipes.client()
    for number in range(100):
        await client.send(_message(str(number)))
    assert client.writer.close()
    sent = os.read(pipes.from_server, 1 << 16).decode().splitlines()
    assert sent == [f'{{"jsonrpc":"2.0","method":"{number}"}}' for number in range(100)]


async def test_what_is_sent_is_ascii_whatever_it_holds(pipes: Pipes) -> None:
    client = pipes.client()
    await client.send(_message("é\u2028\u2029\x85😀"))
    await client.send(_message("a name that is not UTF-8: \udce9 é"))
    assert client.writer.close()
    whole, replaced = os.read(pipes.from_server, 1 << 16).splitlines()
    assert rb'"\u00e9\u2028\u2029\u0085\ud83d\ude00"' in whole
    assert rb'"a name that is not UTF-8: \ufffd \u00e9"' in replaced


async def test_a_slow_reader_holds_up_who_sends_and_nothing_else(pipes: Pipes) -> None:
    client = pipes.client()
    sending = asyncio.create_task(client.send(_message("x" * (20 << 20))))
    await asyncio.wait({sending}, timeout=0.05)
    assert not sending.done()
    reading = asyncio.create_task(asyncio.to_thread(_read_bytes, pipes.from_server, 20 << 20))
    await asyncio.wait_for(sending, WITHIN_SECONDS)
    assert await reading >= 20 << 20


async def test_who_sends_to_a_client_that_never_reads_is_freed_at_the_end(pipes: Pipes) -> None:
    client = pipes.client()
    sending = asyncio.create_task(client.send(_message("x" * (20 << 20))))
    await asyncio.wait({sending}, timeout=0.05)
    assert not sending.done()
    client.end()
    await asyncio.wait_for(sending, WITHIN_SECONDS)


async def test_a_client_that_is_gone_has_ended(pipes: Pipes) -> None:
    client = pipes.client()
    pipes.close(pipes.from_server)
    for _ in range(3):
        await asyncio.wait_for(client.send(_message("x" * (9 << 20))), WITHIN_SECONDS)
    assert await _has_ended(client)
    assert not client.writer.close()


def _write_all(target: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(target, rest) :]


def _read_bytes(source: int, count: int) -> int:
    read = 0
    while read < count:
        read += len(os.read(source, 1 << 20))
    return read
