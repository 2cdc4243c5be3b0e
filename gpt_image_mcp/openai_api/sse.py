"""Reading a stream of image events up to the final image.

The SDK's own reader leaves its generators half-read when the final image has come or an event is broken, and
builds objects of megabytes of text that nobody reads.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from gpt_image_mcp.openai_api.error_mapping import map_error
from gpt_image_mcp.openai_api.images_response import OptionalText, UnusableBody, decode_image
from gpt_image_mcp.openai_api.sdk_errors import broken, lost, read_error, request_id_of
from gpt_image_mcp.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable

    import httpx2

    from gpt_image_mcp.openai_api.observer import LazyImage

_END = b"[DONE]"
_FINAL, _PARTIAL = ".completed", ".partial_image"


class _Event(BaseModel):
    """What tells the kinds of events apart."""

    type: OptionalText = None
    error: Any = None


class _PartialImage(BaseModel):
    b64_json: str


@dataclass(frozen=True, slots=True)
class _Sent:
    """A server-sent event: its name, which some gateways leave out, and its data."""

    name: str
    data: bytes

    @property
    def is_image(self) -> bool:
        """Whether the name tells enough; megabytes of data are then read only by who wants the image.

        Data that may hold an error, or that lacks its end, is looked into whatever the name is.
        """
        is_whole = self.data.endswith(b"}") and b'"error"' not in self.data
        return is_whole and self.name.endswith((_FINAL, _PARTIAL))


async def read_stream(
    response: httpx2.Response, on_partial: Callable[[LazyImage], None], *, model: str
) -> bytes:
    """The JSON of the final event, which carries the finished image.

    Args:
        response: Not read yet.
        on_partial: Called with each partial image.
        model: For the words of errors.

    Raises:
        UpstreamError: If the stream reports one; ``OutcomeUnknown`` if it breaks, or ends without the image.
    """
    import httpx2

    try:
        return await _final_event(response, on_partial, model)
    except httpx2.HTTPError as error:
        raise broken(error, request_id_of(response)) from error


async def _final_event(
    response: httpx2.Response, on_partial: Callable[[LazyImage], None], model: str
) -> bytes:
    request_id = request_id_of(response)
    partials = 0
    async with contextlib.aclosing(_events(response.aiter_bytes())) as events:
        async for sent in events:
            kind = sent.name
            if not sent.is_image:
                event = await in_thread(_read, sent.data, request_id)
                if event.error:
                    raise map_error(
                        read_error(event.error, response.request, request_id=request_id), model=model
                    )
                kind = event.type or ""
            if kind.endswith(_FINAL):
                return sent.data  # what breaks from here on takes nothing away
            if kind.endswith(_PARTIAL):
                partials += 1
                on_partial(partial(_image_of, sent.data))
    raise lost(f"the stream ended without its final image ({partials} partial)", request_id)


def _image_of(data: bytes) -> bytes:
    """The bytes of a partial image; empty if it is damaged, which is no reason to lose the final one."""
    try:
        return decode_image(_PartialImage.model_validate_json(data).b64_json)
    except (ValidationError, UnusableBody):
        return b""


def _read(data: bytes, request_id: str | None) -> _Event:
    """An event; empty if it is JSON of another kind."""
    try:
        return _Event.model_validate_json(data)
    except ValidationError as error:
        if error.errors(include_input=False, include_url=False)[0]["type"] != "json_invalid":
            return _Event()
        reason = f"the stream holds an event that cannot be read ({len(data)} bytes)"
        raise lost(reason, request_id) from error


async def _events(chunks: AsyncIterator[bytes]) -> AsyncGenerator[_Sent]:
    """The server-sent events that have data; the last one also if its end is missing."""
    name, data = "", list[bytes]()
    async for field, value in _fields(chunks):
        if field == b"event":
            name = value.decode(errors="replace")
        elif field == b"data":
            data.append(value)
        elif not field:
            if data == [_END]:
                return
            if data:
                yield _Sent(name, b"\n".join(data))
            name = ""
            data.clear()
    if data and data != [_END]:
        yield _Sent(name, b"\n".join(data))


async def _fields(chunks: AsyncIterator[bytes]) -> AsyncGenerator[tuple[bytes, bytes]]:
    """Name and value of each line, empty for an empty line; a line of an image comes in many chunks."""
    pieces: list[bytes] = []
    async for chunk in chunks:
        *ended, last = chunk.split(b"\n")
        for piece in ended:
            yield _field([*pieces, piece])
            pieces.clear()
        if last:
            pieces.append(last)
    yield _field(pieces or [b""])


def _field(pieces: list[bytes]) -> tuple[bytes, bytes]:
    """A line taken apart before it is put together, so that megabytes are copied only once."""
    first, *rest = pieces
    if b":" not in first:
        first, rest = b"".join(pieces), []
    name, colon, start = first.partition(b":")
    value = b"".join((start.removeprefix(b" "), *rest)).removesuffix(b"\r")
    return name.removesuffix(b"\r") or colon, value  # a comment has no name, and ends nothing
