"""The words around a prompt for each kind of edit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt_image_mcp.catalogue.edit_types import EDIT_TYPES, FREE, apply_edit_type
from gpt_image_mcp.errors import InvalidArgument


def test_the_kinds_are_those_of_the_contract() -> None:
    assert set(EDIT_TYPES) == {
        *("free", "inpaint", "outpaint", "variation", "style_transfer", "object_removal"),
        *("background_change", "color_adjustment", "enhancement"),
    }


@given(st.text())
def test_a_free_edit_sends_the_prompt_as_it_is(prompt: str) -> None:
    assert apply_edit_type(prompt, FREE) == apply_edit_type(prompt, "") == prompt


@given(st.text(), st.sampled_from([name for name in EDIT_TYPES if name != FREE]))
def test_every_other_kind_adds_words_around_the_whole_prompt(prompt: str, edit_type: str) -> None:
    framed = apply_edit_type(prompt, edit_type)
    assert prompt in framed
    assert len(framed) > len(prompt) + 80
    assert framed == apply_edit_type("PROMPT", edit_type).replace("PROMPT", prompt)
    assert "Image 1" in apply_edit_type("PROMPT", edit_type)


def test_no_two_kinds_send_the_same() -> None:
    assert len({apply_edit_type("a fox", name) for name in EDIT_TYPES}) == len(EDIT_TYPES)


def test_braces_in_a_prompt_stay() -> None:
    assert "{prompt} {0} {{x}}" in apply_edit_type("{prompt} {0} {{x}}", "inpaint")


def test_case_and_spaces_around_a_kind_do_not_matter() -> None:
    assert apply_edit_type("a fox", " Inpaint ") == apply_edit_type("a fox", "inpaint")


def test_an_unknown_kind_is_refused_with_all_that_there_are() -> None:
    with pytest.raises(InvalidArgument, match="collage") as refusal:
        apply_edit_type("a fox", "collage")
    assert "free" in refusal.value.next_step
