"""Edits JSON that has comments and trailing commas, as in settings files; both are kept.

The text is parsed into nodes with their positions. A change replaces or inserts text at a position, so that
the rest of the file stays the same, blanks included.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_BLANKS = re.compile(r"(?:[\s\ufeff]|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"')
_WORD = re.compile(r"[-+.\w]+")
_INDENT = re.compile(r"^([ \t]+)\S", re.MULTILINE)
_DEEPEST = 100


class MalformedJson(ValueError):
    """A text is malformed, even with comments and trailing commas allowed.

    Attributes:
        line: The number of the line, from 1.
        reason: What was found or missing there.
    """

    def __init__(self, text: str, position: int, reason: str) -> None:
        self.line = text.count("\n", 0, position) + 1
        self.reason = reason
        super().__init__(f"line {self.line}: {reason}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A value and its position in the text.

    Attributes:
        value: As ``json.loads`` would give it.
        content_end: For objects and lists: where the last thing inside ends, be it a comment.
        last_end: For objects and lists: where the last value inside ends; None if there is none.
        has_trailing_comma: Whether a comma follows the last value inside.
    """

    start: int
    end: int
    value: object
    members: dict[str, Node] = field(default_factory=dict[str, "Node"])
    content_end: int = 0
    last_end: int | None = None
    has_trailing_comma: bool = False


def is_blank(text: str) -> bool:
    """Whether a text has no value: it is empty, or has only blanks and comments."""
    return _BLANKS.fullmatch(text) is not None


def parse(text: str) -> Node:
    """Parses a text and returns its root.

    Raises:
        MalformedJson: If it cannot be read.
    """
    return _Reader(text).root()


def with_member(text: str, path: Sequence[str], value: object) -> str:
    """Sets the value at a path of member names and returns the new text; missing objects are created.

    Raises:
        MalformedJson: If the text is malformed, or a value on the path is not an object.
    """
    node, missing = parse(text), list(path)
    while missing and missing[0] in node.members:
        node = node.members[missing.pop(0)]
    if not missing:
        dumped = _Layout.of(text).dumped(value, _indent_of_line(text, node.start))
        return text[: node.start] + dumped + text[node.end :]
    if not isinstance(node.value, dict):
        raise MalformedJson(text, node.start, "an object is expected here")
    for name in reversed(missing[1:]):
        value = {name: value}
    return _inserted(text, node, value, key=missing[0])


def with_item(text: str, path: Sequence[str], value: object) -> str:
    """Appends a value to the list at a path and returns the new text; a missing list is created.

    Raises:
        MalformedJson: If the text is malformed, or the value at the path is not a list.
    """
    node = parse(text)
    for name in path:
        if name not in node.members:
            return with_member(text, path, [value])
        node = node.members[name]
    if not isinstance(node.value, list):
        raise MalformedJson(text, node.start, "a list is expected here")
    return _inserted(text, node, value)


@dataclass(frozen=True, slots=True)
class _Layout:
    """The indentation and line ends of a text, for what is added to it."""

    unit: str
    newline: str

    @classmethod
    def of(cls, text: str) -> _Layout:
        found = _INDENT.search(text)
        return cls(found[1] if found else "  ", "\r\n" if "\r\n" in text else "\n")

    def dumped(self, value: object, indent: str) -> str:
        dumped = json.dumps(value, indent=self.unit, ensure_ascii=False)
        return dumped.replace("\n", self.newline + indent)


def _inserted(text: str, node: Node, value: object, *, key: str | None = None) -> str:
    """Inserts a value after the last one of an object or list."""
    layout = _Layout.of(text)
    outer = _indent_of_line(text, node.start)
    inner = outer + layout.unit
    name = "" if key is None else f"{json.dumps(key, ensure_ascii=False)}: "
    added = layout.newline + inner + name + layout.dumped(value, inner)
    if "\n" not in text[node.content_end : node.end]:
        added += layout.newline + outer
    if node.last_end is not None and not node.has_trailing_comma:
        before, comment = text[: node.last_end] + ",", text[node.last_end : node.content_end]
    else:
        before, comment = text[: node.content_end], ""
    return before + comment + added + text[node.content_end :]


def _indent_of_line(text: str, position: int) -> str:
    line = text[text.rfind("\n", 0, position) + 1 : position]
    return line[: len(line) - len(line.lstrip(" \t"))]


class _Reader:
    """A parser of one text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0

    def root(self) -> Node:
        self._skip_blanks()
        node = self._value()
        self._skip_blanks()
        if self._at < len(self._text):
            raise self._wrong("nothing more is expected")
        return node

    def _value(self) -> Node:
        opening = self._text[self._at : self._at + 1]
        if opening in {"{", "["}:
            return self._nested(opening)
        start = self._at
        pattern = _STRING if opening == '"' else _WORD
        found = pattern.match(self._text, start)
        if found is None:
            raise self._wrong("a value is expected")
        try:
            value: object = json.loads(found[0])
        except json.JSONDecodeError:
            raise self._wrong(f"{found[0][:40]} is no value") from None
        self._at = found.end()
        return Node(start=start, end=self._at, value=value)

    def _nested(self, opening: str) -> Node:
        """An object or list, with its position when the last value and the last thing inside ended."""
        start, closing = self._at, "}" if opening == "{" else "]"
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self._wrong("this is nested too deeply")
        self._at += 1
        found: list[tuple[str, Node]] = []
        comma = False
        self._skip_blanks()
        while not self._text.startswith(closing, self._at):
            if found and not comma:
                raise self._wrong(f"a comma or {closing} is expected")
            found.append((self._name() if opening == "{" else "", self._value()))
            self._skip_blanks()
            comma = self._take(",")
            self._skip_blanks()
        content_end = len(self._text[: self._at].rstrip())
        self._at += 1
        self._depth -= 1
        members = dict(found) if opening == "{" else {}
        items: list[object] = [node.value for _, node in found]
        return Node(
            start=start,
            end=self._at,
            value={name: node.value for name, node in found} if opening == "{" else items,
            members=members,
            content_end=content_end,
            last_end=found[-1][1].end if found else None,
            has_trailing_comma=comma,
        )

    def _name(self) -> str:
        if self._text[self._at : self._at + 1] != '"':
            raise self._wrong("a name in double quotes is expected")
        name = self._value().value
        self._skip_blanks()
        if not self._take(":"):
            raise self._wrong("a colon is expected")
        self._skip_blanks()
        return str(name)

    def _take(self, character: str) -> bool:
        taken = self._text.startswith(character, self._at)
        self._at += taken
        return taken

    def _skip_blanks(self) -> None:
        """Skips blanks and comments."""
        found = _BLANKS.match(self._text, self._at)
        self._at = found.end() if found else self._at

    def _wrong(self, reason: str) -> MalformedJson:
        here = self._text[self._at : self._at + 1]
        found = f" but {here!r} is there" if here else " but the text ends"
        return MalformedJson(self._text, self._at, reason + found)
