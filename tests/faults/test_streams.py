"""Streams that break: cut at every event, ended by an error, or ended without a picture, and told apart."""

from __future__ import annotations

import base64
import contextlib
import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gpt_image_mcp.errors import (
    ImageError,
    ModerationBlocked,
    OutcomeUnknown,
    QuotaExhausted,
    RateLimited,
)
from gpt_image_mcp.openai_api import OpenAIApi
from gpt_image_mcp.openai_api.observer import NullObserver
from gpt_image_mcp.settings import Settings
from gpt_image_mcp.values.requests import ImageRequest
from tests.faults.observed import QUICK, calls, files, spent_usd, studio_for
from tests.faults.scripted import (
    REQUEST_ID,
    cut,
    document,
    error_event,
    final_event,
    image_file,
    partial_event,
    picture,
    refusal,
    reset,
    serve_script,
    sse,
    stream,
)

if TYPE_CHECKING:
    import asyncio
    from pathlib import Path

    from gpt_image_mcp.openai_api.observer import LazyImage
    from tests.faults.scripted import Received, Reply


class Partials(NullObserver):
    """Keeps the partial images that arrive."""

    def __init__(self) -> None:
        self.images: list[LazyImage] = []

    def receive_partial(self, image: LazyImage) -> None:
        """One of them."""
        self.images.append(image)


def _endless(event: bytes) -> Reply:
    """A stream that goes on until the connection is closed."""

    async def reply(_request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            while not writer.is_closing():
                writer.write(event)
                await writer.drain()

    return reply


def _nameless(event: bytes) -> bytes:
    return event.partition(b"\n")[2]


PARTIAL, FINAL = partial_event(), final_event()
# Where in both the base64 of the final image ends, with its quote, which need not come.
IMAGE_ENDS = len(PARTIAL) + re.search(rb'"b64_json": ?"[^"]*"', FINAL).end()  # type: ignore[union-attr]
HALF = FINAL[: len(FINAL) // 2]
REQUEST = ImageRequest(prompt="a fox", model="gpt-image-2", size="816x816", quality="low", partial_images=1)

# A reply, and what of its words and numbers is passed on.
LOST: dict[str, tuple[Reply, str]] = {
    "reset before the headers": (reset(), ""),
    "broken before the first event": (stream([], is_whole=False), ""),
    "broken after the partial image": (stream([PARTIAL], is_whole=False), ""),
    "broken in the final event": (stream([PARTIAL, HALF], is_whole=False), ""),
    "ended before the first event": (stream([]), "0"),
    "ended after the partial image": (stream([PARTIAL]), "1"),
    "ended in the final event": (stream([PARTIAL, HALF]), ""),
    "done without a final event": (stream([PARTIAL, b"data: [DONE]\n\n"]), ""),
    "an event that is cut and closed": (stream([PARTIAL, HALF, b"\n\n"]), ""),
    "an event that is no text": (stream([b"data: \xff\xfe\n\n"]), "0"),
    "events that are no objects": (
        stream([b"data: 5\n\ndata: null\n\ndata: [1]\n\n"]),
        "0",
    ),
    "an error of the server": (
        stream([PARTIAL, error_event("boom", code="server_error")]),
        "boom",
    ),
    "an error without a code": (stream([b'data: {"error": "boom"}\n\n']), "boom"),
    "a final event without an image": (
        stream([sse("image_generation.completed", created_at=1)]),
        "",
    ),
    "a plain answer without an image": (picture(data=[]), ""),
    "a plain answer that is cut": (cut(document()), ""),
}


@pytest.mark.parametrize("name", LOST)
async def test_a_broken_stream_is_an_unknown_outcome_that_says_how_it_broke(
    name: str, tmp_path: Path
) -> None:
    reply, says = LOST[name]
    folder = tmp_path / "out"
    settings = {"partial_images": 1, "output_dir": str(folder)}
    async with (
        serve_script(reply, then=stream([PARTIAL, FINAL])) as endpoint,
        studio_for(endpoint, **settings) as studio,
    ):
        with pytest.raises(OutcomeUnknown) as caught:
            await studio.generate("a fox", **QUICK)
        assert says in caught.value.message
        assert caught.value.request_id == (None if name == "reset before the headers" else REQUEST_ID)
        assert len(endpoint.posts) == 1
        assert files(folder) == []
        assert [call.status for call in calls()] == ["outcome_unknown"]
        assert await spent_usd(studio) > 0
        (image,) = (await studio.generate("a fox", **QUICK)).images
        assert image.file_path.read_bytes() == image_file()


@pytest.mark.parametrize(
    ("code", "message", "expected"),
    [
        ("rate_limit_exceeded", "Rate limit reached", RateLimited),
        ("insufficient_quota", "No credit", QuotaExhausted),
        ("moderation_blocked", "Rejected by the safety system", ModerationBlocked),
    ],
)
async def test_a_refusal_in_a_stream_has_its_code_and_is_not_sent_again(
    code: str, message: str, expected: type[ImageError]
) -> None:
    reply = stream([PARTIAL, error_event(message, code=code)])
    async with serve_script(reply) as endpoint, studio_for(endpoint, partial_images=1) as studio:
        with pytest.raises(expected, match=message):
            await studio.generate("a fox", **QUICK)
        assert len(endpoint.posts) == 1
        assert [call.status for call in calls()] == ["failed"]
        assert await spent_usd(studio) == 0


async def test_a_stream_that_is_refused_before_it_begins_is_asked_for_again() -> None:
    async with (
        serve_script(refusal(503), then=stream([PARTIAL, FINAL])) as endpoint,
        studio_for(endpoint, partial_images=1) as studio,
    ):
        assert (await studio.generate("a fox", **QUICK)).images
        assert [request.json["stream"] for request in endpoint.posts] == [True, True]


@pytest.mark.parametrize(
    "reply",
    [
        stream([PARTIAL, FINAL], is_whole=False),
        stream([FINAL]),
        stream([FINAL, error_event("too late", code="server_error")]),
        stream([sse("image_generation.partial_image", b64_json="?"), FINAL]),
        stream([sse("image_generation.partial_image"), FINAL]),
        stream([b": keep-alive\n\n", sse("image_generation.new_kind", data=1), FINAL]),
        stream([PARTIAL + FINAL + b"data: [DONE]\n\n"]),
        stream([PARTIAL, b"data: ping\n\n", b"data:\n\n", b"event: ping\ndata: {}\n\n", b"\n\n", FINAL]),
        stream([FINAL.replace(b"\n", b"\r\n")]),
        stream([(PARTIAL + FINAL).replace(b"\n", b"\r")]),
        stream([PARTIAL, FINAL.rstrip(b"\n")]),
        stream([b"\xef\xbb\xbf" + _nameless(FINAL)]),
        stream([_nameless(FINAL).replace(b"data: ", b"data:   ")]),
        stream([PARTIAL, FINAL], content_type=""),
        stream([PARTIAL, FINAL], content_type="application/octet-stream"),
        stream([PARTIAL, FINAL], content_type="text/event-stream; charset=utf-16"),
        stream([_nameless(PARTIAL), _nameless(FINAL)]),
        stream([FINAL.replace(b"\ndata: ", b"\n:\n: still there\nid: 7\ndata:")]),
        stream([FINAL.replace(b'"type"', b'"error": null, "type"')]),
        picture(),
    ],
    ids=[
        "broken after the final event",
        "no partial image",
        "an error after the final event",
        "a damaged partial image",
        "a partial event without an image",
        "comments and unknown events",
        "everything in one chunk",
        "heartbeats of several forms",
        "line ends of Windows",
        "line ends of old Macs",
        "no blank line at the end",
        "a byte order mark",
        "blanks before the data",
        "no content type",
        "a wrong content type",
        "a wrong character set",
        "events without names",
        "comments inside an event",
        "an error that is none",
        "a plain answer",
    ],
)
async def test_an_unusual_stream_delivers_its_picture(reply: Reply) -> None:
    async with serve_script(reply) as endpoint, studio_for(endpoint, partial_images=1) as studio:
        (image,) = (await studio.generate("a fox", **QUICK)).images
        assert len(endpoint.posts) == 1
    assert image.file_path.read_bytes() == image_file()


@pytest.mark.parametrize("line", [b": x\n", b"data:\n", b"data: {}\n\n", b"\r"])
async def test_a_stream_of_lines_without_an_end_is_hung_up_on(line: bytes) -> None:
    async with serve_script(_endless(line * 10_000)) as endpoint:
        api = OpenAIApi(Settings.model_validate({"api_key": "sk-test", "base_url": endpoint.base_url}))
        with pytest.raises(OutcomeUnknown, match="the stream ended without its final image"):
            await api.generate(REQUEST)
        await api.aclose()
        assert len(endpoint.posts) == 1


@pytest.mark.parametrize("image", [b"", image_file("gray")], ids=["damaged", "whole"])
async def test_a_partial_image_is_decoded_when_someone_looks(image: bytes) -> None:
    seen = Partials()
    event = PARTIAL if image else sse("image_generation.partial_image", b64_json="?")
    async with serve_script(stream([event, FINAL])) as endpoint:
        api = OpenAIApi(Settings.model_validate({"api_key": "sk-test", "base_url": endpoint.base_url}))
        await api.generate(REQUEST, seen)
        await api.aclose()
    assert [read() for read in seen.images] == [image]


async def test_a_picture_of_megabytes_in_many_pieces_is_delivered() -> None:
    image = bytes(3_000_000)
    event = sse("image_generation.completed", b64_json=base64.b64encode(image).decode())
    pieces = [event[start : start + 65_536] for start in range(0, len(event), 65_536)]
    async with serve_script(stream(pieces)) as endpoint:
        api = OpenAIApi(Settings.model_validate({"api_key": "sk-test", "base_url": endpoint.base_url}))
        assert (await api.generate(REQUEST)).images == (image,)
        await api.aclose()


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.lists(st.integers(0, len(PARTIAL + FINAL)), max_size=4))
async def test_a_stream_that_comes_in_any_pieces_is_delivered(at: list[int]) -> None:
    whole = PARTIAL + FINAL
    ends = sorted({*at, len(whole)} - {0})
    pieces = [whole[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    async with serve_script(stream(pieces)) as endpoint:
        api = OpenAIApi(Settings.model_validate({"api_key": "sk-test", "base_url": endpoint.base_url}))
        assert (await api.generate(REQUEST)).images == (image_file(),)
        await api.aclose()


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(length=st.integers(0, len(PARTIAL + FINAL)), is_whole=st.booleans())
@example(length=len(PARTIAL + FINAL) - 1, is_whole=False)
@example(length=len(PARTIAL + FINAL) - 2, is_whole=False)
@example(length=len(PARTIAL + FINAL) - 2, is_whole=True)
@example(length=IMAGE_ENDS, is_whole=False)
@example(length=IMAGE_ENDS - 3, is_whole=False)
async def test_a_stream_cut_anywhere_delivers_an_image_that_is_whole(length: int, *, is_whole: bool) -> None:
    received = (PARTIAL + FINAL)[:length]
    async with serve_script(stream([received], is_whole=is_whole)) as endpoint:
        api = OpenAIApi(Settings.model_validate({"api_key": "sk-test", "base_url": endpoint.base_url}))
        if length >= IMAGE_ENDS - 1:
            assert (await api.generate(REQUEST)).images == (image_file(),)
        else:
            with pytest.raises(OutcomeUnknown):
                await api.generate(REQUEST)
        await api.aclose()
        assert len(endpoint.posts) == 1
