"""The ways in which a gateway may write a paid picture, each as the body of an answer."""

from __future__ import annotations

import base64
import json
from typing import Any

from tests.faults.scripted import error_event, final_event, image_file, partial_event, sse

IMAGE, OTHER = image_file(), image_file("gray")
ENCODED, OTHER_ENCODED = (base64.b64encode(image).decode() for image in (IMAGE, OTHER))
URL_SAFE = base64.urlsafe_b64encode(image_file("gray", image_format="JPEG")).decode()
DATA_URL = f"data:image/png;base64,{ENCODED}"
WRAPPED = "\r\n".join(ENCODED[start : start + 76] for start in range(0, len(ENCODED), 76))
ENTRY = {"b64_json": ENCODED}
LINK = "https://cdn.example/a.png?sig=a%2Fb"


def json_of(document: Any) -> bytes:
    """A document as the bytes of a body."""
    return json.dumps(document).encode()


BODIES: dict[str, bytes] = {
    "base64 with line breaks": json_of({"data": [{"b64_json": WRAPPED}]}),
    "base64 with blanks": json_of({"data": [{"b64_json": " ".join((ENCODED[:8], ENCODED[8:]))}]}),
    "base64 with escaped line breaks": json_of({"data": [{"b64_json": WRAPPED.replace("\r\n", "\\n")}]}),
    "base64 without padding": json_of({"data": [{"b64_json": ENCODED.rstrip("=")}]}),
    "base64 with too much padding": json_of({"data": [{"b64_json": ENCODED.rstrip("=") + "==="}]}),
    "base64 with escapes of addresses": json_of({"data": [{"b64_json": ENCODED.replace("+", "%2B")}]}),
    "URL-safe base64": json_of({"data": [{"b64_json": ENCODED.replace("+", "-").replace("/", "_")}]}),
    "line breaks that JSON does not allow": b'{"data": [{"b64_json": "' + WRAPPED.encode() + b'"}]}',
    "a data URL as base64": json_of({"data": [{"b64_json": DATA_URL}]}),
    "a data URL as address": json_of({"data": [{"url": DATA_URL}]}),
    "a data URL in capitals": json_of({"data": [{"url": DATA_URL.replace("data:image", "DATA:IMAGE")}]}),
    "a data URL without a type": json_of({"data": [{"url": f"data:;base64,{ENCODED}"}]}),
    "a byte order mark": b"\xef\xbb\xbf" + json_of({"data": [ENTRY]}),
    "UTF-16": json.dumps({"data": [ENTRY]}).encode("utf-16"),
    "blank heartbeats before the JSON": b" \n\n \n" + json_of({"data": [ENTRY]}),
    "comments before the JSON": b": wait\n\n" + json_of({"data": [ENTRY]}),
    "a protected prefix": b")]}',\n" + json_of({"data": [ENTRY]}),
    "words after the JSON": json_of({"data": [ENTRY]}) + b"\n<!-- cached -->",
    "one JSON a line": json_of({"status": "working"}) + b"\n" + json_of({"data": [ENTRY]}),
    "JSON in a text of JSON": json_of({"result": json.dumps({"data": [ENTRY]})}),
    "bytes that are no text": json_of({"data": [ENTRY]})[:-1] + b', "note": "\xff\xfe"}',
    "a number of thousands of digits": json_of({"data": [ENTRY]})[:-1] + b', "seed": ' + b"9" * 5_000 + b"}",
    "data that is an object": json_of({"data": ENTRY}),
    "data that is a text": json_of({"data": ENCODED}),
    "data that is a list of texts": json_of({"data": [ENCODED]}),
    "data in data": json_of({"data": {"data": [ENTRY]}}),
    "images": json_of({"images": [ENTRY]}),
    "images of texts": json_of({"images": [ENCODED]}),
    "output": json_of({"output": [{"type": "image", "image": ENCODED}]}),
    "a result": json_of({"code": 0, "msg": "ok", "result": {"image_base64": ENCODED}}),
    "results": json_of({"results": [{"base64": ENCODED}]}),
    "artifacts": json_of({"artifacts": [{"base64": ENCODED, "finishReason": "SUCCESS"}]}),
    "predictions": json_of({"predictions": [{"bytesBase64Encoded": ENCODED, "mimeType": "image/png"}]}),
    "inline data": json_of(
        {"candidates": [{"content": {"parts": [{"text": "Here."}, {"inlineData": {"data": ENCODED}}]}}]}
    ),
    "a chat message with images": json_of(
        {"choices": [{"message": {"content": "Here.", "images": [{"image_url": {"url": DATA_URL}}]}}]}
    ),
    "a chat message in Markdown": json_of({"choices": [{"message": {"content": f"Here: ![a]({DATA_URL})"}}]}),
    "a bare list": json_of([ENTRY]),
    "a bare object": json_of({"image": ENCODED}),
    "a bare text": json_of(ENCODED),
    "base64 without JSON": ENCODED.encode(),
    "a data URL without JSON": DATA_URL.encode(),
    "the picture itself": IMAGE,
    "a field of an unknown name": json_of({"drawing": ENCODED, "id": "a", "status": "done"}),
    "a field in other letters": json_of({"data": [{"B64-JSON": ENCODED}]}),
    "an image beside its address": json_of({"data": [{"url": LINK, "b64_json": ENCODED}]}),
    "an address beside damaged data": json_of({"data": [{"b64_json": "?", "url": DATA_URL}]}),
    "an error beside the image": json_of({"error": {"message": "slow"}, "data": [ENTRY]}),
    "the input beside the image": json_of({"input": {"image": OTHER_ENCODED}, "drawing": ENCODED}),
    "a stream": partial_event() + final_event(),
    "a stream of another kind": b'data: {"data": [' + json_of(ENTRY) + b"]}\n\ndata: [DONE]\n\n",
    "a stream that repeats its image": sse("image.done", **ENTRY) + final_event(),
    "a stream with heartbeats": b": a\n\ndata: ping\n\ndata:\n\nevent: ping\ndata: {}\n\n" + final_event(),
    "a stream with line ends of old Macs": (partial_event() + final_event()).replace(b"\n", b"\r"),
    "a stream with a byte order mark": b"\xef\xbb\xbf" + final_event(),
    "a stream that lacks its end": final_event().rstrip(b"\n"),
    "a stream with an error after the image": final_event() + error_event("late", code="server_error"),
    "JSON that is cut before the quote": json_of({"data": [ENTRY]}).partition(b'"}')[0],
    "words around a data URL": json_of({"choices": [{"message": {"content": f"Here it is: {DATA_URL} ."}}]}),
    "base64 with a prefix": json_of({"data": [{"b64_json": f"image/png;base64,{ENCODED}"}]}),
    "base64 with invisible signs": json_of(
        {"data": [{"b64_json": "\u200b".join((ENCODED[:9], ENCODED[9:]))}]}
    ),
    "a page of XML": f"<answer><image>{ENCODED}</image></answer>".encode(),
    "a dictionary of Python": repr({"data": [ENTRY], "ok": True}).encode(),
    "a blank line before the picture": b"\r\n" + IMAGE,
    "an image twice in Markdown": json_of({"content": f"![a]({DATA_URL}) ![a]({DATA_URL})"}),
    "the request beside the image": json_of({"params": {"image": OTHER_ENCODED}, "drawing": ENCODED}),
    "a source beside the image": json_of({"sourceImageBase64": OTHER_ENCODED, "drawing": ENCODED}),
    "an avatar beside the image": json_of({"user": {"picture": OTHER_ENCODED}, "drawing": ENCODED}),
    "a preview beside the image": json_of({"preview_image": OTHER_ENCODED, "drawing": ENCODED}),
    "a thought beside the image": json_of(
        {
            "parts": [
                {"thought": True, "inlineData": {"data": OTHER_ENCODED}},
                {"inlineData": {"data": ENCODED}},
            ]
        }
    ),
    "a stream with a preview": sse("preview", image=OTHER_ENCODED) + sse("complete", image=ENCODED),
    "JSON that is cut after its image": json_of({"data": [ENTRY, ENTRY]})[: len(ENCODED) + 60],
}
