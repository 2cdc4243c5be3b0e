"""Lists and names as callers send them: JSON sent as text, paths with single backslashes, other spellings."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt_image_mcp.coercion import as_list, format_name
from gpt_image_mcp.values.json import MOST_VALUES

_BROAD = '["1"' + ',"1"' * MOST_VALUES + "]"


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        ("", []),
        (" \n", []),
        ("a.png", ["a.png"]),
        ("[a].png", ["[a].png"]),
        ('["a.png", "b.png",]', ["a.png", "b.png"]),
        ('{"box": [0, 0, 1, 1]}', [{"box": [0, 0, 1, 1]}]),
        ('[{"box": [0, 0, 1, 1]}, 5]', [{"box": [0, 0, 1, 1]}, 5]),
        ("5", ["5"]),
        ({"box": [0.5]}, [{"box": [0.5]}]),
        (["a.png"], ["a.png"]),
        (None, None),
        (_BROAD, [_BROAD]),
        (_BROAD.replace('"', ""), [_BROAD.replace('"', "")]),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_list_sent_as_text_is_the_list_that_was_meant(sent: object, meant: object) -> None:
    assert as_list(sent) == meant


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        (r'["C:\new\users\u00e9.png"]', r"C:\new\users\u00e9.png"),
        (r'["C:\\new\\a.png"]', r"C:\new\a.png"),
        (r'["caf\u00e9.png"]', "café.png"),
        (r'["say \"hi\".png"]', 'say "hi".png'),
        (r'["a\/b.png"]', "a/b.png"),
    ],
)
def test_a_backslash_that_escapes_nothing_counts_as_itself(sent: str, meant: str) -> None:
    assert as_list(sent) == [meant]


@pytest.mark.parametrize("slash", ["/", "\\/"])
def test_megabytes_in_a_list_sent_as_text_are_read_as_they_are(slash: str) -> None:
    """Ways to go back for each character cost gigabytes."""
    data = "data:image/png;base64," + "iVBORw0KGgo/" * 1_000_000
    assert as_list(f'["{data.replace("/", slash)}",]') == [data]


@pytest.mark.parametrize("begin", ['["a"', '["a",', '["a","b"', "[", ""])
def test_megabytes_of_blanks_in_a_list_that_is_none_are_passed_over_once(begin: str) -> None:
    """Two places that could take each blank made 90,000 of them cost 45 seconds of processor."""
    text = f"{begin}{' ' * 2_000_000}x"
    assert as_list(text) == [text]


@given(st.lists(st.text(st.characters(codec="utf-8"))))
def test_any_list_of_texts_survives_being_sent_as_json(texts: list[str]) -> None:
    plain = [text for text in texts if "\\" not in text and text.isprintable()]
    assert as_list(json.dumps(plain, ensure_ascii=False)) == plain


@pytest.mark.parametrize(
    ("sent", "meant"), [("JPG", "jpeg"), (".png", "png"), (" image/webp ", "webp"), (5, 5), (None, None)]
)
def test_other_spellings_of_a_format_are_understood(sent: object, meant: object) -> None:
    assert format_name(sent) == meant
