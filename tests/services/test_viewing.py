"""Small versions of images for an answer: how large they may be, and what is said where there is none."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Literal

import pytest
from PIL import Image

from gpt_image_mcp import Settings, Studio
from gpt_image_mcp.errors import NotFound
from gpt_image_mcp.services.viewing import MOST_BATCH_PREVIEWS
from gpt_image_mcp.values.views import Crop, ViewOptions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from gpt_image_mcp.values.results import ImageResult

MAX_BYTES = 40_000


def _studio(inline: Literal["preview", "full", "none"] = "preview") -> Studio:
    return Studio(Settings(sandbox=True, inline=inline, inline_max_bytes=MAX_BYTES))


@pytest.fixture
async def studio(project: Path) -> AsyncIterator[Studio]:
    """A studio that shows previews of at most 40,000 characters."""
    del project
    async with _studio() as opened:
        yield opened


async def _drawn(studio: Studio, *, n: int = 1) -> ImageResult:
    return await studio.generate("a paper boat", quality="low", n=n)


def _size(data: bytes) -> tuple[int, int]:
    return Image.open(io.BytesIO(data)).size


async def test_the_images_of_a_result_share_its_budget(studio: Studio) -> None:
    previews = await studio.preview(await _drawn(studio, n=3))
    assert len(previews.images) == 3
    assert sum(len(image.data) for image in previews.images) <= MAX_BYTES * 3 / 4
    assert all(max(_size(image.data)) <= studio.settings.inline_max_edge for image in previews.images)


async def test_a_larger_view_is_larger_than_the_settings_allow(studio: Studio) -> None:
    (image,) = (await studio.preview(await _drawn(studio), ViewOptions(max_edge=1024))).images
    assert max(_size(image.data)) == 1024


async def test_a_part_is_shown_even_where_results_carry_no_previews(project: Path) -> None:
    del project
    async with _studio("none") as studio:
        drawn = await _drawn(studio)
        plain = await studio.preview(drawn)
        part = await studio.preview(drawn, ViewOptions(crop=Crop(0, 0, 0.5, 1)))
    assert plain.images == ()
    (image,) = part.images
    width, height = _size(image.data)
    assert height == 2 * width


async def test_the_file_itself_is_shown_where_the_settings_say_so(project: Path) -> None:
    del project
    async with _studio("full") as studio:
        drawn = await _drawn(studio)
        (whole,) = (await studio.preview(drawn)).images
        (ruled,) = (await studio.preview(drawn, ViewOptions(grid=True))).images
    assert whole.data == drawn.images[0].file_path.read_bytes()
    assert whole.mime_type == drawn.images[0].mime_type
    assert ruled.mime_type == "image/jpeg"


async def test_an_image_that_cannot_be_shown_is_noted(studio: Studio) -> None:
    drawn = await _drawn(studio, n=2)
    drawn.images[0].file_path.unlink()
    previews = await studio.preview(drawn)
    assert len(previews.images) == 1
    (note,) = previews.notes
    assert drawn.images[0].id in note


async def test_a_batch_shows_its_first_images_and_says_so(studio: Studio, project: Path) -> None:
    for number in range(MOST_BATCH_PREVIEWS + 1):
        Image.new("RGB", (64, 64), (number * 30, 0, 0)).save(project / f"{number}.png")
    previews = await studio.preview(await studio.batch_edit("at night", [str(project)], quality="low"))
    assert len(previews.images) == MOST_BATCH_PREVIEWS
    assert str(MOST_BATCH_PREVIEWS + 1) in previews.notes[0]


async def test_a_thumbnail_is_made_of_an_image_whose_file_is_there(studio: Studio) -> None:
    (image,) = (await _drawn(studio)).images
    small = await studio.history.thumbnail(image.id)
    assert len(small.data) <= MAX_BYTES * 3 / 4
    image.file_path.unlink()
    with pytest.raises(NotFound):
        await studio.history.thumbnail(image.id)


async def _draw_and_lose(studio: Studio) -> None:
    """Draws for a client that is gone before it is answered."""
    with studio.answering():
        await _drawn(studio)
        raise ConnectionError


async def test_a_result_whose_answer_fails_is_handed_out_again(studio: Studio) -> None:
    with pytest.raises(ConnectionError):
        await _draw_and_lose(studio)
    with studio.answering():
        collected = await _drawn(studio)
    made_anew = await _drawn(studio)
    found = await studio.history.search()
    assert {image.image.id for image in found.images} == {collected.images[0].id, made_anew.images[0].id}
