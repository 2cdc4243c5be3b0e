"""Every way in which a request can go wrong: what was sent, said, kept and spent, and that life goes on."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from gpt_image_mcp.errors import (
    ImageError,
    OutcomeUnknown,
    QuotaExhausted,
    RateLimited,
    UpstreamRejected,
    UpstreamUnavailable,
)
from tests.faults.observed import QUICK, calls, files, spent_usd, studio_for
from tests.faults.scripted import (
    REQUEST_ID,
    answer,
    closing,
    compressed,
    cut,
    document,
    dripping,
    held,
    html,
    image_file,
    picture,
    refusal,
    reset,
    serve_script,
    unused_address,
)

if TYPE_CHECKING:
    from pathlib import Path

    from gpt_image_mcp import Studio
    from tests.faults.scripted import Reply

# Never opened: what waits for it hangs.
_SHUT = asyncio.Event()


@dataclass(frozen=True)
class Fault:
    """What an endpoint does, and what must come of it.

    Attributes:
        replies: One for each request of the call.
        error: What the caller is told.
        says: What of the endpoint's words and numbers is passed on.
        request_id: Whether the endpoint's id is passed on.
        settings: Of the studio, besides one retry.
    """

    replies: tuple[Reply, ...]
    error: type[ImageError]
    says: str = ""
    request_id: bool = True
    settings: dict[str, Any] = field(default_factory=dict[str, Any])


def _lost(reply: Reply, says: str = "", **changes: Any) -> Fault:
    """A fault after which a picture may exist."""
    return Fault((reply,), OutcomeUnknown, says, **changes)


def _storm(status: int) -> Fault:
    """A server that fails each time."""
    return Fault((refusal(status),) * 2, UpstreamUnavailable, f"HTTP {status}")


FAULTS: dict[str, Fault] = {
    "a rate limit that goes on": Fault(
        (refusal(429, "Rate limit reached for gpt-image-2", code="rate_limit_exceeded"),) * 2,
        RateLimited,
        "Rate limit reached",
    ),
    "an exhausted quota": Fault(
        (refusal(429, "You exceeded your current quota", code="insufficient_quota", retry_after="1"),),
        QuotaExhausted,
        "exceeded your current quota",
    ),
    "HTTP 500 again and again": _storm(500),
    "HTTP 502 again and again": _storm(502),
    "HTTP 503 again and again": _storm(503),
    "HTTP 529 again and again": _storm(529),
    "a proxy's page with HTTP 502": Fault((html(502),) * 2, UpstreamUnavailable, "HTTP 502"),
    "a gateway that gave up with HTTP 504": _lost(refusal(504), "HTTP 504"),
    "a gateway that gave up with HTTP 524": _lost(refusal(524), "HTTP 524"),
    "a reset before the answer": _lost(reset(), request_id=False),
    "a close before the answer": _lost(closing(), request_id=False),
    "a close in the middle of the body": _lost(cut(document())),
    "a reset in the middle of the body": _lost(cut(document(), is_reset=True)),
    "a reset in the middle of a refusal": _lost(
        cut({"error": {"message": "x" * 500}}, status=500), request_id=False
    ),
    "truncated JSON": _lost(answer(b'{"created": 1, "data": [{"b64_json": "iVBORw0')),
    "an empty body": _lost(answer(b"")),
    "text that is no base64": _lost(picture("?" * 400)),
    "half of the base64": _lost(picture(document()["data"][0]["b64_json"][:60])),
    "base64 of something else": _lost(picture(b"this is no image")),
    "an image that is cut": _lost(picture(image_file()[:-20])),
    "no data": _lost(picture(data=[])),
    "data that is null": _lost(picture(data=None)),
    "an entry without an image": _lost(picture(data=[{"revised_prompt": "x"}])),
    "an error in a good answer": _lost(answer({"error": {"message": "boiler on fire"}}), "boiler on fire"),
    "a proxy's page with HTTP 200": _lost(html(200), "titled 'Please sign in'"),
    "gzip that is none": _lost(answer(b"plain", content_encoding="gzip")),
    "a hang": _lost(
        held(_SHUT), "GPT_IMAGE_TIMEOUT_SECONDS", request_id=False, settings={"timeout_seconds": 0.5}
    ),
    "a body that drips for ever": _lost(
        dripping(document(), pieces=10_000, pause_seconds=0.05), settings={"timeout_seconds": 0.5}
    ),
    "a refusal that drips for ever": _lost(
        dripping({"error": {"message": "x" * 500}}, pieces=500, pause_seconds=0.05, status=400),
        request_id=False,
        settings={"timeout_seconds": 0.5},
    ),
    "a redirect to nowhere": Fault((answer(b"", status=304),), UpstreamRejected, "HTTP 304"),
}


def _assert_told(error: ImageError, fault: Fault) -> None:
    """The error is of its kind, passes on what the endpoint said, and tells whether to repeat the call."""
    assert type(error) is fault.error
    assert fault.says in error.message
    assert error.retryable is issubclass(fault.error, RateLimited | UpstreamUnavailable)
    assert error.request_id == (REQUEST_ID if fault.request_id else None)


async def _assert_settled(studio: Studio, error: ImageError) -> None:
    """The library remembers the failure; the reservation stays only where the outcome is unknown."""
    (call,) = calls()
    is_unknown = isinstance(error, OutcomeUnknown)
    assert call.status == ("outcome_unknown" if is_unknown else "failed")
    with pytest.raises(ImageError) as remembered:
        await studio.get(call.id)
    assert str(remembered.value) == str(error)
    assert remembered.value.request_id == error.request_id
    assert (await spent_usd(studio) > 0) is is_unknown


@pytest.mark.parametrize("name", FAULTS)
async def test_a_fault_is_told_settled_and_survived(name: str, tmp_path: Path) -> None:
    fault, folder = FAULTS[name], tmp_path / "out"
    settings = {"max_retries": 1, "output_dir": str(folder), **fault.settings}
    async with serve_script(*fault.replies) as endpoint, studio_for(endpoint, **settings) as studio:
        with pytest.raises(fault.error) as caught:
            await studio.generate("a fox", **QUICK)
        assert len(endpoint.posts) == len(fault.replies)
        _assert_told(caught.value, fault)
        assert files(folder) == []
        await _assert_settled(studio, caught.value)
        again = await studio.generate("a fox", **QUICK)
        assert files(folder) == [again.images[0].file_path.name]
        assert again.images[0].file_path.read_bytes() == image_file()
        assert len(endpoint.posts) == len(fault.replies) + 1


async def test_a_refused_connection_is_told_as_nothing_sent() -> None:
    async with studio_for(unused_address(), max_retries=1) as studio:
        with pytest.raises(UpstreamUnavailable) as caught:
            await studio.generate("a fox", **QUICK)
        assert caught.value.retryable
        assert "OPENAI_BASE_URL" in caught.value.next_step
        await _assert_settled(studio, caught.value)


async def test_a_long_rate_limit_is_told_to_this_call_and_to_the_next_without_asking() -> None:
    limited = refusal(429, "Limit 5", code="rate_limit_exceeded", retry_after="300")
    async with serve_script(limited) as endpoint, studio_for(endpoint) as studio:
        with pytest.raises(RateLimited, match="Limit 5") as caught:
            await studio.generate("a fox", **QUICK)
        assert "300 s" in caught.value.next_step
        await _assert_settled(studio, caught.value)
        with pytest.raises(RateLimited):
            await studio.generate("a fox", **QUICK)
        assert len(endpoint.posts) == 1
        assert [call.status for call in calls()] == ["failed", "failed"]
        assert await spent_usd(studio) == 0


async def test_an_absurd_rate_limit_breaks_neither_this_call_nor_the_next() -> None:
    limited = refusal(429, "Limit 5", code="rate_limit_exceeded", retry_after="1" + "0" * 20)
    async with serve_script(limited) as endpoint, studio_for(endpoint) as studio:
        for _ in range(2):
            with pytest.raises(RateLimited):
                await studio.generate("a fox", **QUICK)
        assert len(endpoint.posts) == 1


@pytest.mark.parametrize(
    "reply",
    [
        refusal(429, "Rate limit reached", code="rate_limit_exceeded"),
        refusal(429, "Rate limit reached", code="rate_limit_exceeded", retry_after="0"),
        refusal(500),
        html(502),
        refusal(503, retry_after="0"),
        refusal(529),
    ],
    ids=["429", "429 with retry-after", "500", "502", "503", "529"],
)
async def test_a_server_that_recovers_is_asked_again_and_paid_once(reply: Reply) -> None:
    async with serve_script(reply) as endpoint, studio_for(endpoint) as studio:
        result = await studio.generate("a fox", **QUICK)
        assert len(endpoint.posts) == 2
        assert endpoint.posts[0].json == endpoint.posts[1].json
        assert [call.status for call in calls()] == ["completed"]
        assert result.cost is not None
        assert await spent_usd(studio) == result.cost.usd


async def test_a_format_that_was_not_asked_for_is_named_after_its_bytes(tmp_path: Path) -> None:
    jpeg = image_file(image_format="JPEG")
    reply = picture(jpeg, output_format="png", size="1024x1024")
    async with serve_script(reply) as endpoint, studio_for(endpoint, output_dir=str(tmp_path)) as studio:
        result = await studio.generate("a fox", filename="fox.png", output_format="png", **QUICK)
    (image,) = result.images
    assert image.file_path == tmp_path / "fox.jpg"
    assert image.file_path.read_bytes() == jpeg
    assert (image.mime_type, image.width, image.height) == ("image/jpeg", 32, 32)
    assert result.applied is not None
    assert (result.applied.output_format, result.applied.size) == ("jpeg", "32x32")
    assert any("delivered jpeg although png was asked" in note for note in result.notes)


@pytest.mark.parametrize(
    "reply",
    [
        compressed(document()),
        dripping(document(), pieces=20, pause_seconds=0.05),
        picture(document()["data"][0]["b64_json"].rstrip("=")),
        picture("data:image/png;base64," + document()["data"][0]["b64_json"]),
        picture(usage=None),
        picture(usage={"input_tokens": "many"}),
        picture(usage={"input_tokens": 10**30, "output_tokens": 10**30}),
        picture(error=None),
        answer(document(), content_type="text/plain"),
    ],
    ids=[
        "gzip",
        "a slow drip",
        "base64 without padding",
        "a data address",
        "no usage",
        "unreadable usage",
        "usage of more tokens than there is money for",
        "an error that is null",
        "a wrong content type",
    ],
)
async def test_an_unusual_answer_is_used(reply: Reply) -> None:
    async with serve_script(reply) as endpoint, studio_for(endpoint) as studio:
        (image,) = (await studio.generate("a fox", **QUICK)).images
        assert len(endpoint.posts) == 1
    assert image.file_path.read_bytes() == image_file()


async def test_of_several_images_the_damaged_one_is_missing_and_named() -> None:
    good = document()["data"][0]
    reply = picture(data=[good, {"b64_json": good["b64_json"][:60]}, {"b64_json": "????"}])
    async with serve_script(reply) as endpoint, studio_for(endpoint) as studio:
        result = await studio.generate("a fox", n=3, **QUICK)
    assert [image.file_path.read_bytes() for image in result.images] == [image_file()]
    for number in (2, 3):
        assert f"Image {number} of 3 arrived damaged and was not kept." in result.notes


async def test_of_several_addresses_the_dead_one_is_missing_and_named() -> None:
    async with serve_script() as endpoint, studio_for(endpoint, max_retries=0) as studio:
        dead = f"{unused_address()}/2.png"
        endpoint.script.append(picture(data=[{"url": f"{endpoint.base_url}/1.png"}, {"url": dead}]))
        endpoint.script.append(answer(image_file()))
        result = await studio.generate("a fox", n=2, **QUICK)
        assert len(endpoint.posts) == 1
    assert [image.file_path.read_bytes() for image in result.images] == [image_file()]
    assert f"An image could not be fetched from {dead}." in result.notes


async def test_an_idle_connection_that_the_server_closed_is_not_used_again() -> None:
    async with serve_script(closing(picture())) as endpoint, studio_for(endpoint) as studio:
        for _ in range(2):
            assert (await studio.generate("a fox", **QUICK)).images
        assert len(endpoint.posts) == 2


@pytest.mark.parametrize(
    ("echoed", "applied"),
    [
        ({}, ("low", "opaque")),
        ({"quality": "auto", "background": "auto"}, ("low", "opaque")),
        ({"quality": "medium", "background": "transparent"}, ("medium", "transparent")),
    ],
    ids=["nothing", "auto", "what was made"],
)
async def test_what_took_effect_is_what_the_answer_says_or_else_what_was_asked(
    echoed: dict[str, str], applied: tuple[str, str]
) -> None:
    async with serve_script(picture(**echoed)) as endpoint, studio_for(endpoint) as studio:
        result = await studio.generate("a fox", background="opaque", **QUICK)
    assert result.applied is not None
    assert (result.applied.quality, result.applied.background) == applied
