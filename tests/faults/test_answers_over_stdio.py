"""Servers and what comes back to them: every picture that came is stored, and no key comes out."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from urllib.parse import quote

import pytest
from fastmcp import Client

from gpt_image_mcp.server import mcp
from tests.faults.answers import IMAGE
from tests.faults.observed import QUICK
from tests.faults.processes import serve_process
from tests.faults.scripted import Reply, answer, html, late, picture, refusal, serve_script
from tests.faults.test_answers import PLAIN, STREAMED


@pytest.mark.parametrize("partial_images", [0, 1])
async def test_every_way_of_answering_in_turn_leaves_its_picture_in_the_library(partial_images: int) -> None:
    replies = STREAMED if partial_images else PLAIN
    async with (
        serve_script(*replies.values()) as endpoint,
        serve_process(endpoint, GPT_IMAGE_PARTIAL_IMAGES=str(partial_images)) as server,
    ):
        for name in replies:
            result = await server.call("generate_image", prompt=name, **QUICK)
            assert Path(result["images"][0]["file_path"]).read_bytes() == IMAGE, name
        found = await server.call("find_images", limit=1)
        assert len(endpoint.posts) == len(replies)
    assert found["total"] == len(replies)


async def test_a_link_that_leads_nowhere_at_first_leaves_its_picture_in_the_library() -> None:
    not_yet = answer(b"not found", status=404)
    replies = (picture(data=[{"url": "/files/a.png"}]), not_yet, not_yet, answer(IMAGE))
    async with serve_script(*replies) as endpoint, serve_process(endpoint) as server:
        result = await server.call("generate_image", prompt="a fox", **QUICK)
        assert Path(result["images"][0]["file_path"]).read_bytes() == IMAGE
        assert [request.method for request in endpoint.requests] == ["POST", "GET", "GET", "GET"]


@pytest.mark.parametrize("failure", [refusal(500, "failed", kind="server_error"), html(502), html(503)])
async def test_a_gateway_that_fails_after_two_seconds_is_asked_once_and_its_quote_stays_reserved(
    failure: Reply,
) -> None:
    settings = {"GPT_IMAGE_DAILY_BUDGET_USD": "0.01"}
    async with (
        serve_script(late(failure, seconds=2.3)) as endpoint,
        serve_process(endpoint, **settings) as server,
    ):
        told = await server.answer(await server.start("generate_image", prompt="a fox", **QUICK))
        assert "outcome_unknown" in json.dumps(told)
        again = await server.answer(await server.start("generate_image", prompt="a hare", **QUICK))
        assert "budget_exceeded" in json.dumps(again)
        assert len(endpoint.posts) == 1


@pytest.mark.parametrize(
    "blemish",
    [" ", "\n", "\r\nX-Other: 1", "\t", '"', "'", "\\", "\x01", "\x7f", "é", "\u2028"],
    ids=ascii,
)
async def test_a_key_that_cannot_be_sent_is_in_no_answer_and_no_file(
    blemish: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pieces = ("sk-proj-S3CR3TS3", "CR3TS3CR3TS3CR3T")
    monkeypatch.setenv("OPENAI_API_KEY", blemish.join(pieces))
    async with serve_script() as endpoint:
        monkeypatch.setenv("OPENAI_BASE_URL", endpoint.base_url)
        async with Client(mcp) as client:
            arguments = {"prompt": "a fox", **QUICK}
            told = str(await client.call_tool("generate_image", arguments, raise_on_error=False))
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    spellings = {*pieces, *(quote(piece) for piece in pieces)}
    spellings |= {base64.b64encode(piece.encode()).decode()[:16] for piece in pieces}
    for spelling in spellings:
        assert spelling not in told
        assert spelling.encode() not in written
