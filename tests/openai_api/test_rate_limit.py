"""The shared limit: what one caller learns from a 429 slows all down, and no longer than asked."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import httpx2
import pytest

from gpt_image_mcp import Settings
from gpt_image_mcp.errors import Cancelled, ModerationBlocked, RateLimited
from gpt_image_mcp.openai_api import OpenAIApi
from gpt_image_mcp.openai_api.observer import NullObserver
from gpt_image_mcp.openai_api.rate_limit import RateLimit
from gpt_image_mcp.openai_api.sandbox.transport import SandboxTransport
from gpt_image_mcp.values.requests import ImageRequest
from tests.faults.observed import QUICK, calls, spent_usd, studio_for
from tests.faults.scripted import refusal, serve_script

if TYPE_CHECKING:
    from collections.abc import Callable

    from gpt_image_mcp.values.progress import Progress

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
    with pytest.raises(RateLimited) as caught:
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


class Told(NullObserver):
    """What a caller is told of its request, and when."""

    def __init__(self, upstream: Upstream) -> None:
        self.said: list[tuple[str, float]] = []
        self._upstream = upstream

    def mark_sent(self) -> None:
        """The request leaves."""
        self.said.append(("sent", self._upstream.now))

    def mark_unsent(self) -> None:
        """It came back without having made anything."""
        self.said.append(("unsent", self._upstream.now))

    def receive_partial(self, image: Callable[[], bytes]) -> None:
        """Of these there are none."""
        raise AssertionError(image)


async def test_a_request_counts_as_sent_only_while_it_is_out() -> None:
    upstream = Upstream("30")
    told = Told(upstream)
    await upstream.api.generate(REQUEST, told)
    first, second = upstream.came
    assert told.said == [("sent", first), ("unsent", first), ("sent", second)]


async def test_a_request_that_waits_for_the_end_of_a_pause_is_not_sent_yet() -> None:
    upstream = Upstream("120")
    with pytest.raises(RateLimited):
        await upstream.api.generate(REQUEST)
    upstream.now += 100
    told = Told(upstream)
    await upstream.api.generate(REQUEST, told)
    assert told.said == [("sent", upstream.came[1])]


async def test_a_request_that_is_refused_for_good_stays_sent() -> None:
    upstream = Upstream()
    told = Told(upstream)
    with pytest.raises(ModerationBlocked):
        await upstream.api.generate(replace(REQUEST, prompt="a fox [sandbox:moderation_blocked]"), told)
    assert [word for word, _ in told.said] == ["sent"]


async def test_a_pause_that_grows_while_a_caller_sleeps_holds_it_back_to_its_end() -> None:
    """A further 429 comes while the caller sleeps."""
    clock = [1000.0]

    async def sleep(seconds: float) -> None:
        clock[0] += seconds
        if clock[0] < 1010:
            await limit.pause_after(RateLimited("again", next_step="", retry_after_seconds=30))

    limit = RateLimit(sleep, lambda: clock[0])
    await limit.pause_after(RateLimited("wait", next_step="", retry_after_seconds=5))
    await limit.wait()
    assert clock[0] >= 1035


async def test_calls_that_wait_out_a_pause_are_cancelled_at_the_end_and_cost_nothing() -> None:
    came_back = asyncio.Event()
    stages: list[str] = []

    async def watch(progress: Progress) -> None:
        stages.append(progress.stage)
        if stages[-2:] == ["drawing", "queued"]:
            came_back.set()

    limited = refusal(429, "Slow down.", code="rate_limit_exceeded", retry_after="30")
    async with serve_script(limited) as endpoint:
        async with studio_for(endpoint) as studio:
            first = asyncio.create_task(studio.generate("a fox", watch=watch, **QUICK))
            await asyncio.wait_for(came_back.wait(), 20)
            second = await studio.generate("a cat", wait_seconds=0, **QUICK)
            assert second.status == "running"
        with pytest.raises(Cancelled):
            await first
        assert len(endpoint.posts) == 1
        async with studio_for(endpoint) as studio:
            assert await spent_usd(studio) == 0
    assert [call.status for call in calls()] == ["failed", "failed"]
