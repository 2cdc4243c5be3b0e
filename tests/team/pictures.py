"""A picture that a person has, and one that is made through an address."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from fastmcp import Client
from PIL import Image

if TYPE_CHECKING:
    import asyncio


def png(colour: str = "red") -> bytes:
    """A picture of one colour."""
    stream = io.BytesIO()
    Image.new("RGB", (816, 816), colour).save(stream, "PNG")
    return stream.getvalue()


PICTURE = png()


async def make(url: str, prompt: str, drawing: asyncio.Event | None = None) -> str:
    """The id of an image made through an address; the event is set when it is being drawn."""

    async def watch(progress: float, total: float | None, message: str | None) -> None:
        del progress, total
        if drawing and message and message.startswith("drawing"):
            drawing.set()

    async with Client(url) as client:
        arguments = {"prompt": prompt, "quality": "low"}
        result = await client.call_tool("generate_image", arguments, progress_handler=watch)
    assert result.structured_content is not None
    return str(result.structured_content["images"][0]["id"])
