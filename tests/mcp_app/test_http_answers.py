"""Answers over HTTP: whole and in order, and large ones on disk until they are read."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from PIL import Image

from gpt_image_mcp.mcp_app.http_answers import AnswersOnDisk
from tests.mcp_app.http_servers import Served, serve

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send

READERS = 12
PARTS = [b"small", b"\xe2\x80\xa8" * 40_000, b"small again", bytes(1_500_000), b""]


async def _answered(*, reads: asyncio.Event) -> tuple[list[Message], list[bool]]:
    """What a client gets, and at each part whether the application had ended before."""
    got: list[Message] = []
    ended = asyncio.Event()
    had_ended: list[bool] = []

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for number, part in enumerate(PARTS, start=1):
            await send({"type": "http.response.body", "body": part, "more_body": number < len(PARTS)})
        ended.set()

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        got.append(message)
        had_ended.append(ended.is_set())
        if len(message.get("body", b"")) > len(PARTS[0]):
            await reads.wait()

    scope: dict[str, Any] = {"type": "http", "method": "POST", "path": "/mcp", "headers": []}
    answering = asyncio.create_task(AnswersOnDisk(app)(scope, receive, send))
    await asyncio.sleep(0)
    reads.set()
    await answering
    return got, had_ended


async def test_an_application_ends_before_its_large_answer_is_read_which_is_whole() -> None:
    got, had_ended = await _answered(reads=asyncio.Event())
    assert b"".join(message.get("body", b"") for message in got) == b"".join(PARTS)
    assert [message["more_body"] for message in got[1:]] == [True] * (len(got) - 2) + [False]
    assert had_ended == [False, False, *[True] * (len(got) - 2)]
    assert max(len(message.get("body", b"")) for message in got) <= 1 << 16


async def test_an_answer_that_finds_no_room_on_the_disk_is_whole_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/dev/null/nowhere")
    got, _ = await _answered(reads=asyncio.Event())
    assert [message.get("body") for message in got] == [None, *PARTS]


def _image(folder: Path) -> str:
    """The path of a picture with as many bytes as pixels allow."""
    path = folder / "noise.png"
    Image.frombytes("RGB", (3840, 2160), os.urandom(3840 * 2160 * 3)).save(path, compress_level=0)
    return str(path)


def _peak_mb(running: Served) -> float:
    found = re.search(r"VmHWM:\s*(\d+) kB", Path(f"/proc/{running.process.pid}/status").read_text())
    assert found
    return int(found[1]) / 1024


def _request(method: str, number: int, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": params}


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
@pytest.mark.parametrize("accept", ["application/json", "application/json, text/event-stream"])
async def test_answers_that_nobody_reads_take_no_memory(tmp_path: Path, accept: str) -> None:
    """Each is a picture of 25 MB, and would take 124 MB in memory."""
    part = {"shape": "rectangle", "box": [0, 0, 0.01, 0.01]}
    edit = {"prompt": "x", "images": [_image(tmp_path)], "size": "3840x2160", "regions": [part]}
    greeting = {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "", "version": ""},
    }
    with serve(tmp_path, GPT_IMAGE_INPUT_ROOTS=str(tmp_path)) as running:
        async with running.client() as client:
            made = (await client.call_tool("edit_image", edit)).structured_content
            assert made is not None
            image: dict[str, Any] = made["images"][0]
            async with (
                httpx2.AsyncClient(headers={"accept": accept}, timeout=90) as http,
                AsyncExitStack() as open_,
            ):
                session = (await http.post(running.url, json=_request("initialize", 0, **greeting))).headers
                http.headers["mcp-session-id"] = session["mcp-session-id"]
                before_mb = _peak_mb(running)
                readers = [
                    open_.enter_async_context(
                        http.stream(
                            "POST", running.url, json=_request("resources/read", number, uri=image["uri"])
                        )
                    )
                    for number in range(1, READERS + 1)
                ]
                answers = await asyncio.gather(*readers)
                assert [answer.status_code for answer in answers] == [200] * READERS
                assert (await client.call_tool("find_images", {"limit": 1})).structured_content
                assert _peak_mb(running) - before_mb < READERS * 124 / 3
                whole = b"".join([piece async for piece in answers[-1].aiter_bytes()])
                assert len(whole) > image["size_bytes"] * 4 / 3
