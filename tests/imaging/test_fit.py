"""Where a picture lies in a box."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt_image_mcp.imaging.fit import Fit, fit_into
from gpt_image_mcp.values.pixels import Pixels

edges = st.integers(1, 5000)
sizes = st.builds(Pixels, edges, edges)
fits: st.SearchStrategy[Fit] = st.sampled_from(["contain", "cover", "stretch"])


@pytest.mark.parametrize(
    ("box", "fit", "fills_box", "scaled", "canvas", "part"),
    [
        ((0, 0), "contain", False, (300, 200), (300, 200), (0, 0, 300, 200)),
        ((150, 0), "contain", False, (150, 100), (150, 100), (0, 0, 300, 200)),
        ((0, 50), "cover", False, (75, 50), (75, 50), (0, 0, 300, 200)),
        ((100, 100), "contain", False, (100, 67), (100, 67), (0, 0, 300, 200)),
        ((100, 100), "contain", True, (100, 67), (100, 100), (0, 0, 300, 200)),
        ((100, 100), "cover", False, (100, 100), (100, 100), (50, 0, 250, 200)),
        ((100, 100), "stretch", False, (100, 100), (100, 100), (0, 0, 300, 200)),
        ((600, 600), "contain", False, (600, 400), (600, 400), (0, 0, 300, 200)),
    ],
)
def test_a_picture_of_three_by_two_is_placed(
    box: tuple[int, int],
    fit: Fit,
    scaled: tuple[int, int],
    canvas: tuple[int, int],
    part: tuple[float, ...],
    *,
    fills_box: bool,
) -> None:
    placed = fit_into(Pixels(300, 200), Pixels(*box), fit=fit, fills_box=fills_box)
    assert (placed.scaled, placed.canvas, placed.part) == (scaled, canvas, part)
    assert placed.is_cropped(Pixels(300, 200)) is (part[0] > 0)


def test_the_bars_are_of_equal_width() -> None:
    assert fit_into(Pixels(300, 200), Pixels(99, 99), fit="contain", fills_box=True).corner == (0, 16)


@given(picture=sizes, box=sizes, fit=fits, fills_box=st.booleans())
def test_every_placement_stays_within_picture_and_box(
    picture: Pixels, box: Pixels, fit: Fit, *, fills_box: bool
) -> None:
    placed = fit_into(picture, box, fit=fit, fills_box=fills_box)
    left, top, right, bottom = placed.part
    assert 0 <= left < right <= picture.width + 1e-6
    assert 0 <= top < bottom <= picture.height + 1e-6
    assert all(1 <= edge <= limit for edge, limit in zip(placed.scaled, placed.canvas, strict=True))
    assert all(edge <= limit for edge, limit in zip(placed.canvas, box, strict=True))
    assert placed.canvas == box or (fit == "contain" and not fills_box)


@given(picture=sizes, edge=edges)
def test_one_edge_keeps_the_proportions(picture: Pixels, edge: int) -> None:
    placed = fit_into(picture, Pixels(edge, 0), fit="contain", fills_box=False)
    assert placed.canvas.width == edge
    assert abs(placed.canvas.height - picture.height * edge / picture.width) <= 1


@given(picture=sizes)
def test_its_own_size_changes_nothing(picture: Pixels) -> None:
    placed = fit_into(picture, picture, fit="cover", fills_box=True)
    assert (placed.scaled, placed.magnification) == (picture, 1)
    assert not placed.is_cropped(picture)
