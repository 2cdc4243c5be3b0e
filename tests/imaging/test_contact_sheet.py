"""Contact sheets: every picture and its label is on it, within the width and the bytes."""

from __future__ import annotations

import functools
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops

from gpt_image_mcp.errors import StorageFailed
from gpt_image_mcp.imaging.contact_sheet import LARGEST_EDGE, NARROWEST_EDGE, Entry, make_entry, make_sheet
from gpt_image_mcp.imaging.previews import View
from gpt_image_mcp.values.pixels import Pixels

LABEL = ("20261121-150301-a1b2c3", "gpt-image-2.5-flare", "quality medium", "1024x1024", "$0.0530")
COLOURS = [(255, 0, 0), (0, 160, 0), (0, 0, 255), (255, 160, 0)]
ROOMY = View(max_bytes=1_000_000, max_edge=LARGEST_EDGE)


def _entry(
    width: int, height: int, colour: tuple[int, ...] = (255, 0, 0), *, label: tuple[str, ...] = LABEL
) -> Entry:
    stream = io.BytesIO()
    Image.new("RGBA" if len(colour) > 3 else "RGB", (width, height), colour).save(stream, "PNG")
    return make_entry(stream.getvalue(), Pixels(width, height), label=label, count=4)


def _noise(edge: int) -> Entry:
    return Entry(Image.effect_noise((edge, edge), 90).convert("RGB"), LABEL, has_checker=False)


def _opened(entries: list[Entry], view: View = ROOMY) -> Image.Image:
    made = make_sheet(entries, view)
    assert made is not None
    assert len(made.data) <= view.max_bytes
    return Image.open(io.BytesIO(made.data)).convert("RGB")


def _near(image: Image.Image, colour: tuple[int, int, int]) -> Image.Image:
    """White where a picture has about this colour, black elsewhere."""
    masks = [
        band.point([255 * (abs(level - wanted) < 30) for level in range(256)])
        for band, wanted in zip(image.split(), colour, strict=True)
    ]
    return functools.reduce(ImageChops.darker, masks)


def _count(image: Image.Image, colour: tuple[int, int, int]) -> int:
    return _near(image, colour).histogram()[255]


@pytest.mark.parametrize("size", [(1536, 512), (1024, 1024), (512, 1536)])
def test_two_pictures_are_side_by_side_whatever_their_shape(size: tuple[int, int]) -> None:
    sheet = _opened([_entry(*size, colour) for colour in COLOURS[:2]])
    left, right = ((_near(sheet, colour).getbbox() or (0, 0, 0, 0)) for colour in COLOURS[:2])
    assert left[2] <= right[0]
    assert abs(left[3] - right[3]) <= 2


def test_every_picture_is_on_the_sheet_in_its_place_and_alike_in_size() -> None:
    sheet = _opened([_entry(1024, 1024, colour) for colour in COLOURS])
    assert all(_count(sheet, colour) > sheet.width * sheet.height // 6 for colour in COLOURS)
    corners = [(_near(sheet, colour).getbbox() or (0, 0, 0, 0))[2:] for colour in COLOURS]
    assert corners == sorted(corners, key=lambda corner: (corner[1], corner[0]))
    assert corners[0] < corners[3]


@given(shapes=st.lists(st.tuples(st.integers(1, 700), st.integers(1, 700)), min_size=1, max_size=12))
@settings(max_examples=15)
def test_no_shapes_make_a_sheet_wider_than_allowed_or_much_higher(shapes: list[tuple[int, int]]) -> None:
    sheet = _opened([_entry(*shape) for shape in shapes])
    assert sheet.width <= LARGEST_EDGE
    assert sheet.height <= LARGEST_EDGE * 1.1


def test_a_narrower_sheet_can_be_asked_for_down_to_what_is_legible() -> None:
    entries = [_entry(600, 400) for _ in range(3)]
    assert _opened(entries, View(max_bytes=1_000_000, max_edge=900)).width == 900
    assert _opened(entries, View(max_bytes=1_000_000, max_edge=64)).width == NARROWEST_EDGE


def test_a_small_picture_is_not_enlarged() -> None:
    sheet = _opened([_entry(120, 120), _entry(900, 900, (0, 0, 255))])
    assert 0.7 * 120 * 120 < _count(sheet, (255, 0, 0)) <= 120 * 120


def test_what_compresses_badly_makes_the_sheet_narrower_and_keeps_the_bytes() -> None:
    entries = [_noise(443) for _ in range(12)]
    roomy, tight = (_opened(entries, View(max_bytes=size, max_edge=1536)) for size in (4_000_000, 73_728))
    assert (roomy.width, tight.width < roomy.width) == (1536, True)
    assert make_sheet(entries, View(max_bytes=5_000, max_edge=1536)) is None


def test_a_label_too_long_for_its_cell_is_broken_and_not_cut() -> None:
    entry = _entry(150, 150, (255, 255, 255), label=("W" * 60,))
    wide, narrow = (
        _count(_opened(entries, View(max_bytes=1_000_000, max_edge=edge)), (24, 24, 27)) / len(entries)
        for entries, edge in (([entry], 1536), ([entry] * 3, NARROWEST_EDGE))
    )
    assert narrow >= 0.9 * wide


def test_labels_of_any_script_and_length_are_drawn() -> None:
    labels = [("夜景.png", "from elsewhere"), ("x" * 500,), ("", ""), ("a\x00b\nc",)]
    assert _opened([_entry(300, 300, label=label) for label in labels]).width == 1536


def test_transparency_is_a_light_checker_and_said() -> None:
    entries = [_entry(300, 300, (255, 0, 0, 0)), _entry(300, 300)]
    assert [entry.has_checker for entry in entries] == [True, False]
    assert _count(_opened(entries), (255, 0, 0)) < 300 * 300


def test_what_is_no_picture_is_refused() -> None:
    with pytest.raises(StorageFailed, match="cannot be decoded"):
        make_entry(b"no picture", Pixels(10, 10), label=(), count=2)
