"""Paid pictures that a gateway writes in its own way: each is in the library after one request."""

from __future__ import annotations

import gzip
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from gpt_image_mcp.errors import OutcomeUnknown, UpstreamRejected
from gpt_image_mcp.openai_api import OpenAIApi
from gpt_image_mcp.settings import Settings
from gpt_image_mcp.values.requests import ImageRequest
from tests.faults.answers import BODIES, DATA_URL, ENCODED, ENTRY, IMAGE, OTHER, json_of
from tests.faults.observed import QUICK, calls, files, spent_usd, studio_for
from tests.faults.scripted import (
    answer,
    cut,
    document,
    final_event,
    html,
    image_file,
    partial_event,
    picture,
    serve_script,
    sse,
    stream,
)

if TYPE_CHECKING:
    from tests.faults.scripted import Reply

JPEG, WEBP = image_file(image_format="JPEG"), image_file(image_format="WEBP")
REQUEST = ImageRequest(prompt="a fox", model="gpt-image-2", size="816x816", quality="low")
WHOLE = json_of(document())
STREAM = partial_event(OTHER) + final_event()

PLAIN: dict[str, Reply] = {
    **{name: answer(body) for name, body in BODIES.items()},
    "a stream that is called JSON": answer(STREAM),
    "a stream that is called text": answer(STREAM, content_type="text/plain"),
    "a stream that is called a stream": stream([STREAM]),
    "a stream that breaks after the image": stream([STREAM], is_whole=False),
    "JSON that is called a page": answer(WHOLE, content_type="text/html"),
    "JSON in chunks that never end": stream([WHOLE], is_whole=False, content_type="application/json"),
    "JSON that breaks after a whole image": cut(
        json_of({"data": [ENTRY], "filler": "x" * 500}), after_bytes=len(ENCODED) + 40
    ),
    "the picture as a file": answer(IMAGE, content_type="image/png"),
    "the picture in gzip": answer(gzip.compress(IMAGE), content_type="image/png", content_encoding="gzip"),
    "JSON that is called gzip": answer(WHOLE, content_encoding="gzip"),
    "gzip that is called nothing": answer(gzip.compress(WHOLE)),
    "gzip that is called deflate": answer(gzip.compress(WHOLE), content_encoding="deflate"),
    "gzip in two parts": answer(
        gzip.compress(WHOLE[:90]) + gzip.compress(WHOLE[90:]), content_encoding="gzip"
    ),
    "HTTP 201": answer(document(), status=201),
    "HTTP 202": answer(document(), status=202),
    "HTTP 203": answer(document(), status=203),
}
STREAMED: dict[str, Reply] = {
    **{f"{name}, for a stream": answer(body) for name, body in BODIES.items()},
    "JSON that is called a stream": stream([WHOLE]),
    "JSON that is called nothing": stream([WHOLE], content_type=""),
    "events of another kind": stream([b'data: {"images": ["' + ENCODED.encode() + b'"]}\n\n']),
    "an image before an empty final event": stream(
        [sse("image.output", image=DATA_URL), sse("image_generation.completed", created_at=1)]
    ),
    "an image before an event that is cut": stream(
        [sse("image.output", image=ENCODED), b'data: {"type": "im'], is_whole=False
    ),
    "an event that is cut after its image": stream(
        [partial_event(OTHER), final_event().partition(b', "created_at"')[0]], is_whole=False
    ),
    "an image before an error": stream([sse("image.output", image=ENCODED), sse("error", error="late")]),
    "data over several lines": stream([final_event().replace(b', "created_at"', b',\ndata: "created_at"')]),
    "a picture in place of the stream": stream([IMAGE], content_type="image/png"),
}
# What follows the end of a picture.
REST = {
    "a line break": b"\n",
    "zeros": bytes(5_000),
    "another picture": OTHER * 20,
    "half a picture": IMAGE[: len(IMAGE) // 2] * 3,
    "a film": b"\0\0\0\x18ftypmp42" + bytes(range(256)) * 40,
    "text": b"-- made by a gateway --" * 40,
}


async def _assert_stored(reply: Reply, file: bytes, *, partial_images: int = 0) -> None:
    async with (
        serve_script(reply) as endpoint,
        studio_for(endpoint, partial_images=partial_images) as studio,
    ):
        (image,) = (await studio.generate("a fox", **QUICK)).images
        assert len(endpoint.posts) == 1
    assert image.file_path.read_bytes() == file
    assert [call.status for call in calls()] == ["completed"]
    assert list((Path.home() / "data" / "gpt-image-mcp" / "answers").glob("*")) == []


WITHOUT_PICTURE: list[Any] = [
    {"task_id": "task_1", "status": "queued"},
    {"id": "gen-1", "object": "generation", "status": "in_progress", "eta": 20},
    {"code": 200, "data": {"taskId": "task_1"}},
    {"request_id": "task_1", "urls": {"get": "https://api.example/task_1"}},
    {"status": "processing", "status_url": "https://api.example/task_1"},
    ["task_1"],
    "task_1",
    {"data": [{}], "note": "task_1"},
    {"images": [], "queue": "task_1"},
    {"task": "task_1", "params": {"image": DATA_URL}},
    {"task": "task_1", "original_request": {"images": [ENCODED]}, "thumbnail": DATA_URL},
    {"task": "task_1", "init_image_url": "/a.png", "webhook_url": "/b.png", "brand": {"logo": "/c.png"}},
    {"task": "task_1", "preview_image": ENCODED, "user": {"avatar": DATA_URL}},
    {"choices": [{"message": {"content": "Your picture will be ready soon: task_1"}}]},
]


async def test_the_own_photo_in_an_answer_is_not_taken_for_the_result(project: Path) -> None:
    (project / "photo.png").write_bytes(IMAGE)
    body = {"task": "task_1", "status": "submitted", "image": DATA_URL}
    async with serve_script(answer(body)) as endpoint, studio_for(endpoint) as studio:
        with pytest.raises(OutcomeUnknown, match="task_1"):
            await studio.edit("night", ["photo.png"], **QUICK)
        assert len(endpoint.posts) == 1


HOST_ANSWERS: dict[str, Any] = {
    "an item without a type": {"output": [{"result": ENCODED}]},
    "an image in a message": {
        "output": [{"type": "message", "content": [{"type": "image", "image": DATA_URL}]}]
    },
    "Markdown in a message": {"output": [{"type": "message", "content": [{"text": f"![a]({DATA_URL})"}]}]},
    "a call that is called otherwise": {"output": [{"type": "image_generation", "result": ENCODED}]},
}


@pytest.mark.parametrize("name", HOST_ANSWERS)
async def test_a_picture_that_a_host_model_writes_in_its_own_way_is_stored(name: str, project: Path) -> None:
    (project / "photo.png").write_bytes(OTHER)
    replies = (answer({"id": "file-1"}), answer(HOST_ANSWERS[name]), answer({"deleted": True}))
    async with (
        serve_script(*replies) as endpoint,
        studio_for(endpoint, force_responses_edits=True) as studio,
    ):
        (image,) = (await studio.edit("night", ["photo.png"], **QUICK)).images
    assert image.file_path.read_bytes() == IMAGE


async def test_a_host_model_that_has_only_queued_the_picture_may_bill_it(project: Path) -> None:
    (project / "photo.png").write_bytes(OTHER)
    queued: dict[str, Any] = {"id": "resp_1", "status": "queued", "output": []}
    replies = (answer({"id": "file-1"}), answer(queued), answer({"deleted": True}))
    async with (
        serve_script(*replies) as endpoint,
        studio_for(endpoint, force_responses_edits=True) as studio,
    ):
        with pytest.raises(OutcomeUnknown, match="queued"):
            await studio.edit("night", ["photo.png"], **QUICK)


@pytest.mark.parametrize("name", PLAIN)
async def test_a_picture_that_came_is_stored(name: str) -> None:
    await _assert_stored(PLAIN[name], IMAGE)


@pytest.mark.parametrize("name", STREAMED)
async def test_a_picture_that_came_in_place_of_a_stream_is_stored(name: str) -> None:
    await _assert_stored(STREAMED[name], IMAGE, partial_images=1)


@pytest.mark.parametrize("rest", REST)
@pytest.mark.parametrize("file", [IMAGE, JPEG, WEBP], ids=["png", "jpeg", "webp"])
async def test_a_picture_with_bytes_after_its_end_is_stored_as_it_came(file: bytes, rest: str) -> None:
    await _assert_stored(picture(file + REST[rest]), file + REST[rest])


@pytest.mark.parametrize("body", WITHOUT_PICTURE)
@pytest.mark.parametrize("status", [200, 202])
async def test_an_answer_without_a_picture_is_unknown_kept_and_quoted(
    body: object, status: int, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    async with (
        serve_script(answer(body, status=status)) as endpoint,
        studio_for(endpoint, output_dir=str(folder)) as studio,
    ):
        with pytest.raises(OutcomeUnknown) as caught:
            await studio.generate("a fox", **QUICK)
        assert len(endpoint.posts) == 1
        assert await spent_usd(studio) > 0
    (kept,) = (Path.home() / "data" / "gpt-image-mcp" / "answers").glob("*")
    assert str(kept) in caught.value.message
    assert kept.read_bytes() == json_of(body)
    assert json_of(body).decode()[:250] in caught.value.message
    assert files(folder) == []
    assert [call.status for call in calls()] == ["outcome_unknown"]


def _host_answer(**call: object) -> dict[str, object]:
    item = {"type": "image_generation_call", "status": "completed", **call}
    return {"status": "completed", "output": [{"type": "reasoning"}, item]}


RESPONSES: dict[str, Reply] = {
    "base64 without padding": answer(_host_answer(result=ENCODED.rstrip("="))),
    "a data URL": answer(_host_answer(result=DATA_URL)),
    "a link": answer(_host_answer(result="/files/a.png")),
    "an object": answer(_host_answer(result={"b64_json": ENCODED})),
    "a list": answer(_host_answer(result=[ENCODED])),
    "another field": answer(_host_answer(image_url={"url": DATA_URL})),
    "a stream": answer(
        sse("response.created", response={"output": []})
        + sse("response.image_generation_call.partial_image", partial_image_b64=ENCODED)
        + sse("response.completed", response=_host_answer(result=ENCODED))
    ),
    "a byte order mark": answer(b"\xef\xbb\xbf" + json_of(_host_answer(result=ENCODED))),
    "an answer of the images endpoint": answer(document()),
}


@pytest.mark.parametrize("name", RESPONSES)
async def test_a_picture_of_the_responses_api_is_read_by_the_same_reader(name: str) -> None:
    file = answer(IMAGE, content_type="image/png")
    async with serve_script(RESPONSES[name], then=file) as endpoint:
        api = OpenAIApi(Settings.model_validate({"api_key": "sk-test", "base_url": endpoint.base_url}))
        generated = await api.respond(REQUEST, host_model="gpt-5", file_ids=["file-1"], mask_id=None)
        await api.aclose()
        assert len(endpoint.posts) == 1
    assert generated.images == (IMAGE,)
    assert generated.route == "responses"


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 60_000 + b"]" * 60_000,
        b'{"output":' * 60_000,
        b"<html></html>",
        b"[]",
        b'{"id": ""}',
        b"null",
        b"",
    ],
)
async def test_an_upload_that_is_given_no_id_is_refused_whatever_the_answer_is(body: bytes) -> None:
    async with serve_script(answer(body)) as endpoint:
        api = OpenAIApi(Settings.model_validate({"api_key": "sk-test", "base_url": endpoint.base_url}))
        with pytest.raises(UpstreamRejected, match="no id"):
            await api.upload(("a.png", BytesIO(IMAGE), "image/png"))
        await api.aclose()


async def test_a_link_in_the_words_of_a_host_model_that_drew_nothing_is_not_followed() -> None:
    said = {"type": "message", "content": [{"type": "output_text", "text": "![a](/files/a.png)"}]}
    async with serve_script(answer({"status": "completed", "output": [said]})) as endpoint:
        api = OpenAIApi(Settings.model_validate({"api_key": "sk-test", "base_url": endpoint.base_url}))
        with pytest.raises(UpstreamRejected):
            await api.respond(REQUEST, host_model="gpt-5", file_ids=["file-1"], mask_id=None)
        await api.aclose()
        assert len(endpoint.requests) == 1


async def test_a_page_with_links_is_not_taken_for_a_picture() -> None:
    page = b'<html><head><script>[{"image": "/logo.png"}]</script></head><img src="/logo.png"></html>'
    async with serve_script(answer(page, content_type="text/html"), html(200)) as endpoint:
        async with studio_for(endpoint) as studio:
            for _ in range(2):
                with pytest.raises(OutcomeUnknown):
                    await studio.generate("a fox", **QUICK)
        assert len(endpoint.requests) == 2
