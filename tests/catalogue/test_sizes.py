"""From what a caller calls a size to what a model accepts."""

from __future__ import annotations

import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt_image_mcp.catalogue.models import CustomSizes, ImageModel, load_catalogue
from gpt_image_mcp.catalogue.size_rules import nearest, own_size, parse_pixels, shape_size, violation
from gpt_image_mcp.catalogue.sizes import canvas_size, resolve_size
from gpt_image_mcp.errors import InvalidArgument, RequestError, UnsupportedByModel
from gpt_image_mcp.values.pixels import Pixels


def _model(name: str) -> ImageModel:
    model = load_catalogue().find(name)
    assert model is not None
    return model


def _first_size(words: str) -> Pixels | None:
    """The first size that is named in a text."""
    found = re.search(r"\d+x\d+", words)
    return parse_pixels(found[0]) if found else None


FREE, FIXED = _model("gpt-image-2"), _model("gpt-image-1.5")
assert isinstance(FREE.sizes, CustomSizes)
RULE: CustomSizes = FREE.sizes


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("auto", "auto"),
        ("", "auto"),
        (" AUTO ", "auto"),
        ("1024x1024", "1024x1024"),
        (" 1536 X 1024 ", "1536x1024"),
        ("1024×1536", "1024x1536"),  # noqa: RUF001 - people paste it
        ("1024*1024", "1024x1024"),
        ("square", "1024x1024"),
        ("landscape", "1536x1024"),
        ("portrait", "1024x1536"),
        ("square_2k", "2048x2048"),
        ("landscape-2k", "2048x1152"),
        ("PORTRAIT_2K", "1152x2048"),
        ("landscape_4k", "3840x2160"),
        ("portrait_4k", "2160x3840"),
        ("square_4k", "2880x2880"),
        ("2k", "2048x2048"),
        ("4K", "3840x2160"),
        ("wide", "1536x864"),
        (" Tall ", "864x1536"),
        ("1:1", "1024x1024"),
        ("3:2", "1536x1024"),
        ("2/3", "1024x1536"),
        ("16:9", "1536x864"),
        ("9:16", "864x1536"),
        ("4:3", "1344x1008"),
        ("3:1", "2016x672"),
    ],
)
def test_names_ratios_and_sizes_resolve(text: str, size: str) -> None:
    assert resolve_size(FREE, text).size == size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("16:9", "1536x1024"),
        ("9:16", "1024x1536"),
        ("square_2k", "1024x1024"),
        ("landscape_4k", "1536x1024"),
        ("2k", "1024x1024"),
        ("4k", "1536x1024"),
        ("wide", "1536x1024"),
        ("tall", "1024x1536"),
    ],
)
def test_a_model_with_few_sizes_gets_the_nearest_and_says_so(text: str, size: str) -> None:
    resolved = resolve_size(FIXED, text)
    assert resolved.size == size
    assert "nearest" in resolved.note


def test_what_became_of_a_ratio_or_a_name_is_said() -> None:
    assert resolve_size(FREE, "16:9").note == "Size 16:9 became 1536x864."
    assert "nearly that ratio" in resolve_size(FREE, "1.91:1").note
    assert resolve_size(FREE, "landscape").note == "Size landscape is 1536x1024."
    assert resolve_size(FREE, "1024x1024").note == ""
    assert "experimental" in resolve_size(FREE, "3840x2160").note
    assert "experimental" in resolve_size(FREE, "landscape_4k").note


@pytest.mark.parametrize(
    ("text", "rule", "valid"),
    [
        ("1000x1000", "16", "1008x1008"),
        ("872x2048", "16", "880x2048"),
        ("4096x2048", "3840", "3840x1920"),
        ("3840x1024", "3:1", "3456x1152"),
        ("256x256", "655,360", "816x816"),
        ("3840x3840", "655,360", "2880x2880"),
        ("0x0", "16", "816x816"),
    ],
)
def test_a_size_outside_the_rules_names_the_rule_and_the_nearest_valid_one(
    text: str, rule: str, valid: str
) -> None:
    with pytest.raises(InvalidArgument) as refusal:
        resolve_size(FREE, text)
    assert text in refusal.value.message
    assert rule in refusal.value.message
    assert valid in refusal.value.next_step


def test_a_refused_size_names_valid_ones_that_are_not_smaller_and_the_exact_size() -> None:
    with pytest.raises(InvalidArgument) as refusal:
        resolve_size(FREE, "1920x1080")
    for word in ("1920x1088", "2048x1152", "exact_size 1920x1080"):
        assert word in refusal.value.next_step
    with pytest.raises(UnsupportedByModel) as refused:
        resolve_size(FIXED, "1200x630")
    assert "not smaller is 1536x1024" in refused.value.next_step
    assert "exact_size 1200x630" in refused.value.next_step


@pytest.mark.parametrize("text", ["0x0", "4096x2048", "3840x1024"])
def test_a_size_that_nothing_holds_is_not_offered_as_an_exact_one(text: str) -> None:
    with pytest.raises(InvalidArgument) as refusal:
        resolve_size(FREE, text)
    assert "exact_size" not in refusal.value.next_step


def test_a_size_that_only_this_model_does_not_make_is_unsupported_by_it() -> None:
    with pytest.raises(UnsupportedByModel, match=r"gpt-image-1\.5.*2048x2048") as refusal:
        resolve_size(FIXED, "2048x2048")
    assert "1024x1024" in refusal.value.next_step
    with pytest.raises(UnsupportedByModel):
        resolve_size(FIXED, "0x0")


@pytest.mark.parametrize(
    "text", ["banana", "16:", "x", "1024", "1024x", "16:0", "0:1", "-1024x1024", "square_8k"]
)
def test_what_is_no_size_is_refused_with_examples(text: str) -> None:
    with pytest.raises(InvalidArgument) as refusal:
        resolve_size(FREE, text)
    assert text in refusal.value.message
    assert "landscape_2k" in refusal.value.next_step


def test_an_unknown_model_gets_sizes_as_they_are() -> None:
    assert resolve_size(None, "1000x1000").size == "1000x1000"
    assert resolve_size(None, "16:9").size == "1536x864"
    assert resolve_size(None, "square").size == "1024x1024"
    with pytest.raises(InvalidArgument):
        resolve_size(None, "0x0")


@given(st.integers(0, 9000), st.integers(0, 9000))
def test_any_width_and_height_is_valid_or_refused_with_a_valid_one(width: int, height: int) -> None:
    try:
        size = parse_pixels(resolve_size(FREE, f"{width}x{height}").size)
    except InvalidArgument as refusal:
        size = _first_size(refusal.next_step)
    assert size is not None
    assert violation(RULE, size) == ""


@given(st.floats(0.01, 100), st.integers(1, 10**8))
def test_the_nearest_size_is_always_valid(ratio: float, pixels: int) -> None:
    size = nearest(RULE, ratio=ratio, pixels=pixels)
    assert violation(RULE, size) == ""
    if 1 / 3 < ratio < 3:
        assert abs(size.ratio / ratio - 1) < 0.05


@given(st.text(max_size=20))
def test_any_text_is_a_size_or_a_refusal(text: str) -> None:
    with contextlib.suppress(RequestError):
        resolved = resolve_size(FREE, text)
        assert resolved.size == "auto" or parse_pixels(resolved.size)


def test_pixels_know_their_area_and_ratio() -> None:
    size = Pixels(1536, 1024)
    assert (size.area, size.ratio, str(size)) == (1536 * 1024, 1.5, "1536x1024")


@pytest.mark.parametrize(
    ("image", "size"),
    [
        ((1024, 1024), (1024, 1024)),
        ((1008, 704), (1008, 704)),
        ((1000, 700), (992, 704)),
        ((640, 480), (960, 720)),
        ((6000, 4000), (3504, 2336)),
        ((5000, 500), (2736, 912)),
        ((1, 1), (816, 816)),
    ],
)
def test_an_image_keeps_its_own_size_or_gets_the_nearest_valid_one(
    image: tuple[int, int], size: tuple[int, int]
) -> None:
    assert own_size(FREE, Pixels(*image)) == own_size(None, Pixels(*image)) == Pixels(*size)


@pytest.mark.parametrize(
    ("image", "size"),
    [((4000, 3000), (1536, 1024)), ((300, 310), (1024, 1024)), ((1080, 1920), (1024, 1536))],
)
def test_a_model_with_few_sizes_makes_the_one_of_the_nearest_ratio(
    image: tuple[int, int], size: tuple[int, int]
) -> None:
    assert own_size(FIXED, Pixels(*image)) == Pixels(*size)


_EDGES = st.integers(1, 12_000)


@given(_EDGES, _EDGES)
def test_the_own_size_is_always_valid_and_stays_where_it_was_valid(width: int, height: int) -> None:
    image = Pixels(width, height)
    size = own_size(FREE, image)
    assert violation(RULE, size) == ""
    assert violation(RULE, image) or size == image
    assert own_size(FREE, size) == size
    assert str(own_size(FIXED, image)) in {"1024x1024", "1536x1024", "1024x1536"}


@pytest.mark.parametrize(
    ("image", "size"),
    [
        ((1024, 1024), (1024, 1024)),
        ((1536, 864), (1536, 864)),
        ((1920, 1080), (1936, 1088)),
        ((1000, 700), (1008, 704)),
        ((640, 480), (960, 720)),
        ((6000, 4000), (1872, 1248)),
        ((3840, 2160), (2048, 1152)),
        ((5000, 500), (2640, 880)),
        ((1, 1), (816, 816)),
    ],
)
def test_a_picture_keeps_its_shape_near_its_own_size_and_below_2_4_megapixels(
    image: tuple[int, int], size: tuple[int, int]
) -> None:
    assert shape_size(FREE, Pixels(*image)) == Pixels(*size)


@given(_EDGES, _EDGES)
def test_a_kept_shape_is_within_a_percent_and_near_the_own_number_of_pixels(width: int, height: int) -> None:
    image = Pixels(width, height)
    size = shape_size(FREE, image)
    assert violation(RULE, size) == ""
    assert size.area <= 2_400_000
    if 1 / 3 <= image.ratio <= 3:
        assert abs(size.ratio / image.ratio - 1) <= 0.01
        aimed = min(max(image.area, RULE.min_pixels), 2_400_000)
        assert 0.85 < size.area / aimed < 1.2
    assert shape_size(FREE, size) == size
    assert str(shape_size(FIXED, image)) in {"1024x1024", "1536x1024", "1024x1536"}


@pytest.mark.parametrize(
    ("text", "image", "canvas"),
    [
        ("16:9", (1024, 1024), (1824, 1024)),
        ("16:9", (1536, 864), (1536, 864)),
        ("1:1", (1536, 1024), (1536, 1536)),
        ("9:16", (1024, 1024), (1024, 1824)),
        # Rounded to the nearest step it would be narrower than the image.
        ("3:2", (1125, 752), (1136, 752)),
        ("3:1", (1000, 1000), (3024, 1008)),
        ("wide", (1024, 1024), (1824, 1024)),
        ("landscape", (3000, 3000), (1536, 1024)),
        ("1536x1024", (1024, 1024), (1536, 1024)),
        (" 1536 X 1024 ", (1024, 1024), (1536, 1024)),
        ("2:1", (5000, 5000), (3840, 1920)),
    ],
)
def test_a_canvas_is_the_size_or_the_smallest_of_the_ratio_that_holds_the_image(
    text: str, image: tuple[int, int], canvas: tuple[int, int]
) -> None:
    assert canvas_size(FREE, text, Pixels(*image)) == Pixels(*canvas)


def test_a_model_with_few_sizes_extends_to_one_of_them() -> None:
    assert canvas_size(FIXED, "16:9", Pixels(1024, 1024)) == Pixels(1536, 1024)
    with pytest.raises(UnsupportedByModel):
        canvas_size(FIXED, "2048x2048", Pixels(1024, 1024))


@pytest.mark.parametrize("text", ["auto", "", " AUTO "])
def test_a_canvas_of_no_size_is_refused_with_examples(text: str) -> None:
    with pytest.raises(InvalidArgument, match="outpaint") as refusal:
        canvas_size(FREE, text, Pixels(1024, 1024))
    assert "16:9" in refusal.value.next_step


@pytest.mark.parametrize("text", ["banana", "16:0", "1000x1000"])
def test_a_canvas_that_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument):
        canvas_size(FREE, text, Pixels(1024, 1024))


@given(st.integers(1, 40), st.integers(1, 40), _EDGES, _EDGES)
def test_a_canvas_of_a_ratio_is_valid_and_holds_the_image_if_one_that_is_as_wide_or_high_can(
    across: int, down: int, width: int, height: int
) -> None:
    image = Pixels(width, height)
    canvas = canvas_size(FREE, f"{across}:{down}", image)
    assert violation(RULE, canvas) == ""
    limited = min(max(across / down, 1 / 3), 3)
    assert abs(canvas.ratio / limited - 1) < 0.05
    needed = max(width, height * across / down) * max(height, width * down / across)
    is_possible = 1 / 3 <= across / down <= 3 and needed < 3_000_000
    if is_possible:
        assert canvas.width >= width
        assert canvas.height >= height


def test_a_size_is_experimental_only_above_2560x1440() -> None:
    assert resolve_size(FREE, "2560x1440").note == ""
    assert "experimental" in resolve_size(FREE, "2576x1440").note
