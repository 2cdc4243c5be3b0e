"""What came of a body is all there, in order, whether it is in memory, on disk, or the disk is full."""

from __future__ import annotations

import os
import tempfile
from contextlib import closing

import pytest

from gpt_image_mcp.openai_api.received_body import LARGE_BYTES, ReceivedBody
from tests.full_disks import full_disk

MB = 1_000_000


async def _filled(pieces: list[bytes], *, disk_bytes: int) -> tuple[bytes, bytes, ReceivedBody]:
    with closing(ReceivedBody()) as received, full_disk(disk_bytes):
        for piece in pieces:
            await received.add(piece)
        return await received.read(), await received.read(), received


@pytest.mark.parametrize("disk_bytes", [MB, LARGE_BYTES + 3 * MB, 3 * LARGE_BYTES, 100 * MB])
@pytest.mark.parametrize("number", [0, 1, 9, 24, 61])
async def test_all_of_it_is_there_in_order_however_full_the_disk_is(number: int, disk_bytes: int) -> None:
    pieces = [os.urandom(MB) for _ in range(number)]
    whole, again, received = await _filled(pieces, disk_bytes=disk_bytes)
    assert whole == again == b"".join(pieces)
    assert len(received) == number * MB
    assert received.is_large == (number * MB > LARGE_BYTES)


async def test_it_stays_in_memory_where_no_file_can_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    pieces = [os.urandom(MB) for _ in range(40)]
    assert (await _filled(pieces, disk_bytes=100 * MB))[0] == b"".join(pieces)


async def test_no_more_is_wanted_than_it_was_made_for() -> None:
    with closing(ReceivedBody(3 * MB)) as received:
        wanted: list[bool] = []
        for _ in range(3):
            wanted.append(not received.has_enough)
            await received.add(bytes(MB))
        assert wanted == [True] * 3
        assert received.has_enough
