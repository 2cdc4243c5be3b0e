"""What the API answered is on disk before anything reads it, and stays if its images cannot be stored."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpt_image_mcp.errors import OutcomeUnknown
from tests.faults.observed import QUICK, studio_for
from tests.faults.scripted import document, picture, serve_script


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
