"""What every answer goes through on its way out, so that each client can read it whole.

The SDK gives all clients before 2026-07-28 the shapes of 2025-11-25, of which some clients of older versions
lose the whole result. Some take any line break of Unicode for the end of a message. And an error may repeat
what the client sent, whatever its size.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, cast

from mcp.shared.exceptions import MCPError
from mcp_types.version import is_version_at_least

from gpt_image_mcp.errors import cut
from gpt_image_mcp.visible_text import visible_lines

if TYPE_CHECKING:
    from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
    from starlette.types import Message, Send

    from gpt_image_mcp.values.json import JsonObject

PROGRESS_MESSAGES_SINCE = "2025-03-26"
# Fields, and one kind of content, by the schemas of the specification; what is never sent here is left out.
_SINCE = {
    "annotations": "2025-03-26",
    "completions": "2025-03-26",
    "_meta": "2025-06-18",
    "outputSchema": "2025-06-18",
    "resource_link": "2025-06-18",
    "structuredContent": "2025-06-18",
    "title": "2025-06-18",
}
_NO_TAGS: JsonObject = {"fastmcp": {"tags": []}}
_LONGEST_ERROR, _LONG_ERROR_CUT = 1000, 120
# The separators of lines and paragraphs, and the control characters that JSON lets stand, such as NEL.
_BREAKS = re.compile(rb"\xe2\x80[\xa8\xa9]|\xc2[\x80-\x9f]")


def on_one_line(message: bytes) -> bytes:
    """A message in JSON with its line breaks, which can only stand within texts, as JSON escapes them."""
    if message.isascii():
        return message
    return _BREAKS.sub(lambda found: b"\\u%04x" % ord(found[0].decode()), message)


def one_line_events(send: Send) -> Send:
    """An ASGI ``send`` that does the same to the messages in event streams, which are made of lines too."""
    is_stream = False

    async def sending(message: Message) -> None:
        nonlocal is_stream
        if message["type"] == "http.response.start":
            is_stream = any(value.startswith(b"text/event-stream") for _, value in message["headers"])
        elif is_stream:
            message = {**message, "body": on_one_line(message.get("body", b""))}
        await send(message)

    return sending


async def send_what_is_known(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    """A middleware of the SDK's server: takes out of a result what its client's protocol does not have.

    Raises:
        MCPError: The error of the request, never long.
    """
    try:
        result = await call_next(ctx)
    except MCPError as error:
        raise MCPError(error.code, _short(error.message), _short(error.data)) from error
    wire = _without_tags(result) if isinstance(result, dict) else {}
    # The answer to ``initialize`` is what settles the version.
    version = str(wire.get("protocolVersion", ctx.protocol_version))
    unknown = frozenset(name for name, first in _SINCE.items() if not is_version_at_least(version, first))
    if not (wire and unknown):
        return wire or result
    return {
        name: _known(value, unknown)
        for name, value in wire.items()
        if name == "_meta" or name not in unknown  # results had it from the first version on
    }


def _without_tags(result: JsonObject) -> JsonObject:
    """A result without the note that something listed has no tags, which FastMCP adds to everything."""
    return {
        name: [_untagged(item) for item in cast("list[object]", value)] if isinstance(value, list) else value
        for name, value in result.items()
    }


def _untagged(item: object) -> object:
    if not isinstance(item, dict) or cast("JsonObject", item).get("_meta") != _NO_TAGS:
        return item  # pyright: ignore[reportUnknownVariableType] - JSON, as it came
    return {name: part for name, part in cast("JsonObject", item).items() if name != "_meta"}


def _short(said: Any) -> Any:
    """What an error says, or the objects in its data say, without a long repetition."""
    if isinstance(said, dict):
        return {name: _short(part) for name, part in cast("JsonObject", said).items()}
    if not isinstance(said, str):
        return said
    return visible_lines(cut(said, _LONG_ERROR_CUT) if len(said) > _LONGEST_ERROR else said)


def _known(value: Any, unknown: frozenset[str]) -> Any:
    """A part of a result, an object or a list of objects, without what is not known."""
    if isinstance(value, dict):
        return {name: part for name, part in cast("JsonObject", value).items() if name not in unknown}
    if isinstance(value, list):
        items = cast("list[JsonObject]", value)
        return [_known(item, unknown) for item in items if item.get("type") not in unknown]
    return value
