"""What a line from a client says: its messages, and what to answer where there are none.

The SDK drops what is not a valid message, and takes a request whose id is neither text nor integer for a
notification. Either way the client waits for ever.
"""

from __future__ import annotations

import json
import math
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from mcp.types import INVALID_REQUEST, PARSE_ERROR, JSONRPCMessage, JSONRPCNotification
from mcp.types import jsonrpc_message_adapter as _messages
from pydantic import ValidationError

from gpt_image_mcp.coercion import has_too_many_values, whole_characters
from gpt_image_mcp.values.json import MOST_VALUES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

BATCHES_IN = "2025-03-26"
_AROUND = " \t\r\n\ufeff"
# A text without an end goes to the end, so that no other is looked for in it.
_TEXT = r""""(?:[^"\\]|\\.)*+"?|'(?:[^'\\]|\\.)*+'?"""
_MARK = re.compile(rf"{_TEXT}|[][{{}}]", re.DOTALL)
_VALUE = re.compile(rf"\s*:\s*({_TEXT}|-?\d[\d.eE+-]*)", re.DOTALL)
# Of a long text that is not read, the id is looked for where clients write it: first or last.
_LONG, _ENDS, _ID = 1_000_000, 300, re.compile(r'"id"\s*:\s*("[^"\\]*"|\d{1,18})\s*[,}]')
_NO_REQUEST = (
    'A request is an object with jsonrpc "2.0", an id that is a string or an integer, a method that is a '
    "string and, if it has params, an object of them; it is nested at most 200 deep."
)
_NO_BATCHES = f"Only protocol {BATCHES_IN} has batches: send each message on a line of its own."
_TOO_MANY = f"A message has at most {MOST_VALUES:,} values, lists and objects."
_ABSENT = object()


class Line(NamedTuple):
    """What a line says: messages, and answers, as JSON, to what is none. Those to a batch belong together."""

    messages: Sequence[JSONRPCMessage] = ()
    errors: Sequence[str] = ()
    is_batch: bool = False


def read_line(line: str, *, takes_batches: bool) -> Line:
    """What a line says, with or without a byte order mark and blanks around it.

    Args:
        line: JSON, or what a client takes for it.
        takes_batches: Whether the negotiated protocol has them; else each request in one is refused.
    """
    text = line.strip(_AROUND)
    if not text:
        return Line()
    if has_too_many_values(text):
        return Line(errors=[_error(_id_at_an_end(text), PARSE_ERROR, _TOO_MANY)])
    with suppress(ValidationError):
        message = _messages.validate_json(text, by_name=False)
        if not isinstance(message, JSONRPCNotification) or '"id"' not in text:
            return Line([message])
    try:
        document = json.loads(text, strict=False)
    except (ValueError, RecursionError) as error:
        return _refused(text, PARSE_ERROR, f"No JSON that can be read: {error}.")
    if isinstance(document, list) and not takes_batches:
        return _refused(text, INVALID_REQUEST, _NO_BATCHES)
    is_batch = isinstance(document, list)
    said = [_said(part) for part in (cast("list[Any]", document or [None]) if is_batch else [document])]
    messages = [each for each in said if each is not None and not isinstance(each, str)]
    return Line(messages, [each for each in said if isinstance(each, str)], is_batch)


def _said(part: Any) -> JSONRPCMessage | str | None:
    """The message that a JSON value is, or the error to answer; None where nobody waits for an answer."""
    parts = cast("dict[str, Any]", part if isinstance(part, dict) else {})
    if isinstance(number := parts.get("id"), float) and number.is_integer():
        parts["id"] = int(number)  # some languages know no other numbers
    with suppress(ValidationError, RecursionError):
        text = whole_characters(json.dumps(parts, ensure_ascii=False))
        message = _messages.validate_json(text, by_name=False)
        if getattr(message, "id", _ABSENT) == parts.get("id", _ABSENT):
            return message
    is_notification = "id" not in parts and isinstance(parts.get("method"), str)
    is_answer = "method" not in parts and ("result" in parts or "error" in parts)
    return None if is_notification or is_answer else _error(parts.get("id"), INVALID_REQUEST, _NO_REQUEST)


def _refused(text: str, code: int, reason: str) -> Line:
    ids = list(_ids_within(text)) if len(text) < _LONG else [_id_at_an_end(text)]
    return Line(errors=[_error(each, code, reason) for each in ids or [None]])


def _id_at_an_end(text: str) -> object:
    found = _ID.search(text[:_ENDS] + text[-_ENDS:])
    return json.loads(found[1]) if found else None


def _error(request: object, code: int, reason: str) -> str:
    """An error for the request with this id, or with null if JSON-RPC knows no such ids."""
    is_number = isinstance(request, int | float) and not isinstance(request, bool) and math.isfinite(request)
    known = request if isinstance(request, str) or is_number else None
    return json.dumps({"jsonrpc": "2.0", "id": known, "error": {"code": code, "message": reason}})


def _ids_within(text: str) -> Iterator[object]:
    """The ids of the messages in a batch, in what is not JSON, or in what is too deep to be read."""
    depth, depth_of_ids = 0, 2 if text.startswith("[") else 1
    for mark in _MARK.finditer(text):
        if mark[0] in "{[":
            depth += 1
        elif mark[0] in "}]":
            depth -= 1
        elif depth == depth_of_ids and mark[0][1:-1] == "id" and (value := _VALUE.match(text, mark.end())):
            with suppress(ValueError):
                yield json.loads(value[1].replace("'", '"'), strict=False)
