"""An endpoint that repeats the key it was sent: neither the caller, nor the library, nor the log sees it."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from gpt_image_mcp.errors import ImageError
from tests.faults.observed import QUICK, studio_for
from tests.faults.scripted import answer, error_event, refusal, serve_script, stream

if TYPE_CHECKING:
    from tests.faults.scripted import Reply

# Of a form that only the settings can tell to be a key, and the usual one.
PLAIN, USUAL = "a1b2c3d4e5f6a7b8c9d0e1f2", "sk-proj-SECRETSECRETSECRETSECRET"


def _echo(key: str, words: str) -> dict[str, Reply]:
    said = words.format(key=key)
    return {
        "400": refusal(400, said),
        "401": refusal(401, said),
        "403": refusal(403, said),
        "404": refusal(404, said),
        "429": refusal(429, said),
        "quota": refusal(429, said, code="insufficient_quota"),
        "moderation": answer(
            {
                "error": {
                    "message": said,
                    "code": "moderation_blocked",
                    "moderation_details": {"categories": [said]},
                }
            },
            status=400,
        ),
        "a parameter": answer({"error": {"message": "no", "param": said}}, status=400),
        "500": refusal(500, said),
        "504": refusal(504, said),
        "plain text": answer(said.encode(), status=400, content_type="text/plain"),
        "an error in a good answer": answer({"error": {"message": said}}),
        "an address": answer({"data": [{"url": f"ftp://Bearer {key}"}]}),
    }


def _written() -> bytes:
    return b"".join(path.read_bytes() for path in Path.home().rglob("*") if path.is_file())


async def _assert_kept(error: ImageError, key: str, caplog: pytest.LogCaptureFixture) -> None:
    secret = key[:12]
    assert secret not in str(error)
    assert secret not in repr(error)
    assert secret.encode() not in _written()
    assert secret not in caplog.text


@pytest.mark.parametrize(
    ("key", "words"),
    [(USUAL, "received header Bearer {key}"), (PLAIN, "got <{key}>"), (PLAIN, "x" * 590 + " {key}")],
    ids=["a header", "in brackets", "where long words are cut"],
)
async def test_a_key_that_an_answer_repeats_is_not_passed_on(
    key: str, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "gpt_image_mcp")
    replies = _echo(key, words)
    async with serve_script(*replies.values()) as endpoint:
        async with studio_for(endpoint, api_key=key, max_retries=0) as studio:
            for _ in replies:
                with pytest.raises(ImageError) as caught:
                    await studio.generate("a fox", **QUICK)
                await _assert_kept(caught.value, key, caplog)
        assert [request.headers["authorization"] for request in endpoint.posts] == [f"Bearer {key}"] * len(
            replies
        )


@pytest.mark.parametrize("key", [PLAIN, USUAL], ids=["plain", "usual"])
async def test_a_key_that_a_stream_repeats_is_not_passed_on(
    key: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "gpt_image_mcp")
    event = error_event(f"received {key}", code="server_error")
    async with (
        serve_script(stream([event])) as endpoint,
        studio_for(endpoint, api_key=key, partial_images=1) as studio,
    ):
        with pytest.raises(ImageError) as caught:
            await studio.generate("a fox", **QUICK)
        await _assert_kept(caught.value, key, caplog)


RESPONSES: dict[str, dict[str, Any]] = {
    "a failure": {"status": "failed", "error": {"message": "received {key}", "code": "{key}"}},
    "words": {"output": [{"type": "message", "content": [{"text": "Your key is {key}."}]}]},
}


@pytest.mark.parametrize("name", RESPONSES)
@pytest.mark.parametrize("key", [PLAIN, USUAL], ids=["plain", "usual"])
async def test_a_key_that_a_host_model_repeats_is_not_passed_on(
    key: str, name: str, project: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "gpt_image_mcp")
    Image.new("RGB", (64, 64)).save(project / "photo.png")
    body = json.dumps(RESPONSES[name]).replace("{key}", key).encode()
    replies = (answer({"id": "file-1"}), answer(body), answer({"deleted": True}))
    async with (
        serve_script(*replies) as endpoint,
        studio_for(endpoint, api_key=key, force_responses_edits=True) as studio,
    ):
        with pytest.raises(ImageError) as caught:
            await studio.edit("night", ["photo.png"], **QUICK)
        await _assert_kept(caught.value, key, caplog)
