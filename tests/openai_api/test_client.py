"""The real SDK over the sandbox: what is sent, what is sent again, what is never sent again."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx2
import openai
import pytest

from gpt_image_mcp.errors import (
    AuthenticationFailed,
    ImageError,
    MissingApiKey,
    ModerationBlocked,
    OutcomeUnknown,
    QuotaExhausted,
    RateLimited,
    UpstreamRejected,
    UpstreamUnavailable,
    WrongAddress,
)
from gpt_image_mcp.imaging.formats import read_picture
from gpt_image_mcp.openai_api import OpenAIApi
from gpt_image_mcp.openai_api.observer import NullObserver
from gpt_image_mcp.openai_api.sandbox.transport import SandboxTransport
from gpt_image_mcp.settings import Settings
from gpt_image_mcp.values.requests import ImageRequest
from gpt_image_mcp.values.responses import ImageProperties

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

REQUEST = ImageRequest(prompt="a fox", model="gpt-image-2", size="1024x1024", quality="low")


class Told(NullObserver):
    """What a caller is told: how many requests had arrived when each left, and the partial images."""

    def __init__(self, harness: Harness) -> None:
        self.sent: list[int] = []
        self.partials: list[bytes] = []
        self._harness = harness

    def mark_sent(self) -> None:
        """The request leaves."""
        self.sent.append(len(self._harness.posts))

    def receive_partial(self, image: Callable[[], bytes]) -> None:
        """A partial image."""
        self.partials.append(image())


class Harness:
    """An API over a sandbox, with a clock that goes on only when someone sleeps."""

    def __init__(self) -> None:
        self.transport = SandboxTransport()
        self.slept: list[float] = []
        self.now = 1000.0
        self.api = OpenAIApi(Settings(), transport=self.transport, sleep=self._sleep, clock=lambda: self.now)

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    @property
    def posts(self) -> list[Any]:
        """The image requests that reached the sandbox."""
        return [received for received in self.transport.requests if received.method == "POST"]


@pytest.fixture
async def harness() -> AsyncIterator[Harness]:
    """A fresh API and sandbox."""
    made = Harness()
    yield made
    await made.api.aclose()


async def test_a_generation_sends_exactly_what_was_decided(harness: Harness) -> None:
    request = replace(
        REQUEST,
        output_format="webp",
        output_compression=70,
        safety_identifier="u1",
        moderation="low",
        background="opaque",
    )
    generated = await harness.api.generate(request)
    assert harness.posts[0].path == "/v1/images/generations"
    assert harness.posts[0].json == {
        "model": "gpt-image-2",
        "prompt": "a fox",
        "n": 1,
        "size": "1024x1024",
        "quality": "low",
        "background": "opaque",
        "output_format": "webp",
        "output_compression": 70,
        "moderation": "low",
        "safety_identifier": "u1",
    }
    picture = read_picture(generated.images[0])
    assert picture is not None
    assert (picture.format, picture.width, picture.height) == ("webp", 1024, 1024)
    assert generated.properties == ImageProperties(size="1024x1024", quality="low", background="opaque")
    assert generated.usage is not None
    assert generated.usage.output_tokens == 196
    assert generated.request_id
    assert generated.request_id.startswith("req_")


async def test_quality_is_sent_even_when_it_is_auto(harness: Harness) -> None:
    await harness.api.generate(replace(REQUEST, quality="auto"))
    assert harness.posts[0].json["quality"] == "auto"


async def test_the_request_is_marked_as_sent_when_it_leaves(harness: Harness) -> None:
    told = Told(harness)
    await harness.api.generate(REQUEST, told)
    assert told.sent == [0]


async def test_partial_images_are_streamed_only_when_asked_for(harness: Harness) -> None:
    told = Told(harness)
    streamed = await harness.api.generate(replace(REQUEST, partial_images=2), told)
    assert harness.posts[0].json["stream"] is True
    assert len(told.partials) == 2
    assert read_picture(told.partials[0]) is not None
    plain = await harness.api.generate(REQUEST, told)
    assert "stream" not in harness.posts[1].json
    assert len(told.partials) == 2
    assert len(streamed.images) == len(plain.images) == 1
    assert streamed.usage is not None
    assert streamed.usage.output_tokens == 196 + 200


async def test_several_images_are_never_streamed(harness: Harness) -> None:
    await harness.api.generate(replace(REQUEST, partial_images=2, n=2))
    assert "stream" not in harness.posts[0].json
    assert "partial_images" not in harness.posts[0].json


@pytest.mark.parametrize("name", ["rate_limited", "500", "502", "503", "529", "connect_error"])
async def test_what_was_certainly_not_billed_is_sent_again(harness: Harness, name: str) -> None:
    generated = await harness.api.generate(replace(REQUEST, prompt=f"a fox [sandbox:{name}*2]"))
    assert len(generated.images) == 1
    assert len(harness.posts) == 3
    assert len(harness.slept) == 2


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("insufficient_quota", QuotaExhausted),
        ("billing_hard_limit_reached", QuotaExhausted),
        ("moderation_blocked", ModerationBlocked),
        ("invalid_size", UpstreamRejected),
        ("launch_400", UpstreamRejected),
        ("504", OutcomeUnknown),
        ("520", OutcomeUnknown),
        ("524", OutcomeUnknown),
        ("reset", OutcomeUnknown),
        ("timeout", OutcomeUnknown),
        ("truncated_json", OutcomeUnknown),
        ("empty_data", OutcomeUnknown),
        ("error_in_200", OutcomeUnknown),
    ],
)
async def test_what_was_refused_or_may_have_been_billed_is_sent_once(
    harness: Harness, name: str, expected: type[ImageError]
) -> None:
    with pytest.raises(expected):
        await harness.api.generate(replace(REQUEST, prompt=f"a fox [sandbox:{name}]"))
    assert len(harness.posts) == 1
    assert harness.slept == []


async def test_retries_end_with_the_last_error(harness: Harness) -> None:
    with pytest.raises(UpstreamUnavailable, match="503"):
        await harness.api.generate(replace(REQUEST, prompt="a fox [sandbox:503]"))
    assert len(harness.posts) == 3


async def test_waiting_follows_retry_after(harness: Harness) -> None:
    with pytest.raises(RateLimited) as limited:
        await harness.api.generate(replace(REQUEST, prompt="a fox [sandbox:rate_limited]"))
    asked = limited.value.retry_after_seconds
    assert asked is not None
    assert all(asked <= seconds <= asked + 1 for seconds in harness.slept)


@pytest.mark.parametrize("name", ["stream_error", "stream_cut"])
async def test_a_broken_stream_is_an_unknown_outcome(harness: Harness, name: str) -> None:
    request = replace(REQUEST, prompt=f"a fox [sandbox:{name}]", partial_images=1)
    with pytest.raises(OutcomeUnknown):
        await harness.api.generate(request)
    assert len(harness.posts) == 1


async def test_an_address_instead_of_an_image_is_fetched(harness: Harness) -> None:
    generated = await harness.api.generate(replace(REQUEST, prompt="a fox [sandbox:url_instead_of_b64]"))
    assert read_picture(generated.images[0]) is not None
    assert any("address" in note for note in generated.notes)


def _answering(
    *answers: Callable[[httpx2.Request], httpx2.Response],
) -> tuple[OpenAIApi, list[httpx2.Request]]:
    """An API whose endpoint gives these answers in turn, the last one for ever."""
    received: list[httpx2.Request] = []

    def handle(request: httpx2.Request) -> httpx2.Response:
        received.append(request)
        return answers[min(len(received), len(answers)) - 1](request)

    async def no_sleep(_seconds: float) -> None:
        return

    return OpenAIApi(Settings(), transport=httpx2.MockTransport(handle), sleep=no_sleep), received


async def test_an_address_that_stays_dead_is_named_in_the_error() -> None:
    body = {"data": [{"url": "https://cdn.invalid/1.png"}]}
    api, received = _answering(
        lambda _: httpx2.Response(200, json=body), lambda _: httpx2.Response(503, text="busy")
    )
    with pytest.raises(OutcomeUnknown, match=r"https://cdn\.invalid/1\.png"):
        await api.generate(REQUEST)
    assert len(received) == 12
    await api.aclose()


async def test_a_long_retry_after_is_passed_on_instead_of_waited_for() -> None:
    refusal = {"error": {"message": "Rate limit reached", "code": "rate_limit_exceeded", "type": "requests"}}
    api, received = _answering(
        lambda _: httpx2.Response(429, json=refusal, headers={"retry-after": "3600"}),
    )
    with pytest.raises(RateLimited, match="Rate limit reached") as limited:
        await api.generate(REQUEST)
    assert "3600" in limited.value.next_step
    assert len(received) == 1
    await api.aclose()


@pytest.mark.parametrize(
    ("message", "headers", "seconds"),
    [
        ("Rate limit reached. Please try again in 12 s.", {}, 12.0),
        ("Rate limit reached. Please try again in 1m0s.", {}, 60.0),
        ("Slow down.", {"retry-after-ms": "350"}, 0.35),
        ("Please try again in 40 s.", {"retry-after": "2"}, 2.0),
    ],
)
async def test_a_wait_is_understood_in_every_form(
    message: str, headers: dict[str, str], seconds: float
) -> None:
    limited = {"error": {"message": message, "code": "rate_limit_exceeded"}}
    slept: list[float] = []

    async def sleep(asked: float) -> None:
        slept.append(asked)

    def handle(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(429, json=limited, headers=headers, request=request)

    api = OpenAIApi(
        Settings.model_validate({"max_retries": 1}),
        transport=httpx2.MockTransport(handle),
        sleep=sleep,
        clock=lambda: 1000.0 + sum(slept),
    )
    with pytest.raises(RateLimited):
        await api.generate(REQUEST)
    assert seconds <= sum(slept) <= seconds + 1.5
    await api.aclose()


async def test_a_long_wait_in_words_is_passed_on_instead_of_waited_for() -> None:
    limited = {"error": {"message": "Please try again in 2 minutes.", "code": "rate_limit_exceeded"}}
    api, received = _answering(lambda _: httpx2.Response(429, json=limited))
    with pytest.raises(RateLimited) as caught:
        await api.generate(REQUEST)
    assert caught.value.retry_after_seconds == 120
    assert "120 s" in caught.value.next_step
    assert len(received) == 1
    await api.aclose()


def _raising(error: type[httpx2.TransportError]) -> Callable[[httpx2.Request], httpx2.Response]:
    def answer(request: httpx2.Request) -> httpx2.Response:
        message = "broken"
        raise error(message, request=request)

    return answer


@pytest.mark.parametrize(
    ("error", "expected", "sent"),
    [
        (httpx2.ConnectError, UpstreamUnavailable, 3),
        (httpx2.ConnectTimeout, UpstreamUnavailable, 3),
        (httpx2.PoolTimeout, UpstreamUnavailable, 3),
        (httpx2.ReadTimeout, OutcomeUnknown, 1),
        (httpx2.WriteTimeout, OutcomeUnknown, 1),
        (httpx2.ReadError, OutcomeUnknown, 1),
        (httpx2.WriteError, OutcomeUnknown, 1),
        (httpx2.RemoteProtocolError, OutcomeUnknown, 1),
    ],
)
async def test_only_a_request_that_never_left_is_sent_again(
    error: type[httpx2.TransportError], expected: type[ImageError], sent: int
) -> None:
    api, received = _answering(_raising(error))
    with pytest.raises(expected):
        await api.generate(REQUEST)
    assert len(received) == sent
    await api.aclose()


class _CutAfterTheFinalEvent(httpx2.AsyncByteStream):
    """A stream whose connection breaks when everything that matters has arrived."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        event = {"type": "image_generation.completed", "b64_json": "aW1hZ2U=", "created_at": 1}
        yield f"event: image_generation.completed\ndata: {json.dumps(event)}\n\n".encode()
        message = "reset"
        raise httpx2.ReadError(message)


async def test_a_stream_that_breaks_after_its_final_image_has_delivered_it() -> None:
    headers = {"content-type": "text/event-stream"}
    api, received = _answering(
        lambda _: httpx2.Response(200, stream=_CutAfterTheFinalEvent(), headers=headers)
    )
    generated = await api.generate(replace(REQUEST, partial_images=1))
    assert generated.images == (b"image",)
    assert len(received) == 1
    await api.aclose()


ELSEWHERE = "https://other.example/v1/images/generations"
SAME_HOST = "https://sandbox.invalid/v2/images/generations"


@pytest.mark.parametrize(
    ("status", "location", "base"),
    [
        (301, SAME_HOST, "https://sandbox.invalid/v2"),
        (302, "/v2/images/generations", "https://sandbox.invalid/v2"),
        (303, ELSEWHERE, "https://other.example/v1"),
        (307, ELSEWHERE, "https://other.example/v1"),
        (308, "http://sandbox.invalid/v1/images/generations", "http://sandbox.invalid/v1"),
        (308, "https://sandbox.invalid:8443/v1/images/generations", "https://sandbox.invalid:8443/v1"),
        (307, "https://user:secret@other.example/?token=secret", "https://other.example/"),
        (302, "http://[::1", "Correct OPENAI_BASE_URL."),
        (307, "file:///etc/passwd", "Correct OPENAI_BASE_URL."),
    ],
)
async def test_a_redirect_that_would_change_the_request_is_refused_with_its_address(
    status: int, location: str, base: str
) -> None:
    api, received = _answering(lambda _: httpx2.Response(status, headers={"location": location}))
    with pytest.raises(WrongAddress) as caught:
        await api.generate(REQUEST)
    assert base in caught.value.next_step
    assert "secret" not in str(caught.value)
    assert len(received) == 1
    await api.aclose()


@pytest.mark.parametrize("status", [307, 308])
async def test_a_redirect_within_the_host_takes_the_same_request_along(status: int) -> None:
    image = {"data": [{"b64_json": "aW1hZ2U="}]}
    api, received = _answering(
        lambda _: httpx2.Response(status, headers={"location": SAME_HOST}),
        lambda _: httpx2.Response(200, json=image),
    )
    assert (await api.generate(REQUEST)).images == (b"image",)
    first, second = received
    assert second.method == "POST"
    assert second.content == first.content
    assert second.headers["authorization"] == first.headers["authorization"]
    await api.aclose()


async def test_redirects_without_end_are_told_as_that() -> None:
    def again(_request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(307, headers={"location": SAME_HOST})

    api, _ = _answering(*[again] * 30)
    with pytest.raises(OutcomeUnknown, match="OPENAI_BASE_URL leads from one to another without end"):
        await api.generate(REQUEST)
    await api.aclose()


async def test_an_html_page_with_status_200_is_an_unknown_outcome() -> None:
    api, received = _answering(lambda _: httpx2.Response(200, html="<html>hello</html>"))
    with pytest.raises(OutcomeUnknown):
        await api.generate(REQUEST)
    assert len(received) == 1
    await api.aclose()


async def test_without_a_key_nothing_is_sent_and_the_variable_is_named() -> None:
    api = OpenAIApi(Settings())
    with pytest.raises(MissingApiKey, match="OPENAI_API_KEY") as refusal:
        await api.generate(REQUEST)
    assert "sandbox" in refusal.value.next_step
    await api.aclose()


async def test_a_key_that_cannot_be_sent_is_refused_without_showing_it() -> None:
    api = OpenAIApi(Settings.model_validate({"api_key": "sk-ключ"}))
    with pytest.raises(AuthenticationFailed) as refusal:
        await api.generate(REQUEST)
    assert "ключ" not in str(refusal.value)
    await api.aclose()


def test_every_error_class_of_the_sdk_is_known_here() -> None:
    """A new class in a later SDK has to be looked at before it reaches a user."""
    known = {
        "APIConnectionError",
        "APIError",
        "APIResponseValidationError",
        "APIStatusError",
        "APITimeoutError",
        "AuthenticationError",
        "BadRequestError",
        "ConflictError",
        "ContentFilterFinishReasonError",
        "InternalServerError",
        "InvalidWebhookSignatureError",
        "LengthFinishReasonError",
        "NotFoundError",
        "OAuthError",
        "OpenAIError",
        "PermissionDeniedError",
        "RateLimitError",
        "SubjectTokenProviderError",
        "UnprocessableEntityError",
        "WebSocketConnectionClosedError",
        "WebSocketQueueFullError",
    }
    found = {
        name
        for name in dir(openai)
        if not name.startswith("_")
        and isinstance(getattr(openai, name), type)
        and issubclass(getattr(openai, name), Exception)
    }
    assert found <= known


async def test_the_sdk_never_retries_by_itself(harness: Harness) -> None:
    await harness.api.generate(REQUEST)
    assert json.dumps(harness.posts[0].headers).find('x-stainless-retry-count": "0') > 0
