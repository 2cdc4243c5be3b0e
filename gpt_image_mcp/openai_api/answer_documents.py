"""Parsing the body of an answer, whatever its content type says: JSON, several JSON values, or events."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Iterator

# An answer with ten pictures has some hundred values. A value takes many times its text in memory.
MOST_VALUES = 50_000
TOO_MANY_VALUES = f"the answer is made of more than {MOST_VALUES:,} values"
# None of these goes back over what it has passed: each may pass megabytes of blanks.
_EVENT_STREAM = re.compile(r"(data|event|id|retry)?:(?!image/)", re.IGNORECASE)
_LINE_END = re.compile(r"\r\n|\r|\n")
_JSON_LINE = re.compile(r"\n[ \t]*+[{\[]")
_BETWEEN_DOCUMENTS = re.compile(r"[\s,\x1e\0]*")
_UNFINISHED = re.compile(r"partial|preview|progress|generating")
_LONGEST_KIND = 200
# Of a body, or of an event. Texts and numbers in a row are values that nothing marks.
MOST_DOCUMENTS = 20_000
_NOT_ASCII = bytes(range(128, 256))
# Each costs 20 ns, in which nothing else runs.
_MOST_REPLACED = 1_000_000
# A field of previews alone; in events that are cut, the name may be all that tells them.
_PREVIEW = "partial_image_index"
# Line breaks inside strings are wrong in JSON, and read; so are numbers with thousands of digits.
_DECODER = json.JSONDecoder(strict=False, parse_int=float)


@dataclass(frozen=True, slots=True)
class AnswerDocument:
    """One JSON document of a body.

    Attributes:
        value: The parsed JSON; a text if the body, or the event, is none.
        kind: The name or ``type`` of the event; empty outside of an event stream.
    """

    value: object
    kind: str = ""

    @property
    def is_partial(self) -> bool:
        """Whether it holds a preview of an unfinished image."""
        return _UNFINISHED.search(self.kind) is not None

    @property
    def is_final(self) -> bool:
        """Whether it says that the image is finished."""
        return self.kind.endswith(".completed")


def parse_documents(body: bytes | str) -> list[AnswerDocument]:
    """The documents of a body, in order; one with the text itself where nothing can be parsed. CPU work."""
    text = (body if isinstance(body, str) else _text(body)).lstrip()
    if _EVENT_STREAM.match(text):
        documents = (document for name, data in _events(text) for document in _of_event(name, data))
        return list(islice(documents, MOST_DOCUMENTS))
    return [AnswerDocument(value) for value in _values(text)] or [AnswerDocument(text)]


def has_too_many_values(body: bytes | str) -> bool:
    """Whether reading a body would take minutes and gigabytes; base64 has none of these characters."""
    marks = (
        (body.count(mark) for mark in ",[{") if isinstance(body, str) else map(body.count, (b",", b"[", b"{"))
    )
    return sum(marks) > MOST_VALUES


def as_object(value: object) -> dict[str, object]:
    """The value if it is a JSON object, else an empty one."""
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def as_list(value: object) -> list[object]:
    """The value if it is a JSON list, else an empty one."""
    return cast("list[object]", value) if isinstance(value, list) else []


def _text(body: bytes) -> str:
    encoding = json.detect_encoding(body)
    try:
        text = body.decode(encoding)
    except UnicodeDecodeError as error:
        # Python replaces what is wrong quickly in UTF-8 alone.
        text = _mended(body) if encoding.startswith("utf-8") else body[: error.start].decode(encoding)
    return text.lstrip("\ufeff")


def _mended(body: bytes) -> str:
    """Damaged UTF-8, with a mark for each wrong byte; without all that is not ASCII if there is very much."""
    ascii_only = body.translate(None, _NOT_ASCII)
    is_hopeless = len(body) - len(ascii_only) > _MOST_REPLACED
    return (ascii_only if is_hopeless else body).decode(errors="replace")


def _values(text: str) -> list[object]:
    """The JSON values of a text; they may begin in a later line, after other words."""
    found = list(islice(_values_from(text, 0), MOST_DOCUMENTS))
    if not found and (line := _JSON_LINE.search(text)):
        found = list(islice(_values_from(text, line.end() - 1), MOST_DOCUMENTS))
    return found


def _values_from(text: str, position: int) -> Iterator[object]:
    while position < len(text):
        position = cast("re.Match[str]", _BETWEEN_DOCUMENTS.match(text, position)).end()
        try:
            value, position = cast("tuple[object, int]", _DECODER.raw_decode(text, position))
        except (ValueError, RecursionError):
            return
        yield value


def _events(text: str) -> Iterator[tuple[str, str]]:
    """The name and data of each server-sent event; the last one need not have its end."""
    name, data = "", list[str]()
    for line in (*_LINE_END.split(text), ""):
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field.strip() == "event":
            name = value.strip()
        elif field.strip() == "data":
            data.append(value)
        elif line.lstrip().startswith(("{", "[")):
            data.append(line)  # JSON that comes after heartbeats, or goes on in a line of its own
        elif not line.strip():
            if data:
                yield name, "\n".join(data)
            name, data = "", list[str]()


def _of_event(name: str, data: str) -> Iterator[AnswerDocument]:
    for value in _values(data) or [data]:
        fields = as_object(value)
        kind = str(fields.get("type") or name)[-_LONGEST_KIND:]
        is_preview = _PREVIEW in fields or (value is data and _PREVIEW in data)
        yield AnswerDocument(value, _PREVIEW if is_preview and not kind.endswith(".completed") else kind)
