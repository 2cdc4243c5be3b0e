"""Edits JSON, and JSON that has comments and trailing commas, as in settings files; both are kept.

Comments and trailing commas are blanked out for reading, so that the rest is JSON and every position stays as
it was. A change replaces or inserts text at a position. Of a name that is there twice the last counts, as in
JavaScript. The libraries that keep comments lay out the whole file anew, or nobody keeps them up.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

Dialect: TypeAlias = Literal["json", "json+comments", "jsonc"]
"""What a reader takes: nothing but JSON, comments too, or comments and trailing commas."""

# One without an end is taken to the end of the file: else the search would begin anew at every mark in it.
_STRING = r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)'
_COMMENT = re.compile(rf"{_STRING}|(?P<comment>//[^\n]*|/\*.*?\*/)|/\*.*", re.DOTALL)
_LAST_COMMA = re.compile(rf"(?:{_STRING}|[\w}}\]])\s*(?:,(?=\s*[}}\]]))?", re.DOTALL)
_BLANKS = re.compile(r"\s*")
_INDENT = re.compile(r"^([ \t]+)\S", re.MULTILINE)
_DECODER = json.JSONDecoder()


def parse(text: str, dialect: Dialect = "jsonc") -> object:
    """The value of a text; None if it has none.

    Raises:
        ValueError: If a reader of that dialect could not read it; the message quotes nothing of it.
    """
    plain = _plain(text, dialect)
    return json.loads(plain, parse_constant=_refused) if plain.strip() else None


def with_member(text: str, path: Sequence[str], value: object) -> str:
    """Sets the value at a path and returns the new text; what is missing or null is created.

    Args:
        text: One that ``parse`` reads.
        path: Names of members, and ``-`` for one more item of a list that has some, as in JSON pointers.
        value: Anything that JSON can say.
    """
    if not _plain(text).strip():
        text = f"{text.rstrip()}\n{{}}\n".lstrip()
    plain, missing = _plain(text), list(path)
    span = (_after_blanks(plain, 0), len(plain.rstrip()))
    while missing and (found := _members(plain, span[0]).get(missing[0])):
        span = found
        missing.pop(0)
    if missing and plain[span[0]] in "{[":
        key = f"{json.dumps(missing[0], ensure_ascii=False)}: " if plain[span[0]] == "{" else ""
        return _inserted(text, span, _nested(missing[1:], value), key=key)
    dumped = _dumped(_nested(missing, value), text, _indent_of_line(text, span[0]))
    return text[: span[0]] + dumped + text[span[1] :]


def _plain(text: str, dialect: Dialect = "jsonc") -> str:
    bare = _COMMENT.sub(_blanked, text)
    plain = _LAST_COMMA.sub(_without_comma, bare)
    if dialect == "json":
        _require_same(text, bare, "This client takes no comments")
    if dialect != "jsonc":
        _require_same(bare, plain, "This client takes no comma after the last value")
    return plain


def _blanked(found: re.Match[str]) -> str:
    return re.sub(r"[^\n]", " ", found[0]) if found["comment"] else found[0]


def _without_comma(found: re.Match[str]) -> str:
    return found[0][:-1] + " " if found[0].endswith(",") else found[0]


def _require_same(text: str, blanked: str, reason: str) -> None:
    if text != blanked:
        first = next(at for at, pair in enumerate(zip(text, blanked, strict=True)) if pair[0] != pair[1])
        raise json.JSONDecodeError(reason, text, first)


def _refused(constant: str) -> object:
    raise ValueError(f"{constant} is no JSON, although Python takes it")


def _after_blanks(plain: str, at: int) -> int:
    found = _BLANKS.match(plain, at)
    return found.end() if found else at


def _members(plain: str, start: int) -> dict[str, tuple[int, int]]:
    """Where the values of an object start and end; none for another value."""
    spans: dict[str, tuple[int, int]] = {}
    at = start
    while plain[at] == ("{" if at == start else ","):
        at = _after_blanks(plain, at + 1)
        if plain[at] == "}":
            break
        name, colon = _DECODER.raw_decode(plain, at)
        at = _after_blanks(plain, _after_blanks(plain, colon) + 1)
        spans[name] = (at, _DECODER.raw_decode(plain, at)[1])
        at = _after_blanks(plain, spans[name][1])
    return spans


def _nested(path: Sequence[str], value: object) -> object:
    for name in reversed(path):
        value = {name: value}
    return value


def _dumped(value: object, text: str, indent: str) -> str:
    """A value as JSON, laid out like the text."""
    return json.dumps(value, indent=_unit(text), ensure_ascii=False).replace("\n", "\n" + indent)


def _unit(text: str) -> str:
    found = _INDENT.search(text)
    return found[1] if found else "  "


def _indent_of_line(text: str, position: int) -> str:
    line = text[text.rfind("\n", 0, position) + 1 : position]
    return line[: len(line) - len(line.lstrip(" \t"))]


def _inserted(text: str, span: tuple[int, int], value: object, *, key: str) -> str:
    """Inserts a value after the last one of an object or list, and after the comment that follows that."""
    closing = span[1] - 1
    outer = _indent_of_line(text, span[0])
    inner = outer + _unit(text)
    added = f"\n{inner}{key}{_dumped(value, text, inner)}"
    end = len(text[:closing].rstrip())
    if "\n" not in text[end:closing]:
        added += "\n" + outer
    last = len(_plain(text)[:closing].rstrip())
    has_comma = last == span[0] + 1 or "," in _COMMENT.sub(_blanked, text)[last:closing]
    return text[:last] + ("" if has_comma else ",") + text[last:end] + added + text[end:]
