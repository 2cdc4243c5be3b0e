"""Reading a stream of image events up to the final image.

The server-sent events are read by httpx2. The SDK's reader is not used: it leaves its generators half-read
when the final image has come, and builds objects of megabytes of text that nobody reads.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from pydantic_core import from_json

from gpt_image_mcp.openai_api.answer_documents import TOO_MANY_VALUES, as_object, has_too_many_values
from gpt_image_mcp.openai_api.error_mapping import map_error
from gpt_image_mcp.openai_api.image_extraction import decode_image
from gpt_image_mcp.openai_api.sdk_errors import broken, lost, read_error, request_id_of
from gpt_image_mcp.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    import httpx2

    from gpt_image_mcp.openai_api.observer import LazyImage
    from gpt_image_mcp.openai_api.received_body import ReceivedBody
    from gpt_image_mcp.values.requests import ImageRequest

# A noisy picture of the largest size has 45 MB in base64; httpx2 takes 1 MiB unless told otherwise.
MAX_EVENT_BYTES = 64_000_000
# To hand less than this to a thread takes longer than to read it.
_SHORT_CHARACTERS = 10_000
_END = "[DONE]"
_FINAL, _PARTIAL = ".completed", ".partial_image"


async def read_stream(
    response: httpx2.Response,
    on_partial: Callable[[LazyImage], None],
    *,
    received: ReceivedBody,
    request: ImageRequest,
) -> bytes:
    """The JSON of the final event, which carries the finished image.

    Args:
        response: Not read yet.
        on_partial: Called with each partial image.
        received: Gets what arrives, and has it if the stream breaks.
        request: What was asked for.

    Raises:
        UpstreamError: If the stream reports one; ``OutcomeUnknown`` if it breaks, or ends without the image.
    """
    import httpx2

    try:
        async with contextlib.aclosing(_events(response, received)) as events:
            return await _final_event(events, on_partial, response=response, request=request)
    except httpx2.HTTPError as error:
        raise broken(error, request_id_of(response)) from error


async def _final_event(
    events: AsyncGenerator[httpx2.ServerSentEvent],
    on_partial: Callable[[LazyImage], None],
    *,
    response: httpx2.Response,
    request: ImageRequest,
) -> bytes:
    request_id = request_id_of(response)
    partials = 0
    async for sent in events:
        kind = sent.event
        if not _is_image(sent):
            is_short = len(sent.data) < _SHORT_CHARACTERS
            parsed = partial(_parsed, sent.data, request_id)
            event = parsed() if is_short else await in_thread(parsed)
            if event.get("error"):
                error = read_error(event["error"], response.request, request_id=request_id)
                raise map_error(replace(error, prompt=request.prompt), model=request.model)
            kind = str(event.get("type"))
        if kind.endswith(_FINAL):
            return sent.data.encode()  # what breaks from here on takes nothing away
        if kind.endswith(_PARTIAL):
            partials += 1
            on_partial(partial(_image_in, sent.data))
    raise lost(f"the stream ended without its final image ({partials} partial)", request_id)


async def _events(
    response: httpx2.Response, received: ReceivedBody
) -> AsyncGenerator[httpx2.ServerSentEvent]:
    """The events with a JSON object. Others, such as ``data: ping``, only keep the connection alive."""
    import httpx2

    # httpx2 wants the content type of an event stream, which some gateways leave out or name wrongly.
    stream = httpx2.Response(
        response.status_code,
        headers={"content-type": "text/event-stream"},
        content=_terminated(response, received),
        default_encoding="utf-8-sig",
        request=response.request,
    )
    async for event in httpx2.EventSource(stream, max_event_size=MAX_EVENT_BYTES):
        if event.data == _END:
            return
        if event.data.lstrip().startswith("{"):
            yield event


async def _terminated(response: httpx2.Response, received: ReceivedBody) -> AsyncGenerator[bytes]:
    """The body with the blank line that ends an event: httpx2 drops the last event of a stream without it."""
    async for chunk in response.aiter_bytes():
        await received.add(chunk)
        if received.has_enough:
            break
        yield chunk
    yield b"\n\n"


def _is_image(event: httpx2.ServerSentEvent) -> bool:
    """Whether the name tells enough; megabytes of data are then parsed only by who wants the image.

    Data that may hold an error, or that lacks its end, is parsed whatever the name is.
    """
    is_whole = event.data.endswith("}") and '"error"' not in event.data
    return is_whole and event.event.endswith((_FINAL, _PARTIAL))


def _parsed(data: str, request_id: str | None) -> dict[str, object]:
    try:
        return as_object(_json(data))
    except ValueError as error:
        reason = f"the stream holds an event that cannot be read ({len(data)} bytes)"
        raise lost(reason, request_id) from error


def _image_in(data: str) -> bytes:
    """The bytes of a partial image; empty if it is damaged, which is no reason to lose the final one."""
    try:
        return decode_image(str(as_object(_json(data)).get("b64_json")))
    except ValueError:
        return b""


def _json(data: str) -> object:
    """The parsed JSON; ``ValueError`` if it is none, or made of too many values."""
    if has_too_many_values(data):
        raise ValueError(TOO_MANY_VALUES)
    return from_json(data)
