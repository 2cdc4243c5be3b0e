"""Reading a stream of image events up to the final image.

The SDK's own reader leaves its generators half-read when the final image has come or an event is broken, and
builds objects of megabytes of text that nobody reads.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from gpt_image_mcp.openai_api.translation import broken, lost, refusal_of, request_id_of
from gpt_image_mcp.refusals import explain
from gpt_image_mcp.threads import in_reader
from gpt_image_mcp.wire import OptionalText, UnusableBody, decode_image

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable

    import httpx2

_END = b"[DONE]"


class _Event(BaseModel):
    """What matters of an event, whatever it is."""

    type: OptionalText = None
    b64_json: OptionalText = None
    error: Any = None


async def read_stream(response: httpx2.Response, on_partial: Callable[[bytes], None], *, model: str) -> bytes:
    """The JSON of the final event, which carries the finished image.

    Args:
        response: Not read yet.
        on_partial: Called with the bytes of each partial image.
        model: For the words of errors.

    Raises:
        UpstreamError: If the stream reports one; ``OutcomeUnknown`` if it breaks, or ends without the image.
    """
    import httpx2

    try:
        return await _final_event(response, on_partial, model)
    except httpx2.HTTPError as error:
        raise broken(error, request_id_of(response)) from error


async def _final_event(response: httpx2.Response, on_partial: Callable[[bytes], None], model: str) -> bytes:
    request_id = request_id_of(response)
    partials = 0
    async with contextlib.aclosing(_events(response.aiter_bytes())) as events:
        async for data in events:
            event = await in_reader(_read, data, request_id)
            if event.error:
                raise explain(refusal_of(event.error, response.request, request_id=request_id), model=model)
            kind = event.type or ""
            if kind.endswith(".completed"):
                return data  # what breaks from here on takes nothing away
            if kind.endswith(".partial_image"):
                partials += 1
                await _show(event, on_partial)
    raise lost(f"the stream ended without its final image ({partials} partial)", request_id)


async def _show(event: _Event, on_partial: Callable[[bytes], None]) -> None:
    """Hands a partial image on; a damaged one is no reason to lose the final one."""
    with contextlib.suppress(UnusableBody):
        on_partial(await in_reader(decode_image, event.b64_json or ""))


def _read(data: bytes, request_id: str | None) -> _Event:
    """An event; empty if it is JSON of another kind."""
    try:
        return _Event.model_validate_json(data)
    except ValidationError as error:
        if error.errors(include_input=False, include_url=False)[0]["type"] != "json_invalid":
            return _Event()
        reason = f"the stream holds an event that cannot be read ({len(data)} bytes)"
        raise lost(reason, request_id) from error


async def _events(chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    """The data of each server-sent event; of the last one also if its end is missing."""
    data: list[bytes] = []
    async for line in _lines(chunks):
        if line.startswith(b"data:"):
            data.append(line[5:].strip())
        elif not line and data:
            if data == [_END]:
                return
            yield b"\n".join(data)
            data.clear()
    if data and data != [_END]:
        yield b"\n".join(data)


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    """The lines of a stream without their ends; a line of an image comes in many chunks."""
    rest: list[bytes] = []
    async for chunk in chunks:
        *ended, last = chunk.split(b"\n")
        for line in ended:
            yield b"".join((*rest, line)).rstrip(b"\r")
            rest.clear()
        rest.append(last)
    yield b"".join(rest)
