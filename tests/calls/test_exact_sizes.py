"""Pictures to the pixel: what is asked for, what is kept, what is said, and what it costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from gpt_image_mcp import Settings, Studio
from gpt_image_mcp.errors import BudgetExceeded, InvalidArgument, RequestError, UnsupportedByModel
from gpt_image_mcp.imaging.source_type import AI_EDITED, AI_MADE, find_source_type
from gpt_image_mcp.values.results import ImageResult
from tests.imaging.colours import saved
from tests.services.test_written_pixels import signed
from tests.standin import CannedTransport, serve_standin

if TYPE_CHECKING:
    from pathlib import Path

    from gpt_image_mcp.values.images import StoredImage
    from tests.standin import Standin

QUICK: dict[str, Any] = {"quality": "low"}
TO_THE_PIXEL: dict[str, Any] = {"exact_size": "1200x630"}


@pytest.fixture
def photo(project: Path) -> str:
    """A picture of the user's."""
    Image.linear_gradient("L").resize((1024, 1024)).convert("RGB").save(project / "photo.png")
    return "photo.png"


def _studio(standin: Standin, **settings: Any) -> Studio:
    return Studio(Settings.model_validate({"api_key": "sk-test", "base_url": standin.base_url, **settings}))


def _pixels(image: StoredImage) -> str:
    with Image.open(image.file_path) as opened:
        assert opened.size == (image.width, image.height)
    return f"{image.width}x{image.height}"


async def _returned(studio: Studio, image: StoredImage) -> StoredImage:
    (parent,) = image.provenance.parents
    found = await studio.get(parent)
    assert isinstance(found, ImageResult)
    return found.images[0]


@pytest.mark.parametrize(
    ("exact", "asked", "share"),
    [
        ("1920x1080", "1920x1088", "0.7%"),
        ("1200x630", "1216x640", "0.2%"),
        ("500x300", "1072x640", "0.5%"),
        ("64x64", "816x816", "nothing"),
    ],
)
async def test_the_picture_has_the_size_and_its_parent_is_the_file_as_returned(
    exact: str, asked: str, share: str
) -> None:
    async with serve_standin() as standin, _studio(standin) as studio:
        result = await studio.generate("a fox", exact_size=exact, **QUICK)
        (image,) = result.images
        returned = await _returned(studio, image)
    sent = standin.posts[-1].json
    assert sent is not None
    assert sent["size"] == asked
    assert (_pixels(image), _pixels(returned)) == (exact, asked)
    assert result.applied is not None
    assert (result.requested.size, result.applied.size, image.provenance.applied.size) == (exact,) * 3
    (note,) = (note for note in result.notes if "cut off" in note)
    for word in (exact, asked, share, returned.id, str(returned.file_path)):
        assert word in note
    assert find_source_type(image.file_path.read_bytes()) == AI_MADE


async def test_a_size_that_the_model_makes_itself_stays_as_it_was_returned() -> None:
    async with Studio(Settings(sandbox=True)) as studio:
        result = await studio.generate("a fox", exact_size="1024x1024", filename="fox.png", **QUICK)
    (image,) = result.images
    assert (_pixels(image), image.provenance.parents) == ("1024x1024", ())
    assert image.file_path.name == "fox.png"
    assert not any("cut" in note for note in result.notes)


async def test_the_callers_name_goes_to_the_finished_picture(project: Path) -> None:
    async with Studio(Settings(sandbox=True)) as studio:
        result = await studio.generate(
            "a fox", exact_size="64x64", n=2, filename="art/fox.webp", overwrite=True, **QUICK
        )
        returned = [await _returned(studio, image) for image in result.images]
    assert sorted(path.name for path in (project / "art").iterdir()) == ["fox-1.webp", "fox-2.webp"]
    assert [_pixels(image) for image in result.images] == ["64x64", "64x64"]
    assert all("fox-as-returned" in image.file_path.name for image in returned)


@pytest.mark.parametrize("output_format", ["png", "jpeg", "webp"])
async def test_an_edit_and_every_turn_of_a_session_have_the_size(photo: str, output_format: str) -> None:
    options: dict[str, Any] = {"exact_size": "640x360", "output_format": output_format, **QUICK}
    async with Studio(Settings(sandbox=True)) as studio:
        edited = await studio.edit("night", [photo], **options)
        first = await studio.start_session("night", [photo], **options)
        assert first.session is not None
        continued: dict[str, Any] = {"session_id": first.session.session_id, "prompt": "stars"}
        second = await studio.continue_session(**continued)
        part = await studio.continue_session(**continued, regions=[{"box": [0, 0, 0.5, 0.5]}])
        other = await studio.continue_session(**continued, size="square")
        (item,) = (await studio.batch_edit("night", [photo], **options)).items
    for result in (edited, first, second, part, item):
        (image,) = result.images
        assert _pixels(image) == "640x360"
        assert image.mime_type == f"image/{output_format}"
        assert find_source_type(image.file_path.read_bytes()) == AI_EDITED
    assert _pixels(other.images[0]) == "1024x1024"
    assert any("640x360" in note for note in item.notes)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"size": "16:9"}, InvalidArgument, "size is '16:9' and exact_size is '1200x630' too"),
        ({"exact_size": "0x0"}, InvalidArgument, "0x0"),
        ({"exact_size": "5000x5000"}, InvalidArgument, "5000x5000"),
        ({"exact_size": "16x3840"}, InvalidArgument, "16x3840"),
        ({"exact_size": "2900x2900"}, UnsupportedByModel, "2900x2900"),
        ({"exact_size": "1920x1080", "model": "older"}, UnsupportedByModel, "gpt-image-1.5"),
        ({"regions": [{"box": [0, 0, 1, 0.5]}]}, InvalidArgument, "regions"),
        ({"mask": "photo.png"}, InvalidArgument, "a mask"),
        ({"edit_type": "outpaint"}, InvalidArgument, "outpaint"),
        ({"edit_type": "outpaint", "size": "16:9"}, InvalidArgument, "outpaint"),
    ],
)
async def test_what_cannot_be_is_refused_before_anything_is_sent(
    photo: str, arguments: dict[str, Any], error: type[RequestError], words: str
) -> None:
    older = {"older": "gpt-image-1.5"}
    async with serve_standin() as standin, _studio(standin, model_aliases=older) as studio:
        with pytest.raises(error) as refusal:
            await studio.edit("night", [photo], **{**TO_THE_PIXEL, **arguments})
        assert (await studio.estimate()).budget.spent_today_usd == 0
    assert words in refusal.value.message
    assert refusal.value.next_step
    assert list(standin.requests) == []


async def test_what_is_quoted_and_reserved_is_the_size_that_is_asked_for() -> None:
    async with serve_standin() as standin:
        async with _studio(standin) as studio:
            exact = await studio.estimate(exact_size="1920x1080", quality="high")
            plain = await studio.estimate(size="1920x1088", quality="high")
        assert (exact.size, exact.quote) == ("1920x1088", plain.quote)
        assert any("1920x1080" in note for note in exact.notes)
        assert plain.quote.high_usd is not None
        below = plain.quote.high_usd * 9 / 10
        async with _studio(standin, max_cost_usd=below) as studio:
            with pytest.raises(BudgetExceeded):
                await studio.generate("a fox", exact_size="1920x1080", quality="high")
    assert list(standin.requests) == []


async def test_what_an_amount_pays_for_is_told_of_pictures_of_the_size() -> None:
    async with Studio(Settings(sandbox=True)) as studio:
        large = await studio.estimate(exact_size="1920x1080", budget_usd=5)
        small = await studio.estimate(exact_size="1200x630", budget_usd=5)
    assert {fit.size for fit in large.fits} == {"1920x1088"}
    assert "1216x640" in {fit.size for fit in small.fits}


async def test_a_picture_that_came_smaller_is_enlarged_and_lost_provenance_is_said(project: Path) -> None:
    answer = project / "answer.png"
    answer.write_bytes(signed(saved(Image.new("RGB", (600, 315), "teal"))))
    async with serve_standin(CannedTransport(answer)) as standin, _studio(standin) as studio:
        result = await studio.generate("a fox", exact_size="1200x630")
        (image,) = result.images
        returned = await _returned(studio, image)
    assert _pixels(image) == "1200x630"
    assert any("600x315" in note and "enlarged" in note for note in result.notes)
    assert any("C2PA" in note and "kept in the file as returned" in note for note in result.notes)
    assert (image.c2pa, returned.c2pa) == (False, True)
    assert returned.file_path.read_bytes() == answer.read_bytes()


async def test_a_finished_picture_has_the_format_that_was_asked_for(project: Path) -> None:
    answer = project / "answer.png"
    Image.new("RGB", (1216, 640), "teal").save(answer)
    async with serve_standin(CannedTransport(answer)) as standin, _studio(standin) as studio:
        result = await studio.generate("a fox", exact_size="1200x630", output_format="webp")
    assert result.images[0].mime_type == "image/webp"
    assert result.applied is not None
    assert result.applied.output_format == "webp"
