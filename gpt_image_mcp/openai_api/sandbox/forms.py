"""Multipart bodies, as the edits and the files endpoint get them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gpt_image_mcp.openai_api.sandbox.failures import Refusal
from gpt_image_mcp.openai_api.sandbox.validation import RequestRefused

if TYPE_CHECKING:
    import httpx2
    from python_multipart.multipart import MultipartCallbacks


@dataclass(frozen=True, slots=True)
class FormFile:
    """One file of a form: the field it came in, its name, declared type and bytes."""

    name: str
    filename: str
    content_type: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Form:
    """A multipart body: plain fields by name, and files in order."""

    fields: dict[str, str]
    files: tuple[FormFile, ...]

    def named(self, *names: str) -> tuple[FormFile, ...]:
        """The files of these fields."""
        return tuple(file for file in self.files if file.name in names)


@dataclass(slots=True)
class _Part:
    headers: dict[str, str]
    body: bytearray


class _Reader:
    """Collects the parts of a body from the parser's callbacks."""

    def __init__(self) -> None:
        self.parts: list[_Part] = []
        self.is_complete = False
        self._name = bytearray()
        self._value = bytearray()

    def callbacks(self) -> MultipartCallbacks:
        return {
            "on_part_begin": lambda: self.parts.append(_Part({}, bytearray())),
            "on_part_data": lambda data, start, end: self.parts[-1].body.extend(data[start:end]),
            "on_header_field": lambda data, start, end: self._name.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self._end_header,
            "on_end": self._end,
        }

    def _end(self) -> None:
        self.is_complete = True

    def _end_header(self) -> None:
        self.parts[-1].headers[self._name.decode("latin-1").lower()] = self._value.decode("utf-8", "replace")
        self._name.clear()
        self._value.clear()


def read_form(request: httpx2.Request, content: bytes) -> Form:
    """The form in a request.

    Raises:
        RequestRefused: If it is none, as the API refuses it.
    """
    from python_multipart.exceptions import MultipartParseError
    from python_multipart.multipart import MultipartParser, parse_options_header

    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind != b"multipart/form-data" or b"boundary" not in options:
        message = "Invalid content type. Expected 'multipart/form-data'."
        raise RequestRefused(Refusal(status=400, message=message, code="unsupported_content_type"))
    reader = _Reader()
    parser = MultipartParser(options[b"boundary"], callbacks=reader.callbacks())
    try:
        parser.write(content)
        parser.finalize()
    except MultipartParseError as error:
        message = f"Could not parse multipart form: {error}"
        raise RequestRefused(Refusal(status=400, message=message)) from error
    if not reader.is_complete:
        message = "Could not parse multipart form: unexpected end of the body"
        raise RequestRefused(Refusal(status=400, message=message))
    return _form(reader.parts)


def _form(parts: list[_Part]) -> Form:
    from python_multipart.multipart import parse_options_header

    fields: dict[str, str] = {}
    files: list[FormFile] = []
    for part in parts:
        _, options = parse_options_header(part.headers.get("content-disposition", ""))
        name = options.get(b"name", b"").decode("utf-8", "replace")
        if b"filename" in options:
            filename = options[b"filename"].decode("utf-8", "replace")
            kind = part.headers.get("content-type", "application/octet-stream")
            files.append(FormFile(name, filename, kind, bytes(part.body)))
        else:
            fields[name] = part.body.decode("utf-8", "replace")
    return Form(fields, tuple(files))
