"""Regions as callers write them, and the area they cover."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from gpt_image_mcp.errors import InputRejected, InvalidArgument
from gpt_image_mcp.imaging.masks import MAX_MASK_BYTES, make_mask
from gpt_image_mcp.imaging.regions import Area, Region, cover
from gpt_image_mcp.imaging.shapes import read_shapes

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

SIZE = (100, 80)
LEFT_HALF = {"box": [0, 0, 0.5, 1]}
TRIANGLE = {"shape": "polygon", "points": [[0, 0], [1, 0], [0, 1]]}


def covered(*described: dict[str, Any], size: tuple[int, int] = SIZE) -> Area:
    return cover(read_shapes(Region, described), size)


def covers(area: Area, x: int, y: int) -> bool:
    return area.coverage.getpixel((x, y)) == 255


def edited_box(area: Area) -> tuple[int, int, int, int] | None:
    return area.coverage.point([0] * 128 + [255] * 128).getbbox()


def test_a_rectangle_in_fractions_covers_exactly_its_pixels() -> None:
    area = covered({"shape": "rectangle", "box": [0.25, 0.25, 0.75, 0.5]})
    assert edited_box(area) == (25, 20, 75, 40)
    assert area.coverage.histogram()[255] == 50 * 20
    assert area.notes == ()


def test_pixels_are_taken_as_they_are() -> None:
    assert edited_box(covered({"box": [10, 20, 30, 40], "unit": "px"})) == (10, 20, 30, 40)


@pytest.mark.parametrize("unit", ["px", "PX", "pixel", " pixels "])
def test_every_word_for_pixels_means_pixels(unit: str) -> None:
    assert read_shapes(Region, [{"box": [1, 2, 30, 40], "unit": unit}])[0].unit == "px"


@pytest.mark.parametrize("unit", ["fraction", "Fractions", "relative"])
def test_every_word_for_fractions_means_fractions(unit: str) -> None:
    assert read_shapes(Region, [{"box": [0, 0, 1, 1], "unit": unit}])[0].unit == "fraction"


def test_a_shape_is_a_rectangle_unless_it_says_otherwise_in_any_case() -> None:
    shapes = [region.shape for region in read_shapes(Region, [LEFT_HALF, {**LEFT_HALF, "shape": " Ellipse"}])]
    assert shapes == ["rectangle", "ellipse"]


def test_a_null_in_a_region_means_the_default() -> None:
    described = {**LEFT_HALF, "points": None, "unit": None, "feather": None, "invert": None}
    assert read_shapes(Region, [described]) == read_shapes(Region, [LEFT_HALF])


def test_an_ellipse_leaves_the_corners_of_its_box() -> None:
    area = covered({"shape": "ellipse", "box": [0, 0, 1, 1]})
    assert covers(area, 50, 40)
    assert not covers(area, 1, 1)
    assert edited_box(area) == (0, 0, 100, 80)


def test_a_polygon_covers_its_inside() -> None:
    area = covered(TRIANGLE)
    assert covers(area, 10, 10)
    assert not covers(area, 90, 70)


def test_regions_add_up() -> None:
    area = covered({"box": [0, 0, 0.1, 0.1]}, {"box": [0.9, 0.9, 1, 1]})
    assert covers(area, 2, 2)
    assert covers(area, 98, 78)
    assert not covers(area, 50, 40)


def test_an_inverted_region_alone_means_everything_else() -> None:
    area = covered({**LEFT_HALF, "invert": True})
    assert not covers(area, 10, 40)
    assert covers(area, 90, 40)


def test_an_inverted_region_is_kept_out_of_the_others() -> None:
    area = covered({"box": [0, 0, 1, 1]}, {"box": [0.4, 0.4, 0.6, 0.6], "invert": True})
    assert covers(area, 5, 5)
    assert not covers(area, 50, 40)


@pytest.mark.parametrize(
    "region",
    [{"box": [0.25, 0, 0.75, 1], "feather": 0.2}, {"box": [25, 0, 75, 80], "unit": "px", "feather": 16}],
)
def test_a_feather_softens_the_edge_on_both_sides(region: dict[str, Any]) -> None:
    coverage = covered(region).coverage
    row = [coverage.getpixel((x, 40)) for x in range(100)]
    assert (row[0], row[50], row[99]) == (0, 255, 0)
    assert row[:50] == sorted(row[:50], key=float)  # type: ignore[arg-type]
    assert 0 < float(row[22]) < 128 < float(row[28]) < 255  # type: ignore[arg-type]


def test_the_edge_of_the_image_is_not_softened() -> None:
    assert covers(covered({**LEFT_HALF, "feather": 0.1}), 0, 0)


@pytest.mark.parametrize("box", [[0.9999, 0.5, 1, 0.6], [0.5, 0.5, 0.50001, 0.50001], [-0.1, 0, 0.0001, 1]])
def test_a_region_thinner_than_a_pixel_covers_one(box: list[float]) -> None:
    assert edited_box(covered({"box": box})) is not None


@pytest.mark.parametrize(
    "box", [[-0.1, 0.2, 0.5, 0.5], [0.2, -0.1, 0.5, 0.5], [0.2, 0.2, 1.1, 0.5], [0.2, 0.2, 0.5, 1.1]]
)
def test_a_region_that_reaches_over_the_edge_is_cut_and_that_is_said(box: list[float]) -> None:
    area = covered(LEFT_HALF, {"box": box})
    assert area.notes == ("Region 2 reaches beyond the image and was cut at its edge.",)
    assert edited_box(area)


@pytest.mark.parametrize(
    "region",
    [
        {"box": [100, 0, 120, 40], "unit": "px"},
        {"box": [0, 80, 20, 90], "unit": "px"},
        {"box": [-20, 0, 0, 40], "unit": "px"},
        {"box": [0, -0.5, 1, 0]},
        {"shape": "polygon", "points": [[1.1, 0], [1.5, 0], [1.2, 1]]},
        {"box": [1.1, 0, 1.5, 1], "invert": True},
    ],
)
def test_a_region_outside_the_image_is_refused_with_both_sizes(region: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument, match=r"Region 1 .*100x80") as refusal:
        covered(region)
    assert "get_image" in refusal.value.next_step


def test_where_a_refused_region_lies_is_said_in_pixels() -> None:
    with pytest.raises(InvalidArgument, match=r"110,20 .*150,60.*100x80"):
        covered({"box": [1.1, 0.25, 1.5, 0.75]})


@pytest.mark.parametrize("shape", ["rectangle", "ellipse"])
@pytest.mark.parametrize("box", [[0, 0, 1e12, 1e12], [0, 0, 1e300, 1e300], [-1e9, 0, 10, 10]])
def test_a_region_that_reaches_much_too_far_is_refused_before_it_is_drawn(
    shape: str, box: list[float]
) -> None:
    with pytest.raises(InvalidArgument, match=r"Region 1 .*100x80"):
        covered({"shape": shape, "box": box, "unit": "px"})


def test_a_region_of_the_last_pixel_covers_that_one_alone() -> None:
    area = covered({"box": [99, 79, 100, 80], "unit": "px"})
    assert area.coverage.getbbox() == (99, 79, 100, 80)


def test_a_feather_ends_half_its_width_beyond_the_edge() -> None:
    area = covered({"box": [0, 0, 50, 80], "unit": "px", "feather": 16})
    assert area.coverage.getpixel((57, 40)) in range(4, 13)
    assert area.coverage.getpixel((63, 40)) == 0


@pytest.mark.parametrize("feather", [1e12, 200, 60])
def test_a_feather_that_leaves_nothing_of_a_region_is_refused(feather: float) -> None:
    with pytest.raises(InvalidArgument, match=r"Region 2 .*feather"):
        covered(LEFT_HALF, {"box": [50, 40, 53, 43], "unit": "px", "feather": feather})


@pytest.mark.parametrize(
    ("region", "words"),
    [
        ({"shape": "polygon", "points": [[0, 0], [1, 1]]}, "has 2 points; a polygon needs at least 3"),
        ({"shape": "polygon", "box": [0, 0, 1, 1]}, "has 0 points"),
        ({"shape": "rectangle", "points": [[0, 0], [1, 0], [0, 1]]}, "a box of 0 numbers"),
        ({"box": [0, 0, 1]}, "a box of 3 numbers; it needs left, top, right and bottom"),
        ({"box": [0.5, 0, 0.5, 1]}, "right or bottom edge is not beyond"),
        ({"box": [0, 0.9, 1, 0.1]}, "right or bottom edge is not beyond"),
        ({"box": [10, 10, 200, 200]}, 'for pixels add "unit": "px"'),
        ({"shape": "polygon", "points": [[0, 0], [50, 0], [0, 50]]}, 'for pixels add "unit": "px"'),
        ({**LEFT_HALF, "feather": 12}, 'a feather of 12 image edges; for pixels add "unit": "px"'),
        ({**LEFT_HALF, "feather": -1}, "feather"),
        ({**LEFT_HALF, "unit": "cm"}, "unit"),
        ({**LEFT_HALF, "colour": "red"}, "colour"),
        ({"shape": "circle", "box": [0, 0, 1, 1]}, "shape"),
        ({"box": ["a", 0, 1, 1]}, "box.0"),
        ({"box": [float("nan"), 0, 1, 1]}, "box.0"),
        ({"box": [float("inf"), 0, 1, 1]}, "box.0"),
        ({"shape": "polygon", "points": [[0, 0, 0], [1, 0], [0, 1]]}, "points.0"),
        ("the left half", "no JSON object"),
        (None, "no JSON object"),
    ],
)
def test_a_malformed_region_is_refused_with_its_number_the_reason_and_an_example(
    region: Any, words: str
) -> None:
    with pytest.raises(InvalidArgument) as refusal:
        read_shapes(Region, [LEFT_HALF, region])
    assert refusal.value.message.startswith("Region 2 ")
    assert words in refusal.value.message
    assert ('"points"' if "polygon" in str(region) else '"box"') in refusal.value.next_step


def test_what_was_read_before_is_taken_as_it_is() -> None:
    regions = read_shapes(Region, [LEFT_HALF])
    assert read_shapes(Region, regions) == regions
    assert read_shapes(Region, []) == ()


def _boxes() -> SearchStrategy[list[float]]:
    edges = st.tuples(st.floats(-0.5, 0.95), st.floats(0.05, 1.5))
    spans = edges.map(lambda edge: (edge[0], max(edge[1], edge[0] + 0.05, 0.05)))
    return st.tuples(spans, spans).map(lambda both: [both[0][0], both[1][0], both[0][1], both[1][1]])


def _corners() -> SearchStrategy[list[list[float]]]:
    far = st.lists(st.floats(-1, 2), min_size=2, max_size=2)
    # One corner in the middle keeps the polygon on the image.
    return st.lists(far, min_size=2, max_size=6).map(lambda points: [[0.5, 0.5], *points])


def _described() -> SearchStrategy[list[dict[str, Any]]]:
    flags = {"invert": st.booleans(), "feather": st.sampled_from((0.0, 0.0, 0.01, 0.05))}
    boxed = {"shape": st.sampled_from(("rectangle", "ellipse")), "box": _boxes(), **flags}
    polygon = {"shape": st.just("polygon"), "points": _corners(), **flags}
    return st.lists(st.one_of(st.fixed_dictionaries(boxed), st.fixed_dictionaries(polygon)), max_size=5)


@given(_described(), st.tuples(st.integers(1, 300), st.integers(1, 300)))
def test_any_regions_make_a_mask_that_is_transparent_exactly_where_they_cover(
    described: list[dict[str, Any]], size: tuple[int, int]
) -> None:
    try:
        coverage = cover(read_shapes(Region, described), size).coverage
    except InvalidArgument as refusal:
        assert "vanishes" in refusal.message  # noqa: PT017 - the only refusal that these regions may get
        return
    assert (coverage.mode, coverage.size) == ("L", size)
    wanted = coverage.point([0] * 128 + [255] * 128)
    if wanted.getbbox() is None:
        with pytest.raises(InputRejected):
            make_mask(coverage)
        return
    mask = make_mask(coverage)
    image = Image.open(io.BytesIO(mask.file))
    assert (image.format, image.mode, image.size) == ("PNG", "RGBA", size)
    assert len(mask.file) < MAX_MASK_BYTES
    assert image.getchannel("A").point(lambda alpha: 255 - alpha).tobytes() == wanted.tobytes()


@given(_boxes(), st.sampled_from(("rectangle", "ellipse")))
def test_inverting_a_region_covers_what_it_left(box: list[float], shape: str) -> None:
    plain, inverted = (covered({"shape": shape, "box": box, "invert": invert}) for invert in (False, True))
    assert plain.coverage.point(lambda value: 255 - value).tobytes() == inverted.coverage.tobytes()


@given(st.lists(st.sampled_from((LEFT_HALF, TRIANGLE, {**LEFT_HALF, "invert": True})), max_size=4))
def test_the_order_of_regions_does_not_matter(described: list[dict[str, Any]]) -> None:
    assert covered(*described).coverage.tobytes() == covered(*reversed(described)).coverage.tobytes()


def test_a_region_can_be_made_in_code() -> None:
    assert edited_box(cover([Region(box=(0, 0, 0.5, 0.5))], SIZE)) == (0, 0, 50, 40)


@pytest.mark.parametrize(
    ("described", "said"),
    [
        ([LEFT_HALF] * 65, "65 regions"),
        ([{"shape": "polygon", "points": [[0.1, 0.1]] * 100_000}], "points"),
    ],
)
def test_more_regions_or_points_than_can_be_meant_are_refused(
    described: list[dict[str, Any]], said: str
) -> None:
    with pytest.raises(InvalidArgument, match=said):
        read_shapes(Region, described)


def test_regions_that_would_take_long_to_draw_are_refused_before_they_are_drawn() -> None:
    soft = read_shapes(Region, [{**LEFT_HALF, "feather": 0.5}] * 64)
    with pytest.raises(InvalidArgument, match="too long"):
        cover(soft, (3840, 2160))
    assert cover(read_shapes(Region, [LEFT_HALF] * 64), SIZE).coverage.getbbox() == (0, 0, 50, 80)
