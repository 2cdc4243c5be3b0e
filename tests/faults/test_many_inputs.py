"""Edits of large pictures that wait for their turn: only the next ones have theirs in memory."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from PIL import Image

from tests.faults.observed import QUICK, calls
from tests.faults.processes import serve_process
from tests.faults.scripted import held, serve_script

EDITS, PICTURE_MB = 16, 40
# The server itself, what of two edits is in memory, and what is read and sent; all sixteen have 640 MB.
MOST_MB = 450


def _picture(path: Path) -> str:
    side = round((PICTURE_MB * 1e6 / 3) ** 0.5)
    noise = Image.frombytes("RGB", (side, side), os.urandom(side * side * 3))
    noise.save(path, "PNG", compress_level=0)
    return str(path)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells the peak of memory")
async def test_edits_that_wait_do_not_add_up_in_memory(tmp_path: Path) -> None:
    gate, source = asyncio.Event(), _picture(tmp_path / "large.png")
    async with (
        serve_script(held(gate)) as endpoint,
        serve_process(endpoint, GPT_IMAGE_MAX_CONCURRENCY="1") as server,
    ):
        for number in range(EDITS):
            await server.start("edit_image", prompt=f"night {number}", images=[source], **QUICK)
        await endpoint.received(posts=1)
        gate.set()
        for _ in range(EDITS):
            assert not (await server.next_message())["result"].get("isError")
        assert server.peak_mb < MOST_MB
    assert [call.status for call in calls()] == ["completed"] * EDITS
