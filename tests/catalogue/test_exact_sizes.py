"""Sizes to the pixel: what is asked of the model for them, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gpt_image_mcp.catalogue.exact_sizes import is_exact_size, require_whole_picture, resolve_exact_size
from gpt_image_mcp.catalogue.models import CustomSizes, ImageModel, load_catalogue
from gpt_image_mcp.catalogue.size_rules import larger_sizes, parse_pixels, violation
from gpt_image_mcp.errors import InvalidArgument, UnsupportedByModel
from gpt_image_mcp.values.pixels import Pixels


def _model(name: str) -> ImageModel:
    model = load_catalogue().find(name)
    assert model is not None
    return model


FREE, FIXED = _model("gpt-image-2"), _model("gpt-image-1.5")
assert isinstance(FREE.sizes, CustomSizes)
RULE: CustomSizes = FREE.sizes


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("1920x1080", "1920x1088"),
        (" 1200 X 630 ", "1216x640"),
        ("500x300", "1072x640"),
        ("64x64", "816x816"),
        ("16x48", "480x1440"),
        ("1024x1024", "1024x1024"),
        ("3840x2150", "3840x2160"),
        ("3840x1280", "3840x1280"),
        # Only its edges rounded up: in its own shape nothing as large is allowed.
        ("1285x3835", "1296x3840"),
    ],
)
def test_the_smallest_size_of_nearly_the_same_shape_is_asked_for(text: str, asked: str) -> None:
    exact = resolve_exact_size(FREE, text)
    assert str(exact.asked) == asked
    assert exact.wanted == parse_pixels(text)
    assert resolve_exact_size(None, text) == exact


@pytest.mark.parametrize(("text", "asked"), [("1200x630", "1536x1024"), ("500x900", "1024x1536")])
def test_a_model_with_few_sizes_makes_the_one_that_loses_least(text: str, asked: str) -> None:
    assert str(resolve_exact_size(FIXED, text).asked) == asked


@pytest.mark.parametrize(
    "text",
    ["0x0", "0x100", "5000x5000", "16x3840", "3840x16", "15x20", "3841x2000", "48x145", "16:9", "2k", "auto"],
)
def test_what_is_not_delivered_is_refused_with_what_is(text: str) -> None:
    with pytest.raises(InvalidArgument) as refusal:
        resolve_exact_size(FREE, text)
    assert text in refusal.value.message
    assert "16 to 3840 pixels a side, and at most 3:1" in refusal.value.next_step


@pytest.mark.parametrize(
    ("model", "text", "largest"),
    [(FREE, "2900x2900", "2880x2880"), (FREE, "3840x2400", "3635x2272"), (FIXED, "1920x1080", "1536x864")],
)
def test_a_size_that_is_too_large_for_the_model_is_refused_with_the_largest(
    model: ImageModel, text: str, largest: str
) -> None:
    with pytest.raises(UnsupportedByModel) as refusal:
        resolve_exact_size(model, text)
    assert text in refusal.value.message
    assert model.name in refusal.value.message
    assert largest in refusal.value.next_step
    assert str(resolve_exact_size(model, largest).wanted) == largest


_EDGES = st.integers(16, 3840)


@given(_EDGES, _EDGES, st.sampled_from([FREE, FIXED]))
@example(1920, 1080, FREE)
@example(2161, 3840, FREE)
def test_what_is_asked_for_is_made_and_holds_the_size_or_the_largest_that_fits_is_named(
    width: int, height: int, model: ImageModel
) -> None:
    wanted = Pixels(width, height)
    if not is_exact_size(wanted):
        return
    try:
        asked = resolve_exact_size(model, str(wanted)).asked
    except UnsupportedByModel as refusal:
        assert not _is_held(wanted, model)
        largest = parse_pixels(refusal.next_step.split()[2].strip(","))
        assert largest is not None
        assert abs(largest.ratio / wanted.ratio - 1) < 1 / min(largest)
        assert resolve_exact_size(model, str(largest)).asked.holds(largest)
        return
    assert asked.holds(wanted)
    if model is FREE:
        assert violation(RULE, asked) == ""
        tight = asked.width - width < 16 and asked.height - height < 16
        assert tight or asked.share_cut(wanted) <= 0.02


def _is_held(wanted: Pixels, model: ImageModel) -> bool:
    """Whether any size at all that the model makes holds another, by trying the smallest that could."""
    if model is FIXED:
        return any(Pixels(*made).holds(wanted) for made in ((1536, 1024), (1024, 1536)))
    least = Pixels(-(-wanted.width // 16) * 16, -(-wanted.height // 16) * 16)
    return violation(RULE, least) == "" or bool(larger_sizes(model, least))


@pytest.mark.parametrize("parts", [["a mask"], ["regions"], ["edit_type outpaint"], ["a mask", "regions"]])
def test_an_edit_of_a_part_takes_no_exact_size(parts: list[str]) -> None:
    require_whole_picture("", parts)
    require_whole_picture("1200x630", [])
    with pytest.raises(InvalidArgument, match="1200x630") as refusal:
        require_whole_picture("1200x630", parts)
    assert all(part in refusal.value.message for part in parts)
    assert "Leave exact_size empty" in refusal.value.next_step
