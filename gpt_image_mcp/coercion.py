"""Reading what models send forgivingly: lists in any spelling, names in any case."""

from __future__ import annotations

import json
import re
from typing import cast

_TEXT = r'"(?:[^"\\]|\\.)*"'
_LIST_OF_TEXTS = re.compile(rf"\s*\[\s*(?:{_TEXT}\s*(?:,\s*{_TEXT}\s*)*,?\s*)?\]\s*", re.DOTALL)
_ONE_TEXT = re.compile(_TEXT, re.DOTALL)
_ESCAPE = re.compile(r'\\(["\\/]|u[0-9a-fA-F]{4})')
_DRIVE_PATH = re.compile(r"[A-Za-z]:\\|\\\\")


def lowered(value: object) -> object:
    """A text without its case and outer blanks; anything else as it is."""
    return value.strip().lower() if isinstance(value, str) else value


def format_name(value: object) -> object:
    """The name of an image format: also understands ``jpg``, ``.png`` and ``image/webp``."""
    text = lowered(value)
    if isinstance(text, str):
        text = text.removeprefix("image/").removeprefix(".")
        return "jpeg" if text == "jpg" else text
    return text


def as_list(value: object) -> object:
    """A list from what a caller passed; what is neither list, object nor text stays as it is.

    In a JSON list of texts a backslash that escapes nothing is literal, because models write Windows paths
    without doubling it.
    """
    if isinstance(value, dict):
        return [cast("object", value)]
    if not isinstance(value, str):
        return value
    if _LIST_OF_TEXTS.fullmatch(value):
        return [_unescaped(found[0][1:-1]) for found in _ONE_TEXT.finditer(value)]
    return _parsed(value) if value.strip() else []


def _parsed(text: str) -> list[object]:
    """A list or object in JSON as a list; any other text as the one item."""
    try:
        parsed: object = json.loads(text)
    except ValueError:
        return [text]
    if isinstance(parsed, list):
        return cast("list[object]", parsed)
    return [parsed] if isinstance(parsed, dict) else [text]


def _unescaped(text: str) -> str:
    """A JSON text with every backslash literal that does not escape a quote, slash, backslash or code."""
    is_path = _DRIVE_PATH.match(text) is not None

    def meaning(escape: re.Match[str]) -> str:
        name = escape[1]
        if not name.startswith("u"):
            return name
        return escape[0] if is_path else chr(int(name[1:], 16))

    joined = _ESCAPE.sub(meaning, text)
    # Characters beyond the basic plane come as two codes.
    return joined.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
