"""Frames of an animation: their number, their time, and sizes of which all fit on one sheet."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt_image_mcp.catalogue.animations import as_animator, frame_duration_of, sheet_size
from gpt_image_mcp.catalogue.models import CustomSizes, load_catalogue
from gpt_image_mcp.catalogue.size_rules import nearest, parse_pixels
from gpt_image_mcp.catalogue.sizes import resolve_size
from gpt_image_mcp.errors import InvalidArgument

SIZES = ["square", "wide", "tall", "landscape", "portrait", "2k", "4k", "16:9", "1:3", "3:1", "1:1"]
MODEL = next(model for model in load_catalogue().models if "gif" in model.extra_formats)


@pytest.mark.parametrize(("frames", "edge"), [(2, 960), (9, 960), (10, 816), (12, 816), (13, 720), (16, 720)])
def test_the_largest_squares_are_those_that_were_reported(frames: int, edge: int) -> None:
    assert nearest(as_animator(MODEL, frames).sizes, ratio=1, pixels=10**7) == (edge, edge)
    over = f"{edge + 16}x{edge + 16}"
    with pytest.raises(InvalidArgument) as refused:
        resolve_size(as_animator(MODEL, frames), over)
    assert over not in refused.value.next_step


@given(frames=st.integers(2, 16), asked=st.sampled_from(SIZES))
def test_every_name_and_ratio_becomes_frames_that_fit_on_a_sheet(frames: int, asked: str) -> None:
    size = parse_pixels(resolve_size(as_animator(MODEL, frames), asked).size)
    assert size
    assert isinstance(MODEL.sizes, CustomSizes)
    sheet = sheet_size(size, frames)
    assert max(sheet) <= MODEL.sizes.max_edge
    assert MODEL.sizes.min_pixels <= sheet.area <= MODEL.sizes.max_pixels


@pytest.mark.parametrize(("asked", "sent"), [(0, 200), (10, 10), (14, 10), (15, 20), (655_350, 655_350)])
def test_a_duration_is_rounded_to_what_the_format_has(asked: int, sent: int) -> None:
    assert frame_duration_of(asked, "gif") == sent
