"""YAML: read as the clients read it, and changed with nothing else touched."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from gpt_image_mcp.cli.client_config.block_yaml import dumped, parse, with_member

NAMES = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(NAMES, VALUES, max_size=3), VALUES, st.booleans())
@example(before={}, value="a\x85b", in_line=False)
def test_a_member_is_set_and_nothing_else(before: dict[str, Any], value: Any, in_line: bool) -> None:  # noqa: FBT001 - drawn
    servers = {name: each for name, each in before.items() if name != "new"}
    text = dumped({"first": 1, "servers": servers, "last": {"a": [1]}}, in_line=in_line)
    changed = with_member(text, ["servers", "new"], value)
    assert yaml.safe_load(changed) == {"first": 1, "servers": {**servers, "new": value}, "last": {"a": [1]}}
    again = with_member(changed, ["servers", "new"], {"b": 2})
    if not in_line:
        assert yaml.safe_load(again)["servers"] == {**servers, "new": {"b": 2}}
        kept = text.splitlines(keepends=True)
        assert [line for line in kept if line not in changed and line != "servers: {}\n"] == []


@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        ("a:\n  # of b\n  b: 1\n", ["a", "c"], "a:\n  c: 0\n  # of b\n  b: 1\n"),
        ("a:\n    b: 1 # one\n\n# end", ["a", "b"], "a:\n    b: 0 # one\n\n# end"),
        ("a: {b: 1}  # one\n", ["a", "c"], "a: {b: 1, c: 0}  # one\n"),
        ("a: 'x' # one\n", ["a"], "a: 0 # one\n"),
        ("a:\n- x\n- y\n# end\nb: 1\n", ["a"], "a: 0\n# end\nb: 1\n"),
        ("a: |\n  x\n  y\nb: 1\n", ["c"], "a: |\n  x\n  y\nb: 1\nc: 0\n"),
        ("a: # none\nb: 1", ["a", "c"], "a:\n  c: 0 # none\nb: 1"),
        ("", ["a", "b"], "a:\n  b: 0\n"),
    ],
)
def test_members_are_laid_out_like_the_rest(text: str, path: list[str], expected: str) -> None:
    assert with_member(text, path, 0) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: 1\na: 2\n", "a name is there twice: line 2"),
        ("a: {b: 1, b: 2}", "a name is there twice: line 1"),
        ("a:\n\tb: 1\n", "line 2"),
        ("a: 'open\n", "line 2"),
        ("a: !secret sk-own\n", "line 1"),
        ("? [a]\n: 1\n", "."),
        ("a: \x01", "characters"),
        ("a: !!timestamp soon", "characters"),
    ],
)
def test_malformed_texts_name_line_and_reason_and_quote_nothing(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as caught:
        parse(text)
    assert "sk-own" not in str(caught.value)
