"""What the API answered is on disk before anything reads it, and stays if its images cannot be stored."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gpt_image_mcp import Settings, Studio
from gpt_image_mcp.errors import ImageError, OutcomeUnknown
from tests.faults.observed import QUICK, studio_for
from tests.faults.scripted import (
    answer,
    cut,
    document,
    error_event,
    image_file,
    partial_event,
    picture,
    serve_script,
    stream,
)

if TYPE_CHECKING:
    from tests.faults.scripted import Reply


def _answers() -> list[Path]:
    return list((Path.home() / "data" / "gpt-image-mcp" / "answers").glob("*"))


async def test_an_answer_whose_images_are_stored_is_not_kept() -> None:
    async with serve_script() as endpoint, studio_for(endpoint) as studio:
        assert (await studio.generate("a fox", **QUICK)).images
    assert _answers() == []


async def test_an_answer_that_cannot_be_used_is_kept_for_the_user_alone_and_named() -> None:
    async with serve_script(picture(b"this is no image")) as endpoint, studio_for(endpoint) as studio:
        with pytest.raises(OutcomeUnknown) as raised:
            await studio.generate("a fox", **QUICK)
    (kept,) = _answers()
    assert str(kept) in raised.value.message
    assert b'"data"' in kept.read_bytes()
    assert kept.stat().st_mode & 0o077 == 0


async def test_an_answer_of_which_one_image_is_damaged_is_kept_and_named() -> None:
    good = document()["data"][0]
    reply = picture(data=[good, {"b64_json": good["b64_json"][:60]}])
    async with serve_script(reply) as endpoint, studio_for(endpoint) as studio:
        result = await studio.generate("a fox", n=2, **QUICK)
    (kept,) = _answers()
    assert any(str(kept) in note for note in result.notes)


PARTIAL, SECOND = partial_event(), partial_event(image_file("navy", image_format="JPEG"))
DAY_SECONDS = 86_400


@pytest.mark.parametrize(
    "reply",
    [
        stream([PARTIAL, PARTIAL, SECOND], is_whole=False),
        stream([PARTIAL, SECOND]),
        stream([PARTIAL, SECOND, b"data: [DONE]\n\n"]),
        stream([PARTIAL, SECOND, error_event("boom", code="server_error")]),
        stream([PARTIAL, SECOND, b"event: image_generation.completed\ndata: {}\n\n"]),
        stream([PARTIAL, SECOND, b'data: {"type": "image_generation.comple'], is_whole=False),
    ],
)
async def test_the_previews_of_a_broken_stream_are_kept_and_offered(reply: Reply) -> None:
    async with serve_script(reply) as endpoint, studio_for(endpoint, partial_images=2) as studio:
        with pytest.raises(OutcomeUnknown) as raised:
            await studio.generate("a fox", **QUICK)
    kept = {path.name.partition("-partial-")[2]: path for path in _answers()}
    assert {name: path.read_bytes() for name, path in kept.items() if name} == {
        "1.png": image_file("gray"),
        "2.jpg": image_file("navy", image_format="JPEG"),
    }
    for path in kept.values():
        assert str(path) in raised.value.message
        assert path.stat().st_mode & 0o077 == 0


async def test_a_body_that_breaks_off_is_kept_as_far_as_it_came() -> None:
    async with serve_script(cut(document(), after_bytes=60)) as endpoint, studio_for(endpoint) as studio:
        with pytest.raises(OutcomeUnknown) as raised:
            await studio.generate("a fox", **QUICK)
    (kept,) = _answers()
    assert len(kept.read_bytes()) == 60
    assert str(kept) in raised.value.message


async def test_an_answer_without_a_picture_is_quoted_without_the_key() -> None:
    key = "sk-test-0123456789abcdef"
    body = {"task_id": "task_77", "echo": key, "status": "queued", "filler": "y" * 900}
    async with serve_script(answer(body)) as endpoint, studio_for(endpoint, api_key=key) as studio:
        with pytest.raises(OutcomeUnknown, match="task_77") as raised:
            await studio.generate("a fox", **QUICK)
    (kept,) = _answers()
    assert key.encode() not in kept.read_bytes()
    assert key not in str(raised.value)
    assert 100 < raised.value.message.count("y") < 300


async def _kept_for_days(*days: float) -> list[Path]:
    """Answers that were kept so many days ago."""
    async with serve_script(then=picture(data=[])) as endpoint, studio_for(endpoint) as studio:
        for _ in days:
            with pytest.raises(ImageError):
                await studio.generate("a fox", **QUICK)
    kept = sorted(_answers())
    for path, age in zip(kept, days, strict=True):
        then = time.time() - age * DAY_SECONDS
        os.utime(path, (then, then))
    return kept


async def test_pruning_by_age_deletes_answers_of_that_age() -> None:
    old, new = await _kept_for_days(8, 6)
    async with Studio(Settings()) as studio:
        planned = await studio.history.prune(older_than="7d", keep_mb=None, is_confirmed=False)
        assert planned.answers == (old,)
        assert old.exists()
        done = await studio.history.prune(older_than="7d", keep_mb=None, is_confirmed=True)
    assert done.answers == (old,)
    assert done.freed_bytes > 0
    assert _answers() == [new]


async def test_pruning_by_size_deletes_answers_of_more_than_a_month() -> None:
    old, new = await _kept_for_days(31, 29)
    async with Studio(Settings()) as studio:
        done = await studio.history.prune(older_than="", keep_mb=1_000, is_confirmed=True)
    assert done.answers == (old,)
    assert _answers() == [new]


async def test_a_call_that_is_stopped_while_it_waits_for_a_link_names_its_answer() -> None:
    reply = picture(data=[{"url": "/a.png"}])
    late = answer(b"", status=404)
    async with serve_script(reply, then=late) as endpoint:
        async with studio_for(endpoint, shutdown_grace_seconds=0) as studio:
            call = asyncio.create_task(studio.generate("a fox", **QUICK))
            async with asyncio.timeout(20):
                async with endpoint.changed:
                    await endpoint.changed.wait_for(lambda: len(endpoint.requests) > 1)
        with pytest.raises(OutcomeUnknown) as raised:
            await call
    (kept,) = _answers()
    assert str(kept) in raised.value.message
