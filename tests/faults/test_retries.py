"""How long is waited before a request is sent again, over real HTTP with a clock that only takes notes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING

import pytest

from gpt_image_mcp.errors import RateLimited, UpstreamUnavailable
from gpt_image_mcp.openai_api import OpenAIApi
from gpt_image_mcp.settings import Settings
from gpt_image_mcp.values.requests import ImageRequest
from tests.faults.scripted import image_file, refusal, serve_script, unused_address

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.scripted import Reply

REQUEST = ImageRequest(prompt="a fox", model="gpt-image-2", size="816x816", quality="low")
FIRST_BACKOFF_SECONDS = 0.5


class Patient:
    """An API whose clock jumps instead of waiting, and how long it would have waited."""

    def __init__(self, base_url: str) -> None:
        self.slept: list[float] = []
        settings = Settings.model_validate({"api_key": "sk-test", "base_url": base_url})
        self.api = OpenAIApi(settings, sleep=self._sleep, clock=lambda: sum(self.slept))

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


def _limited(**headers: str) -> Reply:
    return refusal(429, "Rate limit reached", code="rate_limit_exceeded", **headers)


def _http_date(seconds: float) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize(
    ("headers", "least", "most"),
    [
        ({}, 0, 0),
        ({"retry_after": "7"}, 7, 7),
        ({"retry_after": "60"}, 60, 60),
        ({"retry_after": _http_date(-100)}, 0, 0),
        ({"retry_after": "soon"}, 0, 0),
        ({"retry_after": ""}, 0, 0),
    ],
)
async def test_a_rate_limit_is_waited_for_as_long_as_it_says(
    headers: dict[str, str], least: float, most: float
) -> None:
    async with serve_script(_limited(**headers)) as endpoint:
        patient = Patient(endpoint.base_url)
        generated = await patient.api.generate(REQUEST)
        await patient.api.aclose()
        assert len(endpoint.posts) == 2
    assert generated.images == (image_file(),)
    (slept,) = patient.slept
    assert least <= slept <= most + FIRST_BACKOFF_SECONDS


async def test_a_date_in_retry_after_is_waited_for() -> None:
    async with serve_script(_limited(retry_after=_http_date(45))) as endpoint:
        patient = Patient(endpoint.base_url)
        await patient.api.generate(REQUEST)
        await patient.api.aclose()
    (slept,) = patient.slept
    assert 0 < slept <= 45 + FIRST_BACKOFF_SECONDS


@pytest.mark.parametrize("retry_after", [str, _http_date])
async def test_a_limit_for_an_hour_is_told_with_its_end_instead_of_waited_for(
    retry_after: Callable[[int], str],
) -> None:
    async with serve_script(_limited(retry_after=retry_after(3600))) as endpoint:
        patient = Patient(endpoint.base_url)
        with pytest.raises(RateLimited) as caught:
            await patient.api.generate(REQUEST)
        with pytest.raises(RateLimited):
            await patient.api.generate(REQUEST)
        assert len(endpoint.posts) == 1
        patient.slept.append(3700)
        await patient.api.generate(REQUEST)
        await patient.api.aclose()
        assert patient.slept == [3700]
    assert caught.value.retry_after_seconds == pytest.approx(3600, abs=120)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 529])
async def test_a_storm_is_given_up_after_the_configured_retries(status: int) -> None:
    async with serve_script(then=refusal(status)) as endpoint:
        patient = Patient(endpoint.base_url)
        with pytest.raises(RateLimited if status == 429 else UpstreamUnavailable):
            await patient.api.generate(REQUEST)
        await patient.api.aclose()
        assert len(endpoint.posts) == 3
        assert len({request.body for request in endpoint.posts}) == 1
    assert [seconds <= limit for seconds, limit in zip(patient.slept, (0.5, 1), strict=True)] == [True] * 2


async def test_a_refused_connection_is_tried_again() -> None:
    patient = Patient(unused_address())
    with pytest.raises(UpstreamUnavailable):
        await patient.api.generate(REQUEST)
    await patient.api.aclose()
    assert len(patient.slept) == 2
