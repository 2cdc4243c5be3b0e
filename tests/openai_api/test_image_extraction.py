"""Every way in which an answer may write its image, read by the one reader there is."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from gpt_image_mcp.openai_api.images_response import (
    UnusableBody,
    read_images_body,
    read_partial_images,
)
from tests.faults.scripted import error_event, final_event, image_file, partial_event, sse

IMAGE, OTHER = image_file(), image_file("gray")
ENCODED, OTHER_ENCODED = (base64.b64encode(image).decode() for image in (IMAGE, OTHER))
URL_SAFE = base64.urlsafe_b64encode(image_file("gray", image_format="JPEG")).decode()
DATA_URL = f"data:image/png;base64,{ENCODED}"
WRAPPED = "\r\n".join(ENCODED[start : start + 76] for start in range(0, len(ENCODED), 76))
ENTRY = {"b64_json": ENCODED}
LINK = "https://cdn.example/a.png?sig=a%2Fb"


def _json(document: Any) -> bytes:
    return json.dumps(document).encode()


BODIES: dict[str, bytes] = {
    "base64 with line breaks": _json({"data": [{"b64_json": WRAPPED}]}),
    "base64 with blanks": _json({"data": [{"b64_json": " ".join((ENCODED[:8], ENCODED[8:]))}]}),
    "base64 with escaped line breaks": _json({"data": [{"b64_json": WRAPPED.replace("\r\n", "\\n")}]}),
    "base64 without padding": _json({"data": [{"b64_json": ENCODED.rstrip("=")}]}),
    "base64 with too much padding": _json({"data": [{"b64_json": ENCODED.rstrip("=") + "==="}]}),
    "base64 with escapes of addresses": _json({"data": [{"b64_json": ENCODED.replace("+", "%2B")}]}),
    "URL-safe base64": _json({"data": [{"b64_json": ENCODED.replace("+", "-").replace("/", "_")}]}),
    "line breaks that JSON does not allow": b'{"data": [{"b64_json": "' + WRAPPED.encode() + b'"}]}',
    "a data URL as base64": _json({"data": [{"b64_json": DATA_URL}]}),
    "a data URL as address": _json({"data": [{"url": DATA_URL}]}),
    "a data URL in capitals": _json({"data": [{"url": DATA_URL.replace("data:image", "DATA:IMAGE")}]}),
    "a data URL without a type": _json({"data": [{"url": f"data:;base64,{ENCODED}"}]}),
    "a byte order mark": b"\xef\xbb\xbf" + _json({"data": [ENTRY]}),
    "UTF-16": json.dumps({"data": [ENTRY]}).encode("utf-16"),
    "blank heartbeats before the JSON": b" \n\n \n" + _json({"data": [ENTRY]}),
    "comments before the JSON": b": wait\n\n" + _json({"data": [ENTRY]}),
    "a protected prefix": b")]}',\n" + _json({"data": [ENTRY]}),
    "words after the JSON": _json({"data": [ENTRY]}) + b"\n<!-- cached -->",
    "one JSON a line": _json({"status": "working"}) + b"\n" + _json({"data": [ENTRY]}),
    "JSON in a text of JSON": _json({"result": json.dumps({"data": [ENTRY]})}),
    "bytes that are no text": _json({"data": [ENTRY]})[:-1] + b', "note": "\xff\xfe"}',
    "a number of thousands of digits": _json({"data": [ENTRY]})[:-1] + b', "seed": ' + b"9" * 5_000 + b"}",
    "data that is an object": _json({"data": ENTRY}),
    "data that is a text": _json({"data": ENCODED}),
    "data that is a list of texts": _json({"data": [ENCODED]}),
    "data in data": _json({"data": {"data": [ENTRY]}}),
    "images": _json({"images": [ENTRY]}),
    "images of texts": _json({"images": [ENCODED]}),
    "output": _json({"output": [{"type": "image", "image": ENCODED}]}),
    "a result": _json({"code": 0, "msg": "ok", "result": {"image_base64": ENCODED}}),
    "results": _json({"results": [{"base64": ENCODED}]}),
    "artifacts": _json({"artifacts": [{"base64": ENCODED, "finishReason": "SUCCESS"}]}),
    "predictions": _json({"predictions": [{"bytesBase64Encoded": ENCODED, "mimeType": "image/png"}]}),
    "inline data": _json(
        {"candidates": [{"content": {"parts": [{"text": "Here."}, {"inlineData": {"data": ENCODED}}]}}]}
    ),
    "a chat message with images": _json(
        {"choices": [{"message": {"content": "Here.", "images": [{"image_url": {"url": DATA_URL}}]}}]}
    ),
    "a chat message in Markdown": _json({"choices": [{"message": {"content": f"Here: ![a]({DATA_URL})"}}]}),
    "a bare list": _json([ENTRY]),
    "a bare object": _json({"image": ENCODED}),
    "a bare text": _json(ENCODED),
    "base64 without JSON": ENCODED.encode(),
    "a data URL without JSON": DATA_URL.encode(),
    "the picture itself": IMAGE,
    "a field of an unknown name": _json({"drawing": ENCODED, "id": "a", "status": "done"}),
    "a field in other letters": _json({"data": [{"B64-JSON": ENCODED}]}),
    "an image beside its address": _json({"data": [{"url": LINK, "b64_json": ENCODED}]}),
    "an address beside damaged data": _json({"data": [{"b64_json": "?", "url": DATA_URL}]}),
    "an error beside the image": _json({"error": {"message": "slow"}, "data": [ENTRY]}),
    "the input beside the image": _json({"input": {"image": OTHER_ENCODED}, "drawing": ENCODED}),
    "a stream": partial_event() + final_event(),
    "a stream of another kind": b'data: {"data": [' + _json(ENTRY) + b"]}\n\ndata: [DONE]\n\n",
    "a stream that repeats its image": sse("image.done", **ENTRY) + final_event(),
    "a stream with heartbeats": b": a\n\ndata: ping\n\ndata:\n\nevent: ping\ndata: {}\n\n" + final_event(),
    "a stream with line ends of old Macs": (partial_event() + final_event()).replace(b"\n", b"\r"),
    "a stream with a byte order mark": b"\xef\xbb\xbf" + final_event(),
    "a stream that lacks its end": final_event().rstrip(b"\n"),
    "a stream with an error after the image": final_event() + error_event("late", code="server_error"),
    "JSON that is cut after its image": _json({"data": [ENTRY, ENTRY]})[: len(ENCODED) + 60],
}


@pytest.mark.parametrize("name", BODIES)
def test_the_image_is_found(name: str) -> None:
    assert read_images_body(BODIES[name]).images == (IMAGE,)


def test_url_safe_base64_of_a_jpeg_is_told_from_a_link() -> None:
    body = _json({"output": URL_SAFE})
    assert read_images_body(body).images == (image_file("gray", image_format="JPEG"),)


@pytest.mark.parametrize(
    "document",
    [
        {"data": [ENTRY, {"b64_json": OTHER_ENCODED}]},
        {"images": [ENCODED, DATA_URL.replace(ENCODED, OTHER_ENCODED)]},
        {"image_1": ENCODED, "image_2": OTHER_ENCODED},
        [{"image": ENCODED}, {"image": OTHER_ENCODED}],
    ],
)
def test_several_images_keep_their_order(document: Any) -> None:
    assert read_images_body(_json(document)).images == (IMAGE, OTHER)


@pytest.mark.parametrize(
    "document",
    [
        {"data": [{"url": LINK}]},
        {"data": [LINK]},
        {"data": {"image_url": {"url": LINK}}},
        {"images": [{"imageUrl": LINK}]},
        {"output": LINK},
        {"result": {"download_url": LINK, "size": "1024x1024"}},
        {"b64_json": LINK},
        {"choices": [{"message": {"content": f"![fox]({LINK})"}}]},
        LINK,
    ],
)
def test_a_link_is_found(document: Any) -> None:
    assert read_images_body(_json(document)).urls == (LINK,)


@pytest.mark.parametrize(
    "link", ["/files/a.png", "files/a.png", "//host/a.png", "a.png", "./a", "../a?b=c", "/v1/files/7/content"]
)
@pytest.mark.parametrize("name", ["url", "image_url", "image", "b64_json"])
def test_a_relative_link_is_found_in_any_field(name: str, link: str) -> None:
    assert read_images_body(_json({"data": [{name: link}]})).urls == (link,)


@pytest.mark.parametrize(
    "document",
    [
        {"id": "task_1", "status": "queued", "urls": {"get": "https://api.example/tasks/1"}},
        {"task_id": "abcd", "status": "success", "status_url": "https://api.example/tasks/1"},
        {"code": 0, "message": "ok", "data": {"task_id": "a/b"}},
        {"data": [], "images": None, "output": [], "result": "done"},
        {"data": [{"revised_prompt": "a.png or b/c"}]},
        {"input": {"image": ENCODED}, "status": "processing"},
    ],
)
def test_an_answer_without_an_image_holds_none(document: Any) -> None:
    with pytest.raises(UnusableBody):
        read_images_body(_json(document))


def test_a_preview_is_not_the_image() -> None:
    with pytest.raises(UnusableBody):
        read_images_body(partial_event() + partial_event(OTHER))


def test_the_previews_of_a_broken_stream_can_be_had() -> None:
    body = partial_event(IMAGE) + partial_event(IMAGE) + partial_event(OTHER) + final_event()[:200]
    assert read_partial_images(body) == (IMAGE, OTHER)


def test_what_an_unusual_answer_says_of_its_image_is_read() -> None:
    body = {"result": {"image": ENCODED, "quality": "high"}, "usage": {"input_tokens": 5, "output_tokens": 7}}
    answer = read_images_body(_json(body))
    assert answer.quality == "high"
    assert answer.usage is not None
    assert answer.usage.output_tokens == 7


def test_nesting_of_thousands_is_no_image() -> None:
    for body in (b"[" * 100_000, b'{"data":' * 100_000, _json({"data": "[" * 100_000})):
        with pytest.raises(UnusableBody):
            read_images_body(body)
