"""Previews: inside the byte budget, never enlarged, in the format that is asked for."""

from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from gpt_image_mcp.errors import InvalidArgument, StorageFailed
from gpt_image_mcp.imaging.previews import View, bytes_within_base64, make_preview
from gpt_image_mcp.values.views import Crop, InlineImage, PreviewFormat, parse_crop

FORMATS: tuple[PreviewFormat, ...] = ("jpeg", "webp", "png")


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


def _opened(preview: InlineImage) -> Image.Image:
    image = Image.open(io.BytesIO(preview.data))
    image.load()
    return image


def test_a_large_image_is_scaled_to_the_edge_with_its_proportions() -> None:
    preview = make_preview(_plain(1536, 1024), View(max_bytes=50_000, max_edge=768))
    assert _opened(preview).size == (768, 512)


def test_a_small_image_is_not_enlarged() -> None:
    preview = make_preview(_plain(100, 50), View(max_bytes=50_000, max_edge=768))
    assert _opened(preview).size == (100, 50)


@given(budget=st.integers(1_500, 200_000), edge=st.integers(64, 600))
@settings(max_examples=15)
def test_the_budget_holds_whatever_the_picture(budget: int, edge: int) -> None:
    preview = make_preview(NOISE, View(max_bytes=budget, max_edge=edge))
    assert len(preview.data) <= budget
    assert max(_opened(preview).size) <= edge


NOISE = _noise(640, 480)


def test_quality_goes_down_before_size() -> None:
    roomy = make_preview(NOISE, View(max_bytes=500_000, max_edge=640))
    tight = make_preview(NOISE, View(max_bytes=len(roomy.data) * 3 // 4, max_edge=640))
    assert _opened(tight).size == (640, 480)
    assert len(tight.data) < len(roomy.data)


def test_an_impossible_budget_gives_the_smallest_preview() -> None:
    preview = make_preview(NOISE, View(max_bytes=10, max_edge=640))
    assert max(_opened(preview).size) <= 32


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("budget", [1_500, 9_000, 60_000])
def test_every_format_is_what_it_says_and_holds_the_budget(kind: PreviewFormat, budget: int) -> None:
    preview = make_preview(NOISE, View(max_bytes=budget, max_edge=640, format=kind))
    assert preview.mime_type == f"image/{kind}"
    assert _opened(preview).format == kind.upper()
    assert len(preview.data) <= budget


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "L", "RGB", "1", "I;16"])
def test_every_mode_of_png_can_be_shown(mode: str, kind: PreviewFormat) -> None:
    preview = make_preview(_plain(64, 64, mode), View(max_bytes=50_000, max_edge=64, format=kind))
    has_alpha = mode in {"RGBA", "LA"} and kind != "jpeg"
    assert _opened(preview).mode == ("RGBA" if has_alpha else "RGB")


CLEAR = (255, 0, 0, 0)


def _with_hole(fill: tuple[int, int, int, int]) -> bytes:
    """Blue, with a hole or a patch of another colour in the middle."""
    picture = Image.new("RGBA", (128, 128), "blue")
    picture.paste(fill, (32, 32, 96, 96))
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return stream.getvalue()


@pytest.mark.parametrize("kind", ["webp", "png"])
def test_transparency_survives_where_the_format_has_it(kind: PreviewFormat) -> None:
    preview = make_preview(_with_hole(CLEAR), View(max_bytes=50_000, max_edge=128, format=kind))
    assert _opened(preview).convert("RGBA").getpixel((64, 64))[3] == 0  # type: ignore[index]
    assert not preview.has_checker


@pytest.mark.parametrize(("budget", "edge"), [(50_000, 128), (900, 128), (50_000, 96)])
def test_in_a_jpeg_what_is_transparent_is_a_light_checker(budget: int, edge: int) -> None:
    preview = make_preview(_with_hole(CLEAR), View(max_bytes=budget, max_edge=edge))
    shown = _opened(preview).convert("L")
    hole = shown.crop(tuple(round(shown.width * part) for part in (0.35, 0.35, 0.65, 0.65)))  # type: ignore[arg-type]
    darkest, lightest = hole.getextrema()
    assert preview.has_checker
    assert 215 < darkest < 240 < lightest  # type: ignore[operator]
    assert shown.getpixel((4, 4)) < 60  # type: ignore[operator]


def test_an_image_that_only_could_be_transparent_has_no_checker() -> None:
    preview = make_preview(_with_hole((9, 9, 9, 255)), View(max_bytes=50_000, max_edge=128))
    assert not preview.has_checker


def test_a_crop_shows_only_its_part() -> None:
    picture = Image.new("RGB", (200, 100), "red")
    picture.paste("blue", (100, 0, 200, 100))
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    preview = make_preview(stream.getvalue(), View(max_bytes=50_000, max_edge=500, crop=Crop(0.5, 0, 1, 1)))
    assert _opened(preview).size == (100, 100)
    red, _, blue = _opened(preview).convert("RGB").getpixel((50, 50))  # type: ignore[misc]
    assert blue > 200
    assert red < 60


def test_a_grid_is_drawn_on_top_and_the_size_stays() -> None:
    data = _plain(400, 400)
    plain = make_preview(data, View(max_bytes=90_000, max_edge=400))
    ruled = make_preview(data, View(max_bytes=90_000, max_edge=400, grid=True))
    assert _opened(ruled).size == (400, 400)
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
