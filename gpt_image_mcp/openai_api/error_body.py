"""Reads the body of an error response in the shapes that gateways give it.

OpenAI answers ``{"error": {…}}``. Others answer ``{"detail": …}``, ``{"errors": […]}``, ``{"message": …}``, a
list, JSON within JSON, plain text, or the HTML page of a proxy. Their own words are kept in all of these.
"""

from __future__ import annotations

import contextlib
import html
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# Where the words stand, the best first.
_WORDS = (
    *("message", "msg", "error_message", "errorMessage", "error_description", "error_msg", "detail"),
    *("details", "error", "errors", "description", "reason", "title", "metadata", "raw"),
)
_CODES = ("code", "error_code", "errorCode", "err_code")
_LIKE_A_CODE = re.compile(r"[A-Za-z][\w.-]*")
_HTML = re.compile(r"<!doctype html|<html|<head|<body", re.IGNORECASE)
_TITLE = re.compile(r"<(title|h1)\b[^>]*>(.*?)</\1>", re.IGNORECASE | re.DOTALL)
_MOST_OF_A_PAGE = 10_000
_TAG = re.compile(r"<[^>]*>")
# As some gateways put into an answer with status 200.
STATUSES_AS_CODES = frozenset(map(str, range(400, 500)))
_MOST_ENTRIES = 5
_DEEPEST = 6
# More than an error object has; a deeper one is read as text.
_MOST_BRACKETS = 200
# Fields that an object with an error has. Elsewhere in an answer, words may be those of a prompt.
_ERROR_FIELDS = ("error", "errors", "detail")


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorBody:
    """What an error response says of itself; what it leaves out is empty.

    Attributes:
        message: Its own words.
        code: Its code, which may be a number.
        inner_code: The more exact code inside, as Azure gives it.
        type: The kind of error.
        param: The parameter it is about.
        stage: Of a moderation: whether it refused the input or the output.
        categories: What the moderation found.
        is_error: Whether it is the object of an error, and not of anything else.
        is_html: Whether it is a page for people instead.
    """

    message: str = ""
    code: str = ""
    inner_code: str = ""
    type: str = ""
    param: str = ""
    stage: str = ""
    categories: tuple[str, ...] = ()
    is_error: bool = False
    is_html: bool = False


def read_error_body(body: object) -> ErrorBody:
    """Reads a body: parsed JSON, or text."""
    if isinstance(body, str):
        return _read_text(body)
    layers = tuple(_layers(body))
    inner = _object(_first(layers, "innererror", "inner_error"))
    return ErrorBody(
        message=_words(body),
        code=_text(_first(layers, *_CODES)) or _code_as_error(layers),
        inner_code=_text(inner.get("code")),
        type=_text(_first(layers, "type")),
        param=_text(_first(layers, "param")) or _field_name(layers),
        stage=_text(_object(_first(layers, "moderation_details")).get("moderation_stage")),
        categories=_categories(layers, inner),
        is_error=_is_error(_object(body)),
    )


def page_title(text: str) -> str | None:
    """The title of an HTML page, empty if it has none; None for any other text."""
    if not _HTML.search(text[:2000]):
        return None
    found = _TITLE.search(text[:_MOST_OF_A_PAGE])
    return " ".join(html.unescape(_TAG.sub(" ", found[2])).split())[:120] if found else ""


def _read_text(text: str) -> ErrorBody:
    title = page_title(text)
    if title is not None:
        titled = f" titled {title!r}" if title else ""
        said = f"an HTML page{titled} instead of an API answer, probably from a proxy or gateway"
        return ErrorBody(message=said, is_html=True)
    # A number or a text in quotes has no fields.
    has_fields = text.lstrip().startswith(("{", "["))
    if has_fields and text.count("[") + text.count("{") <= _MOST_BRACKETS:
        with contextlib.suppress(ValueError):
            return read_error_body(json.loads(text))
    return ErrorBody(message=text.strip())


def _layers(body: object, depth: int = _DEEPEST) -> Iterator[Mapping[str, object]]:
    """The objects that may hold the fields, the innermost error first."""
    if isinstance(body, list) and depth:
        for item in cast("list[object]", body)[:_MOST_ENTRIES]:
            yield from _layers(item, depth - 1)
    if isinstance(body, dict) and depth:
        fields = cast("dict[str, object]", body)
        for name in _ERROR_FIELDS:
            yield from _layers(fields.get(name), depth - 1)
        yield fields


def _first(layers: tuple[Mapping[str, object], ...], *names: str) -> object:
    """The first value of one of these fields that is not empty."""
    values = (layer.get(name) for layer in layers for name in names)
    return next((value for value in values if value not in (None, "", [], {})), None)


def _words(value: object, depth: int = _DEEPEST) -> str:
    """The words of a body, from one of the usual fields, or else the whole as JSON."""
    if isinstance(value, str):
        return value.strip()
    if not depth:
        return ""
    if isinstance(value, list):
        said = [_words(item, depth - 1) for item in cast("list[object]", value)[:_MOST_ENTRIES]]
        return "; ".join(filter(None, said))
    fields = _object(value)
    if not fields:
        return ""
    all_said = dict.fromkeys(filter(None, (_words(fields.get(name), depth - 1) for name in _WORDS)))
    # Single words repeat the code or the status.
    found = "; ".join([words for words in all_said if " " in words] or list(all_said)[:1])
    return found or (json.dumps(value, ensure_ascii=False) if depth == _DEEPEST else "")


def _is_error(body: Mapping[str, object]) -> bool:
    """Whether an object reports an error, in one of the ways of gateways."""
    if any(body.get(name) for name in _ERROR_FIELDS) or body.get("success") is False:
        return True
    code, status = _text(_first((body,), *_CODES)), str(body.get("status")).lower()
    return status in ("error", "failed") or code in STATUSES_AS_CODES


def _code_as_error(layers: tuple[Mapping[str, object], ...]) -> str:
    """The code of ``{"error": "insufficient_quota", "message": "…"}``."""
    value = _first(layers, "error")
    return value if isinstance(value, str) and _LIKE_A_CODE.fullmatch(value) else ""


def _field_name(layers: tuple[Mapping[str, object], ...]) -> str:
    """The parameter of a validation error such as ``{"loc": ["body", "size"], "msg": "…"}``."""
    where = _first(layers, "loc")
    return _text(cast("list[object]", where)[-1]) if isinstance(where, list) else ""


def _categories(layers: tuple[Mapping[str, object], ...], inner: Mapping[str, object]) -> tuple[str, ...]:
    """What a moderation found, as OpenAI lists it, or as Azure does."""
    listed = _object(_first(layers, "moderation_details")).get("categories")
    if isinstance(listed, list):
        return tuple(map(str, cast("list[object]", listed)))
    results = _object(_first((inner, *layers), "content_filter_result", "content_filter_results"))
    return tuple(name for name, result in results.items() if _object(result).get("filtered") is True)


def _object(value: object) -> Mapping[str, object]:
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
