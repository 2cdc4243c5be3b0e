"""Exports within a limit of bytes: the quality goes down first, then the size where that is free."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from PIL import Image

from gpt_image_mcp.errors import InvalidArgument
from gpt_image_mcp.imaging.file_limit import MOST_PIXELS, fit_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from gpt_image_mcp import Studio


def _photo(path: Path, size: tuple[int, int] = (600, 400)) -> str:
    """A picture with as much detail as a photograph."""
    noise = Image.effect_noise(size, 60)
    gradient = Image.linear_gradient("L").resize(size)
    Image.merge("RGB", (noise, gradient, Image.blend(noise, gradient, 0.5))).save(path)
    return str(path)


def _jpeg(image: Image.Image, quality: int) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    return stream.getvalue()


@given(limit=st.integers(300, 60_000), may_shrink=st.booleans(), best=st.sampled_from([1, 8, 60, 92]))
@hypothesis_settings(max_examples=40)
def test_a_file_fits_or_is_the_smallest_and_few_are_encoded(
    *, limit: int, may_shrink: bool, best: int
) -> None:
    image = Image.effect_noise((160, 120), 60).convert("RGB")
    encoded: list[bytes] = []

    def encode(picture: Image.Image, quality: int) -> bytes:
        encoded.append(_jpeg(picture, quality))
        return encoded[-1]

    fitted = fit_bytes(image, encode, max_bytes=limit, best_quality=best, may_shrink=may_shrink)
    assert fitted.data == _jpeg(image, fitted.quality) or fitted.size != image.size
    assert fitted.quality <= best
    assert fitted.size == image.size or may_shrink
    assert len(fitted.data) <= limit or len(fitted.data) == min(map(len, encoded))
    assert len(encoded) <= 20
    if fitted.size == image.size and len(fitted.data) <= 0.95 * limit and fitted.quality < best:
        assert len(_jpeg(image, fitted.quality + 1)) > limit


@pytest.mark.parametrize("output_format", ["jpeg", "webp", "avif"])
async def test_the_best_quality_that_fits_is_taken_at_the_size_asked_for(
    studio: Studio, project: Path, output_format: str
) -> None:
    source = _photo(project / "a.png")
    free = await studio.export(source, output_format=output_format, width=300, height=200)
    limit = free.files[0].size_bytes * 0.6 / 1000
    result = await studio.export(source, output_format=output_format, width=300, height=200, max_kb=limit)
    (made,) = result.files
    assert limit * 800 <= made.size_bytes <= limit * 1000
    assert (made.width, made.height) == (300, 200)
    (note,) = result.notes
    assert note.startswith(f"{made.file_path.name} has quality ")


async def test_a_limit_that_is_not_reached_changes_nothing(studio: Studio, project: Path) -> None:
    source = _photo(project / "a.png")
    free = await studio.export(source, output_format="webp")
    limited = await studio.export(source, output_format="webp", max_kb=5000)
    assert limited.files[0].size_bytes == free.files[0].size_bytes
    assert "quality 90" in limited.notes[0]


@pytest.mark.parametrize(("output_format", "said"), [("jpeg", "quality"), ("png", "webp or jpeg")])
async def test_a_picture_of_free_size_becomes_smaller_and_that_is_said(
    studio: Studio, project: Path, output_format: str, said: str
) -> None:
    result = await studio.export(_photo(project / "a.png"), output_format=output_format, max_kb=8)
    (made,) = result.files
    assert made.size_bytes <= 8000
    assert made.width < 600
    assert abs(made.width / made.height - 1.5) < 0.05
    with Image.open(made.file_path) as image:
        assert image.size == (made.width, made.height)
    assert f"smaller for max_kb 8: {made.width}x{made.height}, not 600x400" in result.notes[-1]
    assert said in " ".join(result.notes)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"width": 600, "height": 400, "output_format": "jpeg"},
            ("600x400 and quality 10", "width and height"),
        ),
        ({"width": 600, "output_format": "png"}, ("600x400, has", "webp or jpeg")),
        ({"preset": "social"}, ("1200x630, has", "webp or jpeg")),
        ({"preset": "favicon"}, ("ico",)),
    ],
)
async def test_a_limit_that_cannot_be_met_is_refused_with_the_smallest_that_was_reached(
    studio: Studio, project: Path, options: dict[str, Any], words: tuple[str, ...]
) -> None:
    with pytest.raises(InvalidArgument) as refused:
        await studio.export(_photo(project / "a.png"), max_kb=2, **options)
    assert all(word in str(refused.value) for word in words)
    assert [path.name for path in project.iterdir()] == ["a.png"]


@pytest.mark.parametrize("max_kb", [0.01, 0.99, -1, -0.5, float("inf"), float("nan")])
async def test_a_limit_that_is_none_is_refused_with_its_value(
    studio: Studio, project: Path, max_kb: float
) -> None:
    with pytest.raises(InvalidArgument, match=f"max_kb is {max_kb:g}"):
        await studio.export(_photo(project / "a.png"), max_kb=max_kb)
    assert [path.name for path in project.iterdir()] == ["a.png"]


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"quality": -1}, "-1"),
        ({"quality": 101}, "101"),
        ({"quality": 70}, "png files have none"),
        ({"quality": 70, "output_format": "ico"}, "ico files have none"),
        ({"quality": 70, "preset": "app_icon"}, "png files have none"),
        ({"max_kb": 5, "output_format": "ico"}, "ico"),
    ],
)
async def test_a_quality_that_no_file_could_have_is_refused(
    studio: Studio, project: Path, options: dict[str, Any], word: str
) -> None:
    with pytest.raises(InvalidArgument, match=word):
        await studio.export(_photo(project / "a.png"), **options)


async def test_a_lower_quality_makes_a_smaller_file(studio: Studio, project: Path) -> None:
    source = _photo(project / "a.png")
    sizes = [
        (await studio.export(source, output_format="webp", quality=quality)).files[0].size_bytes
        for quality in (20, 60, 0, 100)
    ]
    assert sizes == sorted(sizes)


async def test_an_avif_of_a_very_large_picture_loses_pixels_or_is_refused(
    studio: Studio, project: Path
) -> None:
    large = str(project / "large.png")
    Image.new("RGB", (6000, 5000), (200, 30, 90)).save(large)
    made = await studio.export(large, output_format="avif", max_kb=100)
    assert made.files[0].width * made.files[0].height <= 1.01 * MOST_PIXELS / 4
    with pytest.raises(
        InvalidArgument, match="6000x5000 pixels; avif files are written with at most 25,000,000"
    ):
        await studio.export(large, output_format="avif")


async def test_a_very_large_picture_loses_pixels_at_once_where_it_may_and_is_refused_where_not(
    studio: Studio, project: Path
) -> None:
    large = str(project / "large.png")
    Image.new("RGB", (5600, 3000), (200, 30, 90)).save(large)
    made = await studio.export(large, output_format="jpeg", max_kb=200)
    assert made.files[0].width * made.files[0].height <= 1.01 * MOST_PIXELS
    with pytest.raises(InvalidArgument, match="max_kb is for up to 16,000,000 pixels, and 5600x3000"):
        await studio.export(large, output_format="webp", max_kb=200, width=5600)
