"""JSON with comments and trailing commas: read, and changed with nothing else touched."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt_image_mcp.cli.client_config.jsonc import MalformedJson, parse, with_item, with_member

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)
COMMENTED = """// Zed settings
{
    "theme": "One", // mine
    /* servers */
    "context_servers": {
        "other": { "command": "x", }, // keep
    },
}
"""


def test_comments_and_commas_stay() -> None:
    changed = with_member(COMMENTED, ["context_servers", "new"], {"command": "y"})
    added = '        "new": {\n            "command": "y"\n        }\n'
    assert changed == COMMENTED.replace("// keep\n", "// keep\n" + added)
    again = with_member(changed, ["context_servers", "new", "command"], "z")
    assert again == changed.replace('"y"', '"z"')


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{}", '{\n  "a": {\n    "b": 1\n  }\n}'),
        ('{"x": 1}', '{"x": 1,\n  "a": {\n    "b": 1\n  }\n}'),
        ('{"a": {}}', '{"a": {\n  "b": 1\n}}'),
        ("{ /* nothing */ }", '{ /* nothing */\n  "a": {\n    "b": 1\n  }\n }'),
        ('\ufeff{\r\n\t"x": 1 // y\r\n}', '\ufeff{\r\n\t"x": 1, // y\r\n\t"a": {\r\n\t\t"b": 1\r\n\t}\r\n}'),
        ('{"a": {"b": {"c": 2}}}', '{"a": {"b": 1}}'),
    ],
)
def test_members_are_laid_out_like_the_rest(text: str, expected: str) -> None:
    assert with_member(text, ["a", "b"], 1) == expected


@given(JSON_VALUES, st.lists(st.text(), min_size=1, max_size=3), JSON_VALUES)
def test_a_member_is_set_and_nothing_else(before: Any, path: list[str], value: Any) -> None:
    text = json.dumps({"root": before}, indent=2)
    changed = with_member(text, ["new", *path], value)
    assert parse(changed).value == {"root": before, **_nested(["new", *path], value)}
    assert json.loads(changed) == parse(changed).value
    assert with_member(changed, ["new", *path], value) == changed


def _nested(path: list[str], value: Any) -> Any:
    return {path[0]: _nested(path[1:], value)} if path else value


@given(JSON_VALUES)
def test_plain_json_is_read_as_json(value: Any) -> None:
    for text in (json.dumps(value), json.dumps(value, indent="\t", ensure_ascii=False)):
        assert parse(text).value == value


@given(st.text(alphabet='{}[]",:/*\\\n 1atrue', max_size=40))
def test_other_texts_are_refused_with_a_line(text: str) -> None:
    try:
        parse(text)
    except MalformedJson as error:
        assert 1 <= error.line <= text.count("\n") + 1  # noqa: PT017 - both outcomes are fine


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ('{\n"a": 1\n"b": 2}', 3, "comma"),
        ('{\n"a" 1}', 2, "colon"),
        ("{\na: 1}", 2, "double quotes"),
        ('{"a":\n\n', 3, "the text ends"),
        ('{"a": maybe}', 1, "maybe is no value"),
        ("{} {}", 1, "nothing more"),
        ("[" * 200, 1, "too deeply"),
        ("{ /* open", 1, "double quotes"),
    ],
)
def test_malformed_texts_name_line_and_reason(text: str, line: int, reason: str) -> None:
    with pytest.raises(MalformedJson, match=reason) as caught:
        parse(text)
    assert caught.value.line == line


def test_items_are_added_to_lists() -> None:
    assert parse(with_item("{}", ["inputs"], 1)).value == {"inputs": [1]}
    assert parse(with_item('{"inputs": [0,]}', ["inputs"], 1)).value == {"inputs": [0, 1]}
    with pytest.raises(MalformedJson, match="a list is expected"):
        with_item('{"inputs": {}}', ["inputs"], 1)
    with pytest.raises(MalformedJson, match="an object is expected"):
        with_member('{"a": 1}', ["a", "b"], 1)
