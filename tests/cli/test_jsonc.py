"""JSON with comments and trailing commas: read, and changed with nothing else touched."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt_image_mcp.cli.client_config.jsonc import parse, with_member

if TYPE_CHECKING:
    from gpt_image_mcp.cli.client_config.jsonc import Dialect

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
        ('{\n\t"x": 1 // y\n}', '{\n\t"x": 1, // y\n\t"a": {\n\t\t"b": 1\n\t}\n}'),
        ('{"x": "// , }", /* "a": { */ }', '{"x": "// , }", /* "a": { */\n  "a": {\n    "b": 1\n  }\n }'),
        ('{"a": null}', '{"a": {\n  "b": 1\n}}'),
        ('{"a": 1, "a": {"b": 2}}', '{"a": 1, "a": {"b": 1}}'),
        ("null", '{\n  "a": {\n    "b": 1\n  }\n}'),
        ('{"a": {"b": {"c": 2}}}', '{"a": {"b": 1}}'),
    ],
)
def test_members_are_laid_out_like_the_rest(text: str, expected: str) -> None:
    assert with_member(text, ["a", "b"], 1) == expected


@given(JSON_VALUES, st.lists(st.text(), min_size=1, max_size=3), JSON_VALUES)
def test_a_member_is_set_and_nothing_else(before: Any, path: list[str], value: Any) -> None:
    text = json.dumps({"root": before}, indent=2)
    changed = with_member(text, ["new", *path], value)
    assert parse(changed, "json") == {"root": before, **_nested(["new", *path], value)}
    assert json.loads(changed) == parse(changed)
    assert with_member(changed, ["new", *path], value) == changed


def _nested(path: list[str], value: Any) -> Any:
    return {path[0]: _nested(path[1:], value)} if path else value


@given(JSON_VALUES)
def test_plain_json_is_read_as_json(value: Any) -> None:
    for text in (json.dumps(value), json.dumps(value, indent="\t", ensure_ascii=False)):
        assert parse(text, "json") == value


@given(st.text(alphabet='{}[]",:/*\\\n 1atrue', max_size=40))
def test_plain_json_is_what_the_standard_library_takes_too(text: str) -> None:
    for dialect in ("json", "json+comments", "jsonc"):
        try:
            found = parse(text, dialect)
        except json.JSONDecodeError as error:
            assert 1 <= error.lineno <= text.count("\n") + 1  # noqa: PT017 - both outcomes are fine
        else:
            if dialect == "json" and text.strip():
                assert json.loads(text) == found


@pytest.mark.parametrize(
    ("text", "dialect", "reason"),
    [
        ('{\n// a\n"b": 1}', "json", r"no comments: line 2 column 1 "),
        ('{"b": 1 /* a */}', "json", r"no comments: line 1 column 9 "),
        ('{\n"b": [1,\n]}', "json", r"no comma after the last value: line 2 column 8 "),
        ('{"b": 1, // a\n}', "json+comments", r"no comma after the last value: line 1 column 8 "),
        ("// a", "json", "no comments: line 1"),
    ],
)
def test_what_a_reader_does_not_take_is_refused_with_its_place(
    text: str, dialect: Dialect, reason: str
) -> None:
    with pytest.raises(json.JSONDecodeError, match=reason):
        parse(text, dialect)
    parse(text, "jsonc")


@pytest.mark.parametrize("dialect", ["json", "json+comments", "jsonc"])
def test_comment_marks_and_commas_in_texts_are_texts(dialect: Dialect) -> None:
    value = {"a": "// no /* comment */ \\", 'b"': ["http://x", ",]", '\\",}']}
    assert parse(json.dumps(value), dialect) == value


def test_a_text_of_megabytes_is_read_and_changed() -> None:
    value = {f"name {number}": {"a": [1, 2, "x" * 90]} for number in range(20_000)}
    text = json.dumps(value, indent=1)
    changed = with_member(text, ["name 19999", "b"], 1)
    assert json.loads(changed) == {**value, "name 19999": {"a": [1, 2, "x" * 90], "b": 1}}


@pytest.mark.parametrize("piece", ['"\\', '\\"', "/*", '"/*', "\\", "a,", "a "])
@pytest.mark.parametrize("end", ["", "\\"])
def test_megabytes_without_an_end_are_read_once(piece: str, end: str) -> None:
    for text in (piece * 500_000 + end, f'{{"a": "{piece * 500_000}{end}'):
        with pytest.raises(ValueError, match="line 1"):
            parse(text)


@pytest.mark.parametrize("text", ["{} /* open", "{} /*/", '{"a": 1 /* "', '{"a": "/* open'])
def test_a_comment_or_text_without_an_end_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="line 1"):
        parse(text)


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ('{\n"a": 1\n"b": 2}', 3, "',' delimiter"),
        ('{\n"a" 1}', 2, "':' delimiter"),
        ("{\na: 1}", 2, "double quotes"),
        ('{"a":\n\n', 3, "value"),
        ('{"a": maybe}', 1, "value"),
        ("{} {}", 1, "Extra data"),
        ("[,]", 1, "value"),
        ("[1,,]", 1, "value"),
        ("{ /* open", 1, "double quotes"),
        ('{"a\n": 1}', 1, "control character"),
        ("\ufeff{}", 1, "BOM"),
        ("{\u00a0}", 1, "double quotes"),
    ],
)
def test_malformed_texts_name_line_and_reason(text: str, line: int, reason: str) -> None:
    with pytest.raises(json.JSONDecodeError, match=reason) as caught:
        parse(text)
    assert caught.value.lineno == line


@pytest.mark.parametrize("text", ["NaN", '{"a": -Infinity}'])
def test_what_only_python_takes_for_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no JSON"):
        parse(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[0]", "[0, 1]"),
        ("[0,]", "[0, 1]"),
        ("[[] /* a */]", "[[], 1]"),
        ("[\n  // a\n  0, // b\n]", "[0, 1]"),
    ],
)
def test_items_are_added_to_lists(text: str, expected: str) -> None:
    changed = with_member(f'{{"inputs": {text}}}', ["inputs", "-"], 1)
    assert parse(changed) == {"inputs": json.loads(expected)}
    assert all(comment in changed for comment in ("// a", "// b", "/* a */") if comment in text)
