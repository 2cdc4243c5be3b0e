"""Large answers of many calls at once: one after the other in memory, and read no further than was asked."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from gpt_image_mcp.errors import OutcomeUnknown
from tests.faults.observed import QUICK, calls, files, studio_for
from tests.faults.processes import serve_process
from tests.faults.scripted import Received, Reply, answer, document, picture, serve_script

if TYPE_CHECKING:
    from collections.abc import Sequence

CALLS, PICTURES = 6, 6
# Six such answers took 850 MB; one has 48 MB.
MOST_MB = 550
MB = 1_000_000


def _noise() -> bytes:
    """A picture of 6 MB."""
    stream = io.BytesIO()
    Image.frombytes("RGB", (1408, 1408), os.urandom(1408 * 1408 * 3)).save(stream, "PNG", compress_level=0)
    return stream.getvalue()


def _pictures(noise: bytes, number: int) -> Reply:
    entry = {"b64_json": base64.b64encode(noise).decode()}
    return answer(document(data=[entry] * number))


def _endless(sent: list[int]) -> Reply:
    """Blanks without end; notes how many were taken."""

    async def reply(_request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            while sum(sent) < 600 * MB:
                writer.write(b" " * MB)
                await writer.drain()
                sent.append(MB)
        writer.close()

    return reply


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells the peak of memory")
async def test_large_answers_at_once_do_not_add_up_in_memory(tmp_path: Path) -> None:
    noise, folder = _noise(), tmp_path / "out"
    async with (
        serve_script(then=_pictures(noise, PICTURES)) as endpoint,
        serve_process(endpoint, GPT_IMAGE_OUTPUT_DIR=str(folder)) as server,
    ):
        for number in range(CALLS):
            await server.start("generate_image", prompt=f"fox {number}", n=PICTURES, **QUICK)
        for _ in range(CALLS):  # they are answered in any order
            assert not (await server.next_message())["result"].get("isError")
        assert server.peak_mb < MOST_MB
    assert len(files(folder)) == CALLS * PICTURES
    assert {call.status for call in calls()} == {"completed"}


def _large_and_bad() -> Sequence[Reply]:
    blanks = b" " * 20 * MB
    return (answer(blanks), answer(b"{" + blanks), answer({"status": 400, "error": " " * 20 * MB}))


@pytest.mark.parametrize("bad", _large_and_bad(), ids=["blanks", "no JSON", "an error"])
async def test_a_large_answer_without_a_picture_holds_no_other_up(bad: Reply, project: Path) -> None:
    noise = _noise()
    async with (
        serve_script(bad, then=_pictures(noise, 3)) as endpoint,
        studio_for(endpoint) as studio,
        asyncio.timeout(30),
    ):
        with pytest.raises(OutcomeUnknown, match="kept"):
            await studio.generate("a fox", **QUICK)
        for name in ("a fox", "an owl"):
            result = await studio.generate(name, n=3, **QUICK)
            assert [image.file_path.read_bytes() for image in result.images] == [noise] * 3
    del project


@pytest.mark.parametrize(("asked", "most_mb"), [(1, 100), (3, 200), (10, 400)])
async def test_an_answer_is_read_no_further_than_what_was_asked_for(
    asked: int, most_mb: int, project: Path
) -> None:
    sent: list[int] = []
    async with serve_script(_endless(sent)) as endpoint, studio_for(endpoint) as studio:
        with pytest.raises(OutcomeUnknown):
            await studio.generate("a fox", n=asked, **QUICK)
        assert len(endpoint.posts) == 1
    del project
    # What the sockets of both ends hold comes on top.
    assert most_mb <= sum(sent) / MB < most_mb + 40


@pytest.mark.parametrize(("links", "fetched"), [(1, 1), (4, 4), (20, 0)])
async def test_the_pictures_that_an_answer_links_to_have_its_size_together(
    links: int, fetched: int, project: Path
) -> None:
    """Of 100 MB for one picture that was asked for, each of twenty has 5."""
    noise = _noise()
    said = picture(data=[{"url": f"/files/{number}.png"} for number in range(links)])
    file = answer(noise, content_type="image/png")
    async with serve_script(said, then=file) as endpoint, studio_for(endpoint) as studio:
        if fetched:
            assert len((await studio.generate("a fox", **QUICK)).images) == fetched
        else:
            with pytest.raises(OutcomeUnknown, match="MB"):
                await studio.generate("a fox", **QUICK)
    del project
