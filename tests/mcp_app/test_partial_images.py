"""A partial image is shown by ``get_image`` while its call still runs."""

from __future__ import annotations

import asyncio
import base64
import io
from typing import TYPE_CHECKING, Any

from fastmcp import Client
from mcp.types import ImageContent, TextContent
from PIL import Image

from gpt_image_mcp.server import mcp
from tests.faults.scripted import final_event, image_file, partial_event, serve_script, stream

if TYPE_CHECKING:
    import pytest
    from fastmcp.client.client import CallToolResult


def _pictures(result: CallToolResult) -> list[Image.Image]:
    blocks = [block for block in result.content if isinstance(block, ImageContent)]
    return [Image.open(io.BytesIO(base64.b64decode(block.data))).convert("RGB") for block in blocks]


def _is(picture: Image.Image, colour: tuple[int, int, int]) -> bool:
    """Whether it has the colour in its middle, as far as a lossy preview can have it."""
    seen = picture.getpixel((picture.width // 2, picture.height // 2))
    assert isinstance(seen, tuple)
    return all(abs(have - want) < 12 for have, want in zip(seen, colour, strict=True))


async def _shown(client: Client[Any], job_id: str) -> CallToolResult:
    """What the job shows once a partial image is there."""
    async with asyncio.timeout(20):
        while True:
            result = await client.call_tool("get_image", {"ref": job_id, "wait_seconds": 0.05})
            if _pictures(result):
                return result


async def test_a_partial_image_is_shown_until_the_final_one_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    finished = asyncio.Event()
    events = [partial_event(image_file("blue")), final_event(image_file("red"))]
    async with serve_script(stream(events, before_last=finished)) as endpoint:
        monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
        monkeypatch.setenv("OPENAI_BASE_URL", endpoint.base_url)
        monkeypatch.setenv("GPT_IMAGE_PARTIAL_IMAGES", "1")
        async with Client(mcp) as client:
            arguments = {"prompt": "a fox", "size": "816x816", "quality": "low", "wait_seconds": 0}
            started = await client.call_tool("generate_image", arguments)
            assert started.structured_content is not None
            job_id = started.structured_content["job_id"]
            partial = await _shown(client, job_id)
            assert partial.structured_content is not None
            assert partial.structured_content["status"] == "running"
            assert "partial image" in "".join(b.text for b in partial.content if isinstance(b, TextContent))
            finished.set()
            final = await client.call_tool("get_image", {"ref": job_id})
        assert len(endpoint.posts) == 1
    assert final.structured_content is not None
    assert final.structured_content["status"] == "completed"
    assert _is(_pictures(partial)[0], (0, 0, 255))
    assert _is(_pictures(final)[0], (255, 0, 0))
