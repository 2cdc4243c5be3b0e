"""Bodies that unpack to far more than came: in small pieces, and only so much of them."""

from __future__ import annotations

import gzip
import zlib
from typing import TYPE_CHECKING

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt_image_mcp.openai_api.content_encoding import MOST_BYTES, UnpackedStream

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


@pytest.mark.parametrize("times", [10, 1000])
async def test_an_answer_without_an_end_is_cut(times: int) -> None:
    member = gzip.compress(bytes(1_000_000))
    total = sum(map(len, await _unpacked([member] * times)))
    assert total == min(times * 1_000_000, MOST_BYTES)
