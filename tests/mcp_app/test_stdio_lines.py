"""Lines over real pipes: whole, in order, never in the way of the loop."""

from __future__ import annotations

import asyncio
import os
import threading
from typing import TYPE_CHECKING

import pytest

from gpt_image_mcp.mcp_app.stdio import READER, Lines, Sender

if TYPE_CHECKING:
    from collections.abc import Iterator

WITHIN_SECONDS = 20


class Pipe:
    """A pipe whose ends are closed once, by the test or after it."""

    def __init__(self) -> None:
        self.source, self.target = os.pipe()
        self._open = {self.source, self.target}

    def close(self, end: int) -> None:
        """Closes an end, unless it is closed already."""
        if end in self._open:
            self._open.remove(end)
            os.close(end)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    """Whoever reads it has ended before the number of its source is given to another file."""
    made = Pipe()
    yield made
    made.close(made.target)
    for thread in threading.enumerate():
        if thread.name == READER:
            thread.join(WITHIN_SECONDS)
            assert not thread.is_alive()
    made.close(made.source)


async def _next(lines: Lines) -> str:
    return await asyncio.wait_for(anext(lines), WITHIN_SECONDS)


async def _rest(lines: Lines) -> list[str]:
    async with asyncio.timeout(WITHIN_SECONDS):
        return [line async for line in lines]


async def test_lines_come_whole_and_in_order_however_they_are_cut(pipe: Pipe) -> None:
    source, target = pipe.source, pipe.target
    lines = Lines(source)
    os.write(target, b"one\ntw")
    assert await _next(lines) == "one"
    os.write(target, "o é\n\nfo".encode())
    assert [await _next(lines), await _next(lines)] == ["two é", ""]
    os.write(target, b"ur")
    pipe.close(target)
    assert await _rest(lines) == ["four"]


async def test_a_line_longer_than_the_pipe_comes_whole(pipe: Pipe) -> None:
    source, target = pipe.source, pipe.target
    lines = Lines(source)
    long = "x" * 3_000_000
    writing = asyncio.create_task(asyncio.to_thread(_write_all, target, f"{long}\nnext\n".encode()))
    assert await _next(lines) == long
    assert await _next(lines) == "next"
    await writing


async def test_more_lines_than_are_read_ahead_all_come(pipe: Pipe) -> None:
    source, target = pipe.source, pipe.target
    lines = Lines(source)
    sent = [str(number) for number in range(5000)]
    writing = asyncio.create_task(asyncio.to_thread(_write_all, target, "\n".join([*sent, ""]).encode()))
    assert [await _next(lines) for _ in sent] == sent
    await writing


async def test_bytes_that_are_not_unicode_are_replaced(pipe: Pipe) -> None:
    source, target = pipe.source, pipe.target
    os.write(target, b"\xff\xfe{}\n")
    assert await _next(Lines(source)) == "\ufffd\ufffd{}"


async def test_ending_gives_what_is_there_and_no_more(pipe: Pipe) -> None:
    source, target = pipe.source, pipe.target
    lines = Lines(source)
    os.write(target, b"first\nsecond\n")
    assert await _next(lines) == "first"
    lines.end()
    os.write(target, b"too late\n")
    assert await _rest(lines) == ["second"]


async def test_ending_wakes_who_waits(pipe: Pipe) -> None:
    lines = Lines(pipe.source)
    waiting = asyncio.create_task(_rest(lines))
    await asyncio.sleep(0)
    lines.end()
    assert await waiting == []


async def test_texts_go_out_in_order_and_before_the_end(pipe: Pipe) -> None:
    source, target = pipe.source, pipe.target
    sender = Sender(target)
    for number in range(100):
        await sender.write(f"{number}\n")
        await sender.flush()
    await sender.close()
    assert os.read(source, 1 << 16).decode().split() == [str(number) for number in range(100)]


async def test_a_slow_reader_holds_up_its_sender_and_nothing_else(pipe: Pipe) -> None:
    source, target = pipe.source, pipe.target
    sender = Sender(target)
    await sender.write("x" * (20 << 20))
    flushing = asyncio.create_task(sender.flush())
    await asyncio.wait({flushing}, timeout=0.05)
    assert not flushing.done()
    reading = asyncio.create_task(asyncio.to_thread(_read_bytes, source, 20 << 20))
    await asyncio.wait_for(flushing, WITHIN_SECONDS)
    assert await reading == 20 << 20
    await sender.close()


async def test_a_client_that_is_gone_is_no_error(pipe: Pipe) -> None:
    source, target = pipe.source, pipe.target
    sender = Sender(target)
    pipe.close(source)
    for _ in range(3):
        await sender.write("x" * (9 << 20))
        await asyncio.wait_for(sender.flush(), WITHIN_SECONDS)
    await sender.close()


def _write_all(target: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(target, rest) :]


def _read_bytes(source: int, count: int) -> int:
    read = 0
    while read < count:
        read += len(os.read(source, 1 << 20))
    return read
