"""``docs/team.md``, followed word by word, ends with pictures in two people's clients."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport

from tests.team.walk import steps, walk

if TYPE_CHECKING:
    from pathlib import Path

    from fastmcp.client.client import CallToolResult


@pytest.mark.timeout(300)
async def test_two_people_make_pictures_and_see_only_their_own(
    tmp_path: Path, postgresql_server: str
) -> None:
    with walk(tmp_path, postgresql_server) as walked:
        tokens = re.findall(r"^gptimg_\S+$", walked.said, re.MULTILINE)
        made = [await _make(walked.root, token) for token in tokens]
        assert [await _found(walked.root, token) for token in tokens] == made
        assert len(made) == 2
        answer = httpx2.post(f"{walked.root}/mcp", json={}, headers={"Accept": "application/json"})
        assert answer.status_code == 401


async def _make(root: str, token: str) -> list[str]:
    """The ids of a picture and of an edit of it, the latest first, as a search gives them."""
    async with _client(root, token) as client:
        arguments: dict[str, Any] = {"prompt": "a boat", "quality": "low"}
        drawn = _image_of(await client.call_tool("generate_image", arguments))
        edited = _image_of(await client.call_tool("edit_image", {**arguments, "images": [drawn]}))
        seen = await client.call_tool("get_image", {"ref": edited})
    assert any(block.type == "image" for block in seen.content)
    return [edited, drawn]


def _image_of(result: CallToolResult) -> str:
    assert result.structured_content is not None
    return str(result.structured_content["images"][0]["id"])


async def _found(root: str, token: str) -> list[str]:
    async with _client(root, token) as client:
        found = await client.call_tool("find_images", {})
    assert found.structured_content is not None
    return [image["id"] for image in found.structured_content["images"]]


def _client(root: str, token: str) -> Client[StreamableHttpTransport]:
    headers = {"Authorization": f"Bearer {token}"}
    return Client(StreamableHttpTransport(f"{root}/mcp", headers=headers))


def test_the_steps_end_with_everything_running() -> None:
    """What is started in the background is waited for before the next step needs it."""
    script = steps()
    assert script.count("until curl") == 3
    assert re.findall(r"^(haproxy|moto_server)", script, re.MULTILINE) == ["moto_server", "haproxy"]
