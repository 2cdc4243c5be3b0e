"""``docs/team.md``, followed word by word, ends with pictures in two people's clients."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import httpx2
import pytest
from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport

from tests.docs.commands_page import commands
from tests.team.walk import steps, walk

if TYPE_CHECKING:
    from pathlib import Path

_HAS_TOKENS = "token add" in {" ".join(names) for names, _ in commands()}


@pytest.mark.skipif(not _HAS_TOKENS, reason="there is no sign-in yet")
@pytest.mark.timeout(300)
async def test_two_people_make_pictures_and_see_only_their_own(
    tmp_path: Path, postgresql_server: str
) -> None:
    with walk(tmp_path, postgresql_server) as walked:
        tokens = re.findall(r"^\s*(\S{20,})$", walked.said, re.MULTILINE)
        assert len(tokens) == 2, "each is shown on a line of its own"
        made = [await _make(walked.root, token) for token in tokens]
        assert [await _found(walked.root, token) for token in tokens] == [[image] for image in made]
        answer = httpx2.post(f"{walked.root}/mcp", json={}, headers={"Accept": "application/json"})
        assert answer.status_code == 401


async def _make(root: str, token: str) -> str:
    async with _client(root, token) as client:
        made = await client.call_tool("generate_image", {"prompt": "a boat", "quality": "low"})
        assert made.structured_content is not None
        image = made.structured_content["images"][0]["id"]
        edited = await client.call_tool("get_image", {"ref": image})
    assert any(block.type == "image" for block in edited.content)
    return str(image)


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
