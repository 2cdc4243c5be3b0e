"""What a background may say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt_image_mcp.errors import InvalidArgument
from gpt_image_mcp.imaging.rendering import read_colour

LEVELS = st.integers(0, 255)


@given(LEVELS, LEVELS, LEVELS)
def test_a_colour_is_read_in_every_spelling_of_it(red: int, green: int, blue: int) -> None:
    digits = f"{red:02x}{green:02x}{blue:02x}"
    for text in (f"#{digits}", f" #{digits.upper()} ", f"#{digits}ff", f"rgb({red}, {green}, {blue})"):
        assert read_colour(text) == (red, green, blue)


@pytest.mark.parametrize("text", ["", " ", "transparent", "Transparent "])
def test_no_colour_is_none(text: str) -> None:
    assert read_colour(text) is None


@pytest.mark.parametrize(
    ("text", "colour"),
    [("White", (255, 255, 255)), ("#f80", (255, 136, 0)), ("hsl(120,100%,50%)", (0, 255, 0))],
)
def test_names_and_short_forms_are_colours(text: str, colour: tuple[int, int, int]) -> None:
    assert read_colour(text) == colour


@pytest.mark.parametrize(
    "text", ["greenish", "#12", "rgb(300,0,0)", "rgb(0,0,256)", "rgb(200%,0%,0%)", "rgba(0,0,0,300)"]
)
def test_what_is_no_colour_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument) as refusal:
        read_colour(text)
    assert repr(text) in refusal.value.message
    assert "#rrggbb" in refusal.value.next_step


@given(LEVELS, st.integers(0, 254))
def test_a_colour_that_lets_something_through_is_refused(level: int, alpha: int) -> None:
    for text in (f"#{level:02x}0000{alpha:02x}", f"rgba({level},0,0,{alpha})"):
        with pytest.raises(InvalidArgument) as refusal:
            read_colour(text)
        assert repr(text) in refusal.value.message
        assert "transparent" in refusal.value.next_step
