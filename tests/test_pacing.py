"""The shared pace: what one caller learns from a 429 slows all down, and no longer than asked."""

from __future__ import annotations

import httpx2
import pytest

from gpt_image_mcp import Settings
from gpt_image_mcp.errors import RateLimited
from gpt_image_mcp.openai_api import OpenAIApi
from gpt_image_mcp.sandbox.transport import SandboxTransport
from gpt_image_mcp.values import ImageRequest

REQUEST = ImageRequest(prompt="a fox", model="gpt-image-2", size="816x816", quality="low")
LIMITED = {"error": {"message": "Slow down.", "type": "requests", "code": "rate_limit_exceeded"}}


class Upstream(SandboxTransport):
    """A sandbox that begins with rate limits, and notes when each request came."""

    def __init__(self, *retry_after: str | None) -> None:
        super().__init__()
        self.limits = list(retry_after)
        self.now = 1000.0
        self.came: list[float] = []
        self.api = OpenAIApi(Settings(), transport=self, sleep=self.sleep, clock=lambda: self.now)

    async def sleep(self, seconds: float) -> None:
        """Lets the clock go on."""
        self.now += seconds

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """A rate limit, until there are no more."""
        self.came.append(self.now)
        if not self.limits:
            return await super().handle_async_request(request)
        asked = self.limits.pop(0)
        headers = {} if asked is None else {"retry-after": asked}
        return httpx2.Response(429, json={"error": LIMITED["error"]}, headers=headers, request=request)


async def test_a_pause_that_one_caller_was_asked_for_holds_the_next_one_back() -> None:
    upstream = Upstream("120")
    with pytest.raises(RateLimited):
        await upstream.api.generate(REQUEST)
    upstream.now += 100
    await upstream.api.generate(REQUEST)
    assert len(upstream.came) == 2
    assert upstream.came[1] - upstream.came[0] >= 120


async def test_during_a_long_pause_a_call_is_refused_without_being_sent() -> None:
    upstream = Upstream("120")
    with pytest.raises(RateLimited):
        await upstream.api.generate(REQUEST)
    with pytest.raises(RateLimited, match="was not sent") as caught:
        await upstream.api.generate(REQUEST)
    assert len(upstream.came) == 1
    assert caught.value.retryable
    assert caught.value.retry_after_seconds == pytest.approx(120)


async def test_after_the_pause_calls_go_at_once() -> None:
    upstream = Upstream("120")
    with pytest.raises(RateLimited):
        await upstream.api.generate(REQUEST)
    upstream.now += 121
    await upstream.api.generate(REQUEST)
    assert upstream.came[1] == upstream.came[0] + 121


@pytest.mark.parametrize("asked", ["5", None])
async def test_a_caller_that_waits_to_try_again_waits_once(asked: str | None) -> None:
    upstream = Upstream(asked)
    await upstream.api.generate(REQUEST)
    waited = upstream.came[1] - upstream.came[0]
    least = float(asked or 0)
    assert least <= waited <= least + 0.6


async def test_without_a_limit_nobody_is_held_back() -> None:
    upstream = Upstream()
    for _ in range(2):
        await upstream.api.generate(REQUEST)
    assert upstream.came == [1000.0, 1000.0]
