"""Size auto of an edit: the shape of image 1 stays, or what became of it is said."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from gpt_image_mcp import Settings, Studio
from gpt_image_mcp.errors import UpstreamRejected
from gpt_image_mcp.openai_api.sandbox.transport import SandboxTransport
from tests.standin import serve_standin

if TYPE_CHECKING:
    from pathlib import Path

    from gpt_image_mcp.values.images import StoredImage

QUICK: dict[str, Any] = {"quality": "low"}


def _photo(folder: Path, size: tuple[int, int], *, name: str = "photo", orientation: int = 1) -> str:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = folder / f"{name}.jpg"
    Image.linear_gradient("L").resize(size).convert("RGB").save(path, exif=exif)
    return str(path)


def _size(image: StoredImage) -> tuple[int, int]:
    with Image.open(image.file_path) as opened:
        return opened.size


@pytest.mark.parametrize(
    ("taken", "made"),
    [
        ((1536, 864), (1536, 864)),
        ((1280, 720), (1280, 720)),
        ((4000, 3000), (1776, 1328)),
        ((90, 60), (1008, 672)),
    ],
)
async def test_an_edit_keeps_the_shape_of_image_1(
    project: Path, taken: tuple[int, int], made: tuple[int, int]
) -> None:
    async with Studio(Settings(sandbox=True)) as studio:
        result = await studio.edit("night", [_photo(project, taken)], **QUICK)
        (item,) = (await studio.batch_edit("night", [_photo(project, taken)], **QUICK)).items
        started = await studio.start_session("night", [_photo(project, taken)], **QUICK)
        assert started.session is not None
        turn = await studio.continue_session(started.session.session_id, "stars")
    assert result.requested.size == "auto"
    for edited in (result, item, started, turn):
        assert _size(edited.images[0]) == made
    assert any("in the shape of image 1" in note for note in item.notes) is (taken != made)
    assert abs(made[0] / made[1] / (taken[0] / taken[1]) - 1) <= 0.01


async def test_the_way_a_camera_was_held_counts(project: Path) -> None:
    photo = _photo(project, (1600, 900), orientation=6)
    async with Studio(Settings(sandbox=True)) as studio:
        result = await studio.edit("night", [photo], **QUICK)
    width, height = _size(result.images[0])
    assert width < height


@pytest.mark.parametrize(
    ("taken", "made", "words"),
    [
        ((1600, 900), (1536, 1024), "the shape has changed"),
        ((900, 1600), (1024, 1536), "the shape has changed"),
        ((600, 400), (1536, 1024), "in the shape of image 1"),
    ],
)
async def test_a_model_of_fixed_sizes_makes_the_nearest_and_says_what_became_of_the_shape(
    project: Path, taken: tuple[int, int], made: tuple[int, int], words: str
) -> None:
    name = "gpt-image-1.5"  # which a gateway may still have
    sandbox = SandboxTransport(today=lambda: date(2026, 11, 30))
    async with serve_standin(sandbox) as standin:
        known = {"api_key": "sk-test", "base_url": standin.base_url, "model_aliases": {name: name}}
        async with Studio(Settings.model_validate(known)) as studio:
            batch = await studio.batch_edit("night", [_photo(project, taken)], model=name, **QUICK)
    (item,) = batch.items
    assert _size(item.images[0]) == made
    assert any(words in note and f"{taken[0]}x{taken[1]}" in note for note in item.notes)
    assert not any("shape" in note for note in batch.notes)


async def test_each_picture_of_a_batch_keeps_its_own_shape(project: Path) -> None:
    photos = [_photo(project, (1280, 720), name="a"), _photo(project, (720, 1280), name="b")]
    async with Studio(Settings(sandbox=True)) as studio:
        batch = await studio.batch_edit("night", photos, **QUICK)
    assert [_size(item.images[0]) for item in batch.items] == [(1280, 720), (720, 1280)]


async def test_a_region_of_a_picture_of_an_odd_size_is_cut_back_to_it(project: Path) -> None:
    photo = _photo(project, (1001, 701))
    regions = [{"box": [0.2, 0.2, 0.6, 0.6]}]
    async with Studio(Settings(sandbox=True)) as studio:
        kept = await studio.edit("night", [photo], regions=regions, **QUICK)
        whole = await studio.edit("night", [photo], regions=regions, keep_unmasked=False, **QUICK)
    assert _size(kept.images[0]) == (1001, 701)
    assert _size(whole.images[0]) == (1008, 704)


async def test_a_chosen_size_and_an_unknown_model_are_left_alone(project: Path) -> None:
    photo = _photo(project, (1600, 900))
    async with serve_standin() as standin:
        settings = {"api_key": "sk-test", "base_url": standin.base_url}
        async with Studio(Settings.model_validate(settings)) as studio:
            chosen = await studio.edit("night", [photo], size="square", **QUICK)
            with pytest.raises(UpstreamRejected):
                await studio.edit("night", [photo], model="house-model", **QUICK)
        form = standin.posts[-1].form
        assert form is not None
        assert form.fields["size"] == "auto"
    assert _size(chosen.images[0]) == (1024, 1024)


async def test_the_quote_of_an_edit_covers_what_its_size_can_come_to() -> None:
    async with Studio(Settings(sandbox=True)) as studio:
        quoted = (await studio.estimate(input_images=1, quality="high")).quote
        assert quoted.low_usd is not None
        assert quoted.high_usd is not None
        for size in ("480x1440", "816x816", "1936x1088", "1536x1536", "1776x1328"):
            fixed = (await studio.estimate(input_images=1, quality="high", size=size)).quote
            assert fixed.low_usd is not None
            assert fixed.high_usd is not None
            assert quoted.low_usd <= fixed.low_usd
            assert fixed.high_usd <= quoted.high_usd
    assert "image 1's shape" in quoted.basis
