"""Calls that fail keep nothing of what came: megabytes would wait for a collection that is far off."""

from __future__ import annotations

import asyncio
import base64
import gc
import secrets
from typing import TYPE_CHECKING, Any

import pytest
from fastmcp import Client

from gpt_image_mcp.server import mcp
from tests.faults.observed import QUICK
from tests.faults.scripted import (
    answer,
    cut,
    document,
    error_event,
    partial_event,
    picture,
    refusal,
    serve_script,
    sse,
    stream,
)

if TYPE_CHECKING:
    from tests.faults.scripted import Reply

_LARGE_BYTES = 1_000_000
WORDS = "no picture " * 200_000
NOISE = base64.b64encode(secrets.token_bytes(2_000_000)).decode()

FAILURES: dict[str, Reply] = {
    "JSON without an image": answer({"x": WORDS}),
    "words": answer(WORDS.encode()),
    "bytes that are no text": answer(secrets.token_bytes(2_000_000)),
    "JSON that is cut": cut({"x": WORDS}, after_bytes=1_500_000),
    "a picture that is none": picture(NOISE),
    "a picture that is none, in another form": answer({"output": [{"image": NOISE}]}),
    "a data URL that is none": answer({"data": [{"url": f"data:image/png;base64,{NOISE}"}]}),
    "an address that leads nowhere": answer({"data": [{"url": "http://127.0.0.1:9/a.png"}], "x": WORDS}),
    "a refusal of many words": refusal(400, WORDS),
    "a failure of many words": refusal(500, WORDS),
    "an event without an image": stream([sse("image_generation.completed", x=WORDS)]),
    "an error of many words in a stream": stream([error_event(WORDS, code="server_error")]),
    "a stream that ends too early": stream([partial_event(secrets.token_bytes(2_000_000))]),
    "a stream that breaks": stream([partial_event(secrets.token_bytes(2_000_000))], is_whole=False),
    "a refusal in a good answer": answer({**document(data=[]), "error": {"message": WORDS}}),
}


@pytest.mark.usefixtures("no_collection")
async def test_what_failed_does_not_stay_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    monkeypatch.setenv("OPENAI_MAX_RETRIES", "0")
    async with serve_script(*FAILURES.values(), *FAILURES.values()) as endpoint:
        monkeypatch.setenv("OPENAI_BASE_URL", endpoint.base_url)
        async with Client(mcp) as client:
            await _fail_in_every_way(client, "a fox")
            before = _large_things()
            await _fail_in_every_way(client, "a hare")
            await _assert_gone(before)
        assert len(endpoint.posts) == 2 * len(FAILURES)


async def _fail_in_every_way(client: Client[Any], prompt: str) -> None:
    for name in FAILURES:
        streams = {"partial_images": 1} if "stream" in name or "event" in name else {}
        arguments: dict[str, Any] = {"prompt": f"{prompt}, {name}", **QUICK, **streams}
        result = await client.call_tool("generate_image", arguments, raise_on_error=False)
        assert result.is_error, name


async def _assert_gone(before: dict[int, str]) -> None:
    """What is held now was held before, as soon as threads have let go of their work."""
    left: list[str] = []
    for _ in range(20):
        left = [begin for thing, begin in _large_things().items() if thing not in before]
        if not left:
            return
        await asyncio.sleep(0.1)
    pytest.fail(f"still there: {left}")


def _large_things() -> dict[int, str]:
    """The ids of texts and bytes of megabytes that something holds, and how they begin."""
    held = (thing for holder in gc.get_objects() for thing in gc.get_referents(holder))
    kinds = (str, bytes, bytearray)
    large = (thing for thing in held if isinstance(thing, kinds) and len(thing) > _LARGE_BYTES)
    return {id(thing): repr(thing[:40]) for thing in large}
