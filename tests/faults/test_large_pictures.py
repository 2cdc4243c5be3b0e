"""Paid pictures that are too large to look at: stored byte for byte all the same, and told of."""

from __future__ import annotations

import base64
import struct
import zlib
from typing import TYPE_CHECKING, Any

import pytest

from tests.faults.observed import QUICK, studio_for
from tests.faults.scripted import answer, serve_script

if TYPE_CHECKING:
    from pathlib import Path


def _png(width: int, height: int) -> bytes:
    """A PNG of one bit a pixel, whose pixels are all there."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    rows = zlib.compress(b"\0" * (width // 8 + 1) * height, 9)
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(12_000, 12_000), (1, 80_000)])
async def test_a_picture_that_is_too_large_to_decode_is_stored_as_it_came(
    size: tuple[int, int], project: Path
) -> None:
    del project
    data = _png(*size)
    body: dict[str, Any] = {"created": 1, "data": [{"b64_json": base64.b64encode(data).decode()}]}
    async with serve_script(answer(body)) as endpoint, studio_for(endpoint) as studio:
        result = await studio.generate("a wall", **QUICK)
        [image] = result.images
        assert image.file_path.read_bytes() == data
        assert (image.width, image.height) == size
        previews = await studio.preview(result)
        assert previews.images == ()
        assert "No preview" in previews.notes[0]
        assert f"{size[0]}x{size[1]}" in previews.notes[0]
        assert len(endpoint.posts) == 1
