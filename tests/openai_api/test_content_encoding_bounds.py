"""Bodies that unpack to far more than came: in small pieces, and only so much of them."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from time import monotonic
from typing import TYPE_CHECKING

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt_image_mcp.openai_api.content_encoding import (
    MOST_BYTES,
    MOST_BYTES_OF_WORDS,
    MOST_LINES,
    UnpackedStream,
)
from gpt_image_mcp.openai_api.http_client import HttpClient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence


class Pieces(httpx2.AsyncByteStream):
    """A body in pieces."""

    def __init__(self, pieces: Sequence[bytes]) -> None:
        self._pieces = pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece


async def _unpacked(pieces: Sequence[bytes]) -> list[bytes]:
    return [piece async for piece in UnpackedStream(Pieces(pieces))]


def _twice(data: bytes) -> bytes:
    return gzip.compress(data) * 2


@given(
    data=st.binary(max_size=3000).map(lambda some: some * 700),
    size=st.integers(1, 5000),
    pack=st.sampled_from([gzip.compress, zlib.compress, _twice]),
)
async def test_whatever_is_packed_comes_out_whole_in_small_pieces(
    data: bytes, size: int, pack: Callable[[bytes], bytes]
) -> None:
    packed = pack(data)
    pieces = await _unpacked([packed[start : start + size] for start in range(0, len(packed), size)])
    assert b"".join(pieces) in (data, data * 2)
    assert max(map(len, pieces)) <= 1_000_000


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
async def test_others_have_their_turn_between_the_pieces_of_an_answer(pack: Callable[[bytes], bytes]) -> None:
    packed = pack(bytes(range(256)) * 8)
    reading = asyncio.create_task(_unpacked([packed[at : at + 1] for at in range(len(packed))]))
    turns = 0
    while not reading.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns >= len(packed)


@pytest.mark.parametrize("times", [10, 1000])
async def test_an_answer_without_an_end_is_cut(times: int) -> None:
    member = gzip.compress(bytes(1_000_000))
    total = sum(map(len, await _unpacked([member] * times)))
    assert total == min(times * 1_000_000, MOST_BYTES)


@pytest.mark.parametrize("line", [b"\n", b"\r", b"\r\n", b": x\n", b"data:\n", b"event: x\n\n"])
async def test_an_answer_of_very_many_lines_is_cut(line: bytes) -> None:
    piece = line * 10_000
    read = b"".join(await _unpacked([piece] * 200))
    assert max(map(read.count, (b"\n", b"\r"))) == MOST_LINES
    assert read.startswith(piece)


@pytest.mark.parametrize("status", [400, 500])
async def test_an_error_without_an_end_is_read_only_so_far(status: int) -> None:
    sent = gzip.compress(b'{"error": {"message": "' + b"x" * 50_000_000 + b'"}}')
    transport = httpx2.MockTransport(lambda _request: httpx2.Response(status, stream=Pieces([sent])))
    async with _client(transport) as client:
        answer = await client.post("https://api.test/v1/images/generations", json={})
    assert len(answer.content) == MOST_BYTES_OF_WORDS


async def test_only_an_answer_that_may_hold_pictures_may_be_large() -> None:
    sent = gzip.compress(bytes(MOST_BYTES_OF_WORDS * 2))
    transport = httpx2.MockTransport(lambda _request: httpx2.Response(200, stream=Pieces([sent])))
    async with _client(transport) as client:
        sizes = {
            path: len((await client.post(f"https://api.test/v1/{path}", json={})).content)
            for path in ("images/generations", "images/edits", "responses", "files")
        }
        listed = await client.get("https://api.test/v1/models")
    assert sizes.pop("files") == len(listed.content) == MOST_BYTES_OF_WORDS
    assert set(sizes.values()) == {MOST_BYTES_OF_WORDS * 2}


def _client(transport: httpx2.MockTransport) -> HttpClient:
    return HttpClient(
        clock=monotonic, transport=transport, timeout=httpx2.Timeout(10), limits=httpx2.Limits()
    )
