"""Previews: inside the byte budget, never enlarged, transparent where the image is."""

from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from gpt_image_mcp.errors import InvalidArgument, StorageFailed
from gpt_image_mcp.imaging.previews import Preview, View, bytes_within_base64, make_preview
from gpt_image_mcp.values.views import Crop, parse_crop


def _noise(width: int, height: int, mode: str = "RGB") -> bytes:
    """A picture that compresses badly, so that budgets bite."""
    image = Image.effect_noise((width, height), 90).convert(mode)
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def _plain(width: int, height: int, mode: str = "RGB", image_format: str = "PNG") -> bytes:
    stream = io.BytesIO()
    Image.new(mode, (width, height), 120).save(stream, image_format)
    return stream.getvalue()


def _opened(preview: Preview) -> Image.Image:
    image = Image.open(io.BytesIO(preview.data))
    image.load()
    return image


def test_a_large_image_is_scaled_to_the_edge_with_its_proportions() -> None:
    preview = make_preview(_plain(1536, 1024), View(max_bytes=50_000, max_edge=768))
    assert (preview.width, preview.height) == (768, 512)
    assert _opened(preview).size == (768, 512)
    assert preview.mime_type == "image/webp"


def test_a_small_image_is_not_enlarged() -> None:
    preview = make_preview(_plain(100, 50), View(max_bytes=50_000, max_edge=768))
    assert (preview.width, preview.height) == (100, 50)


@given(budget=st.integers(1_500, 200_000), edge=st.integers(64, 600))
@settings(max_examples=15)
def test_the_budget_holds_whatever_the_picture(budget: int, edge: int) -> None:
    preview = make_preview(NOISE, View(max_bytes=budget, max_edge=edge))
    assert len(preview.data) <= budget
    assert max(preview.width, preview.height) <= edge


NOISE = _noise(640, 480)


def test_quality_goes_down_before_size() -> None:
    roomy = make_preview(NOISE, View(max_bytes=500_000, max_edge=640))
    tight = make_preview(NOISE, View(max_bytes=len(roomy.data) * 3 // 4, max_edge=640))
    assert (tight.width, tight.height) == (640, 480)
    assert len(tight.data) < len(roomy.data)


def test_an_impossible_budget_gives_the_smallest_preview() -> None:
    preview = make_preview(NOISE, View(max_bytes=10, max_edge=640))
    assert max(preview.width, preview.height) <= 32


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "L", "RGB", "1", "I;16"])
def test_every_mode_of_png_can_be_shown(mode: str) -> None:
    preview = make_preview(_plain(64, 64, mode), View(max_bytes=50_000, max_edge=64))
    assert _opened(preview).mode == ("RGBA" if mode in {"RGBA", "LA"} else "RGB")


def test_transparency_survives() -> None:
    stream = io.BytesIO()
    Image.new("RGBA", (64, 64), (255, 0, 0, 0)).save(stream, "PNG")
    shown = _opened(make_preview(stream.getvalue(), View(max_bytes=50_000, max_edge=64)))
    assert shown.convert("RGBA").getpixel((32, 32))[3] == 0  # type: ignore[index]


def test_a_crop_shows_only_its_part() -> None:
    picture = Image.new("RGB", (200, 100), "red")
    picture.paste("blue", (100, 0, 200, 100))
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    preview = make_preview(stream.getvalue(), View(max_bytes=50_000, max_edge=500, crop=Crop(0.5, 0, 1, 1)))
    assert (preview.width, preview.height) == (100, 100)
    red, _, blue = _opened(preview).convert("RGB").getpixel((50, 50))  # type: ignore[misc]
    assert blue > 200
    assert red < 60


def test_a_grid_is_drawn_on_top_and_the_size_stays() -> None:
    data = _plain(400, 400)
    plain = make_preview(data, View(max_bytes=90_000, max_edge=400))
    ruled = make_preview(data, View(max_bytes=90_000, max_edge=400, grid=True))
    assert (ruled.width, ruled.height) == (400, 400)
    assert ruled.data != plain.data


@pytest.mark.parametrize("data", [b"", b"not an image", _plain(64, 64)[:60]])
def test_bytes_that_cannot_be_decoded_are_said_to_be_so(data: bytes) -> None:
    with pytest.raises(StorageFailed) as refusal:
        make_preview(data, View(max_bytes=50_000, max_edge=64))
    assert "object at" not in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "crop"),
    [
        ("", None),
        ("  ", None),
        ("0,0,0.5,1", Crop(0, 0, 0.5, 1)),
        ("[0.1, 0.2, 0.3, 0.4]", Crop(0.1, 0.2, 0.3, 0.4)),
        ("0 0 1 1", Crop(0, 0, 1, 1)),
    ],
)
def test_a_crop_is_read_from_text(text: str, crop: Crop | None) -> None:
    assert parse_crop(text) == crop


@pytest.mark.parametrize(
    "text", ["1", "0,0,1", "0,0,1,1,1", "0.5,0,0.5,1", "0,0.9,1,0.1", "0,0,2,1", "a,b,c,d"]
)
def test_a_malformed_crop_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InvalidArgument, match="crop") as refusal:
        parse_crop(text)
    assert "0.25,0.25,0.75,0.75" in refusal.value.next_step


@given(st.text(max_size=30))
def test_any_text_is_a_crop_or_a_refusal(text: str) -> None:
    try:
        crop = parse_crop(text)
    except InvalidArgument:
        return
    assert crop is None or (0 <= crop.left < crop.right <= 1 and 0 <= crop.top < crop.bottom <= 1)


@given(st.integers(0, 10**7))
def test_bytes_within_base64_are_the_most_that_fit(characters: int) -> None:
    size = bytes_within_base64(characters)
    assert (size + 2) // 3 * 4 <= characters
    assert (size + 3 + 2) // 3 * 4 > characters
