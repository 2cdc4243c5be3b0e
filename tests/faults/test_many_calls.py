"""Many calls at once through one server: each gets its own picture, and the server answers meanwhile."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fastmcp import Client

from gpt_image_mcp.server import mcp
from tests.faults.observed import QUICK, calls, files
from tests.faults.processes import serve_process
from tests.faults.scripted import held, image_file, picture, serve_script

if TYPE_CHECKING:
    from tests.faults.scripted import Endpoint, Received, Reply

CALLS = 64


def _image_of(prompt: str) -> bytes:
    """A picture that no other prompt of the test gets."""
    number = int(re.findall(r"\d+", prompt)[0])
    return image_file((number, 255 - number, number * 3 % 256))


def _draws_the_prompt(gate: asyncio.Event) -> Reply:
    """Answers each request with the picture of its prompt, in an order of its own."""

    async def reply(request: Received, writer: asyncio.StreamWriter) -> None:
        await held(gate, picture(_image_of(request.json["prompt"])))(request, writer)

    return reply


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where images go."""
    path = tmp_path / "out"
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    monkeypatch.setenv("GPT_IMAGE_OUTPUT_DIR", str(path))
    return path


async def _make(client: Client[Any], number: int) -> dict[str, Any]:
    made = await client.call_tool("generate_image", {"prompt": f"fox number {number}", **QUICK})
    assert made.structured_content is not None
    return made.structured_content


async def _assert_answers(client: Client[Any], endpoint: Endpoint) -> None:
    """While the upstream draws as much as it may at once, the server does everything else."""
    await endpoint.received(posts=8)
    assert await client.ping()
    assert len(await client.list_tools()) > 1
    assert (await client.call_tool("estimate_cost", QUICK)).structured_content is not None


async def test_many_calls_at_once_are_neither_lost_nor_mixed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = asyncio.Event()
    async with serve_script(then=_draws_the_prompt(gate)) as endpoint:
        monkeypatch.setenv("OPENAI_BASE_URL", endpoint.base_url)
        # Of the protocols, the older one has a ping.
        async with Client(mcp, mode="legacy") as client:
            making = [asyncio.create_task(_make(client, number)) for number in range(CALLS)]
            await _assert_answers(client, endpoint)
            assert not any(task.done() for task in making)
            assert len(endpoint.posts) == 8
            gate.set()
            answers = await asyncio.gather(*making)
        assert sorted(request.json["prompt"] for request in endpoint.posts) == sorted(
            f"fox number {number}" for number in range(CALLS)
        )
    for number, answer in enumerate(answers):
        assert answer["prompt"] == f"fox number {number}"
        assert Path(answer["images"][0]["file_path"]).read_bytes() == _image_of(answer["prompt"])
    assert len({answer["images"][0]["id"] for answer in answers}) == CALLS
    assert files(folder) == sorted(answer["images"][0]["filename"] for answer in answers)
    assert [call.status for call in calls()] == ["completed"] * CALLS


async def test_a_client_of_little_patience_gets_its_image_in_several_calls_and_pays_once() -> None:
    gate = asyncio.Event()
    async with serve_script(held(gate)) as endpoint:
        async with serve_process(endpoint, GPT_IMAGE_WAIT_SECONDS="0.3") as server:
            answer = await server.call("generate_image", prompt="a fox", **QUICK)
            assert answer["status"] == "running"
            for _ in range(3):
                assert answer["job_id"] in answer["next"]
                answer = await server.call("get_image", ref=answer["job_id"])
                assert (answer["status"], answer["images"]) == ("running", [])
            gate.set()
            while answer["status"] == "running":
                answer = await server.call("get_image", ref=answer["job_id"])
            assert await server.end() == 0
        assert len(endpoint.posts) == 1
    assert Path(answer["images"][0]["file_path"]).read_bytes() == image_file()
    assert answer["cost_usd_estimated"] > 0
