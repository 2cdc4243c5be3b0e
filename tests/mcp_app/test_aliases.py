"""Other spellings of calls, as the call that is meant; through a server in ``test_predecessors.py``."""

from __future__ import annotations

import base64
import json
from typing import Any, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt_image_mcp.errors import InvalidArgument
from gpt_image_mcp.mcp_app.aliases import translate
from gpt_image_mcp.mcp_app.aliases.tables import ARGUMENTS

Arguments: TypeAlias = dict[str, Any]


def _other_names(tool: str) -> set[str]:
    return {name for row in ARGUMENTS[tool] for name in row.names.split()}


def _meant(tool: str, arguments: Arguments) -> tuple[str, dict[str, object]]:
    call = translate(tool, arguments)
    return call.tool, call.arguments


def test_the_prompt_becomes_the_label_unless_there_is_one() -> None:
    by_prompt = {"edit_prompt": "a red boat", "naming_strategy": "prompt"}
    assert _meant("edit-image", by_prompt)[1]["filename_prefix"] == "a red boat"
    named = {**by_prompt, "filename_prefix": "mine"}
    assert _meant("edit-image", named)[1]["filename_prefix"] == "mine"


def test_batch_settings_become_arguments() -> None:
    settings = {"parallelProcessing": False, "maxConcurrent": 4, "errorHandling": "fail_fast"}
    for value in (settings, json.dumps(settings)):
        arguments: Arguments = {"images": ["a.png"], "prompt": "x", "batchSettings": value}
        tool, meant = _meant("batch-edit", arguments)
        assert tool == "batch_edit_images"
        assert meant == {"images": ["a.png"], "prompt": "x", "concurrency": 1, "on_error": "stop"}


@pytest.mark.parametrize("mask", ["mask.png", "https://example.org/m", "20261121-150301-a1b2c3"])
def test_a_mask_area_that_is_a_file_is_the_mask(mask: str) -> None:
    assert _meant("edit-image", {"mask_area": mask})[1] == {"mask": mask}


@pytest.mark.parametrize(
    ("described", "reference"),
    [
        ({"type": "url", "value": "https://example.org/a.png"}, "https://example.org/a.png"),
        ({"type": "base64", "value": "iVBORw0KGgo="}, "data:;base64,iVBORw0KGgo="),
        ({"type": "base64", "value": "data:image/webp;base64,UklG"}, "data:image/webp;base64,UklG"),
        ({"type": "image", "data": "/9j/", "mimeType": "image/jpeg"}, "data:;base64,/9j/"),
        ({"type": "image_url", "image_url": {"url": "https://example.org/a"}}, "https://example.org/a"),
        ({"type": "image", "source": "somewhere"}, {"type": "image", "source": "somewhere"}),
        ({"id": " ", "path": "a.png"}, "a.png"),
    ],
)
def test_descriptions_of_images_become_references(described: Arguments, reference: object) -> None:
    assert _meant("edit_image", {"images": [described]})[1]["images"] == [reference]
    assert _meant("edit_image", {"mask": described})[1]["mask"] == reference
    assert _meant("get_image", {"ref": json.dumps(described)})[1]["ref"] == (
        reference if isinstance(reference, str) else described
    )


def test_a_mask_area_of_shapes_is_regions() -> None:
    region = {"shape": "rectangle", "box": [0, 0, 0.5, 1]}
    assert _meant("edit-image", {"mask_area": [region]})[1] == {"regions": [region]}


def test_empty_values_say_nothing() -> None:
    empty: Arguments = {"images": [], "mask": "", "job_id": "", "session_id": "", "aspect_ratio": "auto"}
    assert _meant("generate_image", {"prompt": "x", **empty})[1] == {"prompt": "x", "size": "auto"}


def test_the_same_image_said_twice_is_no_contradiction() -> None:
    arguments: Arguments = {"image": "a.png", "images": ["a.png"], "image_path": ["a.png"], "file": ""}
    assert _meant("edit_image", arguments)[1] == {"images": ["a.png"]}


def test_a_default_gives_way_to_the_other_spelling() -> None:
    arguments: Arguments = {"size": "auto", "aspect_ratio": "1:1", "output_dir": "", "output_directory": "x"}
    assert _meant("generate_image", arguments)[1] == {"size": "1:1", "output_dir": "x"}


def test_a_quote_counts_the_images_it_is_shown() -> None:
    arguments: Arguments = {"images": ["a.png", "b.png"], "prompt": "x", "aspect_ratio": "1:1", "count": 2}
    assert _meant("estimate_cost", arguments)[1] == {"input_images": 2, "size": "1:1", "n": 2}
    assert _meant("estimate_cost", {"image": 3})[1] == {"input_images": 3}


def test_the_history_is_searched_under_other_names() -> None:
    arguments: Arguments = {"search": "boat", "max_results": 3, "from": "7d", "to": "today", "session": "s"}
    assert _meant("list_images", arguments) == (
        "find_images",
        {"query": "boat", "limit": 3, "since": "7d", "until": "today", "session_id": "s"},
    )


def test_additions_wait_for_a_prompt() -> None:
    assert _meant("generate_image", {"style": "vivid"})[1] == {}


def test_every_name_has_one_meaning_for_a_tool() -> None:
    for tool, rows in ARGUMENTS.items():
        names = [name for row in rows for name in row.names.split()]
        assert len(names) == len(set(names)), tool


def test_long_values_are_cut_in_messages() -> None:
    data = base64.b64encode(bytes(9000)).decode()
    with pytest.raises(InvalidArgument) as refused:
        translate("edit_image", {"image": data, "images": ["a.png"]})
    assert len(str(refused.value)) < 500


@given(
    tool=st.sampled_from(sorted(ARGUMENTS)),
    arguments=st.dictionaries(
        st.text(max_size=8)
        | st.sampled_from(sorted({"batch_settings"}.union(*map(_other_names, ARGUMENTS)))),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=9),
            lambda inner: (
                st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
            ),
            max_leaves=5,
        ),
        max_size=4,
    ),
)
def test_any_call_is_translated_or_refused(tool: str, arguments: Arguments) -> None:
    try:
        call = translate(tool, arguments)
    except InvalidArgument:
        return
    assert call.tool == tool
    assert not set(call.arguments) & _other_names(tool)
