"""Forgiving conversion of arguments: lists sent as text, names in any case."""

from __future__ import annotations

import json
import re
from typing import cast

from gpt_image_mcp.values.json import MOST_VALUES

# Possessive: a text of megabytes would take minutes and gigabytes with ways to go back.
_TEXT = r'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_LIST_OF_TEXTS = re.compile(rf"\s*+\[\s*+(?:{_TEXT}\s*+(?:,\s*+{_TEXT}\s*+)*+(?:,\s*+)?+)?+\]\s*+", re.DOTALL)
_ONE_TEXT = re.compile(_TEXT, re.DOTALL)
_ESCAPE = re.compile(r'\\(["\\/]|u[0-9a-fA-F]{4})')
_DRIVE_PATH = re.compile(r"[A-Za-z]:\\|\\\\")


def lowered(value: object) -> object:
    """A text in lower case without outer blanks; other values stay the same."""
    return value.strip().lower() if isinstance(value, str) else value


def format_name(value: object) -> object:
    """The name of an image format; ``jpg``, ``.png`` and ``image/webp`` are understood too."""
    text = lowered(value)
    if isinstance(text, str):
        text = text.removeprefix("image/").removeprefix(".")
        return {"jpg": "jpeg", "svg+xml": "svg"}.get(text, text)
    return text


def comma_separated(value: object) -> object:
    """The entries of a list as one text; other values stay the same."""
    return ",".join(map(str, cast("list[object]", value))) if isinstance(value, list) else value


def as_list(value: object) -> object:
    """A list, also from a JSON list sent as text, or from one object or text; other values stay the same.

    Models write Windows paths into JSON without doubling the backslashes. So a backslash that escapes
    nothing counts as itself.
    """
    if isinstance(value, dict):
        return [cast("object", value)]
    if not isinstance(value, str):
        return value
    if has_too_many_values(value):
        return [value]
    if _LIST_OF_TEXTS.fullmatch(value):
        return [_unescaped(found[0][1:-1]) for found in _ONE_TEXT.finditer(value)]
    return _parsed(value) if value.strip() else []


def has_too_many_values(text: str) -> bool:
    """Whether a text in JSON has more values than a client may send, judged before it is parsed."""
    return sum(map(text.count, ",[{")) > MOST_VALUES


def _parsed(text: str) -> list[object]:
    """A JSON list, or a list of the one JSON object, or of the text itself."""
    try:
        parsed: object = json.loads(text)
    except (ValueError, RecursionError):
        return [text]
    if isinstance(parsed, list):
        return cast("list[object]", parsed)
    return [parsed] if isinstance(parsed, dict) else [text]


def _unescaped(text: str) -> str:
    """The content of a JSON text; a backslash stays unless it escapes a quote, slash, backslash or code."""
    if "\\" not in text:
        return text
    is_path = _DRIVE_PATH.match(text) is not None

    def meaning(escape: re.Match[str]) -> str:
        name = escape[1]
        if not name.startswith("u"):
            return name
        return escape[0] if is_path else chr(int(name[1:], 16))

    return whole_characters(_ESCAPE.sub(meaning, text))


def whole_characters(text: str) -> str:
    """The text, with the two codes that JSON has for some characters made one; a code alone is replaced."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
