"""Outside mask and regions the pixels are those of the file of the caller, however it was converted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image, ImageOps

from gpt_image_mcp import Settings, Studio
from gpt_image_mcp.errors import InvalidArgument
from gpt_image_mcp.values.requests import InputImage

if TYPE_CHECKING:
    from pathlib import Path

    from gpt_image_mcp.values.images import StoredImage

QUICK: dict[str, Any] = {"quality": "low"}
MIDDLE: dict[str, Any] = {"regions": [{"shape": "rectangle", "box": [0.4, 0.4, 0.6, 0.6]}]}
NOISE = Image.merge("RGB", [Image.effect_noise((1024, 800), spread) for spread in (40, 60, 80)])


def _rotated(path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    NOISE.save(path, "JPEG", exif=exif, quality=80)


def _several_pictures(path: Path) -> None:
    NOISE.save(path, "MPO", save_all=True, append_images=[NOISE.resize((64, 64))], quality=80)


def _grey(path: Path) -> None:
    NOISE.convert("L").save(path, "JPEG", quality=80)


def _avif(path: Path) -> None:
    NOISE.save(path, "AVIF", quality=80)


def _upright(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return ImageOps.exif_transpose(image).convert("RGB")


def _assert_kept(photo: Path, made: StoredImage) -> None:
    """Outside the middle the pixels are equal."""
    before, after = _upright(photo), _upright(made.file_path)
    assert after.size == before.size
    width, height = before.size
    for edge in ((0, 0, width, height * 4 // 10 - 1), (0, height * 6 // 10 + 1, width, height)):
        assert before.crop(edge).tobytes() == after.crop(edge).tobytes()


@pytest.fixture(params=[_rotated, _several_pictures, _grey, _avif])
def photo(request: pytest.FixtureRequest, project: Path) -> Path:
    """A picture that goes up as another JPEG than it is."""
    path = project / "photo.jpg"
    request.param(path)
    return path


async def test_an_edit_of_a_part_keeps_the_pixels_of_the_callers_file(photo: Path) -> None:
    async with Studio(Settings(sandbox=True)) as studio:
        result = await studio.edit("night", [str(photo)], **MIDDLE, **QUICK)
    _assert_kept(photo, result.images[0])


@pytest.mark.parametrize("size", [(6000, 4000), (8000, 6000)], ids=["24 MP", "48 MP"])
async def test_the_pixels_of_a_cameras_photo_are_kept_within_the_usual_memory(
    size: tuple[int, int], project: Path
) -> None:
    photo = project / "photo.jpg"
    NOISE.resize(size).save(photo, quality=80)
    async with Studio(Settings(sandbox=True)) as studio:
        result = await studio.edit("night", [str(photo)], **MIDDLE, **QUICK)
    assert not any("failed" in note for note in result.notes), result.notes
    _assert_kept(photo, result.images[0])


async def test_a_session_keeps_them_also_when_it_goes_back_to_its_start(photo: Path) -> None:
    async with Studio(Settings(sandbox=True)) as studio:
        started = await studio.start_session("night", [str(photo)], **MIDDLE, **QUICK)
        assert started.session is not None
        again = await studio.continue_session(
            started.session.session_id, "dawn", from_turn=0, **MIDDLE, **QUICK
        )
    _assert_kept(photo, started.images[0])
    _assert_kept(photo, again.images[0])


async def test_an_outpaint_keeps_them_in_its_middle(project: Path) -> None:
    photo = project / "photo.jpg"
    _rotated(photo)
    async with Studio(Settings(sandbox=True)) as studio:
        result = await studio.edit("night", [str(photo)], edit_type="outpaint", size="1280x1024", **QUICK)
    before, after = _upright(photo), _upright(result.images[0].file_path)
    left = (after.width - before.width) // 2
    inner = (200, 200, 600, 800)
    placed = (inner[0] + left, inner[1], inner[2] + left, inner[3])
    assert before.crop(inner).tobytes() == after.crop(placed).tobytes()


@pytest.mark.parametrize(("output_format", "edge"), [("jpeg", 65_501), ("webp", 16_384)])
async def test_a_part_is_not_paid_for_that_no_file_of_the_format_could_have(
    project: Path, output_format: str, edge: int
) -> None:
    Image.new("1", (edge, 16)).save(project / "wide.png")
    wide: dict[str, Any] = {"images": ["wide.png"], "output_format": output_format, **MIDDLE, **QUICK}
    async with Studio(Settings(sandbox=True)) as studio:
        with pytest.raises(InvalidArgument, match=f"{edge}x16.*keep_unmasked"):
            await studio.edit("a sea", **wide)
        larger = {"edit_type": "outpaint", "size": f"{edge + 2}x16", "model": "someones"}
        canvas: dict[str, Any] = {**wide, **larger, "regions": []}
        with pytest.raises(InvalidArgument, match=f"{edge + 2}x16.*keep_unmasked"):
            await studio.edit("a sea", **canvas)
        assert (await studio.history.search()).images == ()
        assert (await studio.edit("a sea", **wide, keep_unmasked=False)).images


async def test_the_size_of_a_file_is_told_as_it_lies_on_disk(photo: Path) -> None:
    async with Studio(Settings(sandbox=True)) as studio:
        found = await studio.get(str(photo))
    assert isinstance(found, InputImage)
    assert len(found.as_passed) == photo.stat().st_size
