"""A strict HTTP/1.1 endpoint that follows a script: for faults that lie below HTTP, or inside an answer.

``async with serve_script(reset(), then=picture()) as endpoint: …`` breaks the first connection and answers
what comes later with a picture. It reads whole requests and refuses what the API would not understand.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gzip
import io
import json
import socket
import struct
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

from PIL import Image

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence

GENERATIONS = "/v1/images/generations"
REQUEST_ID = "req_scripted"
PATIENCE_SECONDS = 20
_STREAM_LIMIT_BYTES = 2**20
_JSON = {"content-type": "application/json", "x-request-id": REQUEST_ID}
_USAGE = {
    "input_tokens": 5,
    "output_tokens": 196,
    "total_tokens": 201,
    "input_tokens_details": {"text_tokens": 5, "image_tokens": 0},
}
# The fields of a generation, and what each must be.
_FIELDS: Mapping[str, type] = {
    "model": str,
    "prompt": str,
    "n": int,
    "size": str,
    "quality": str,
    "background": str,
    "output_format": str,
    "output_compression": int,
    "moderation": str,
    "safety_identifier": str,
    "stream": bool,
    "partial_images": int,
}
_REQUIRED = frozenset({"model", "prompt", "n", "size", "quality", "output_format"})


@dataclass(frozen=True)
class Received:
    """One request, read to its end."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    @property
    def json(self) -> dict[str, Any]:
        """The body of a request that carries JSON."""
        return dict(json.loads(self.body))


Reply: TypeAlias = "Callable[[Received, asyncio.StreamWriter], Awaitable[None]]"


@dataclass(eq=False)
class Endpoint:
    """A running endpoint.

    Attributes:
        base_url: What ``OPENAI_BASE_URL`` takes.
        requests: What arrived, in order.
        complaints: What was wrong with it.
    """

    script: list[Reply]
    then: Reply
    base_url: str = ""
    requests: list[Received] = field(default_factory=list[Received])
    complaints: list[str] = field(default_factory=list[str])
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def posts(self) -> list[Received]:
        """The requests that could cost money."""
        return [request for request in self.requests if request.method == "POST"]

    async def received(self, posts: int) -> None:
        """Waits until so many requests that cost money have arrived."""
        async with asyncio.timeout(PATIENCE_SECONDS), self.changed:
            await self.changed.wait_for(lambda: len(self.posts) >= posts)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, with as many requests as the client sends on it."""
        while not writer.is_closing():
            request = await _read(reader)
            reply = await self._accept(request)
            await reply(request, writer)
            await writer.drain()

    async def _accept(self, request: Received) -> Reply:
        async with self.changed:
            self.requests.append(request)
            self.changed.notify_all()
        complaint = _complaint(request)
        if complaint:
            self.complaints.append(complaint)
            return refusal(400, complaint, code="invalid_request")
        return self.script.pop(0) if self.script else self.then


@contextlib.asynccontextmanager
async def serve_script(*script: Reply, then: Reply | None = None) -> AsyncGenerator[Endpoint]:
    """An endpoint on an unused port of this machine, for as long as the block runs.

    Args:
        *script: What becomes of the first requests, one each.
        then: What becomes of all later ones; a picture if not given.

    Raises:
        AssertionError: At the end, if a request was malformed.
    """
    endpoint = Endpoint(list(script), then or picture())
    connections: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                await endpoint.serve(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.add(asyncio.create_task(handle(reader, writer)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0, limit=_STREAM_LIMIT_BYTES)
    endpoint.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    try:
        yield endpoint
    finally:
        server.close()
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
    assert endpoint.complaints == []


def unused_address() -> str:
    """The address of an endpoint that is not there."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}/v1"


@cache
def image_file(
    color: str | tuple[int, int, int] = "teal", *, image_format: Literal["PNG", "JPEG", "WEBP"] = "PNG"
) -> bytes:
    """A small picture."""
    stream = io.BytesIO()
    Image.new("RGB", (32, 32), color).save(stream, image_format)
    return stream.getvalue()


def document(image: bytes | str | None = None, **changes: Any) -> dict[str, Any]:
    """The JSON of a generation; ``image`` is a file, or text in place of its base64."""
    encoded = image if isinstance(image, str) else base64.b64encode(image or image_file()).decode()
    return {"created": 1, "data": [{"b64_json": encoded}], "usage": _USAGE, **changes}


def answer(content: object, *, status: int = 200, **headers: str) -> Reply:
    """A whole answer: bytes as they are, anything else as JSON; names of headers take ``_``."""
    body = _encoded(content)
    fields = {**_JSON, **{name.replace("_", "-"): value for name, value in headers.items()}}

    async def reply(_request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(_head(status, fields, length=len(body)) + body)

    return reply


def picture(image: bytes | str | None = None, **changes: Any) -> Reply:
    """A generation that went well."""
    return answer(document(image, **changes))


def refusal(status: int, message: str = "no", *, code: str = "", kind: str = "", **headers: str) -> Reply:
    """An error answer in OpenAI's words."""
    error = {"message": message, "type": kind or None, "param": None, "code": code or None}
    return answer({"error": error}, status=status, **headers)


def html(status: int) -> Reply:
    """The page of a proxy."""
    page = b"<!DOCTYPE html><html><body><h1>Please sign in</h1></body></html>"
    return answer(page, status=status, content_type="text/html")


def compressed(content: object) -> Reply:
    """A whole answer in gzip."""
    return answer(gzip.compress(_encoded(content)), content_encoding="gzip")


def reset() -> Reply:
    """The connection is reset before an answer."""

    async def reply(_request: Received, writer: asyncio.StreamWriter) -> None:
        _reset(writer)

    return reply


def cut(content: object, *, status: int = 200, after_bytes: int = 100, is_reset: bool = False) -> Reply:
    """The connection is closed, or reset, in the middle of a body whose length was announced."""
    body = _encoded(content)

    async def reply(_request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(_head(status, _JSON, length=len(body)) + body[:after_bytes])
        await writer.drain()
        if is_reset:
            _reset(writer)
        writer.close()

    return reply


def dripping(content: object, *, pieces: int, pause_seconds: float, status: int = 200) -> Reply:
    """A whole answer, a little at a time."""
    body = _encoded(content)
    size = -(-len(body) // pieces)

    async def reply(_request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(_head(status, _JSON, length=len(body)))
        for start in range(0, len(body), size):
            await asyncio.sleep(pause_seconds)
            writer.write(body[start : start + size])
            await writer.drain()

    return reply


def late(then: Reply, *, seconds: float) -> Reply:
    """Another reply, after so long a time as the server worked."""

    async def reply(request: Received, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(seconds)
        await then(request, writer)

    return reply


def held(gate: asyncio.Event, then: Reply | None = None) -> Reply:
    """Nothing until the gate opens, then another reply; a gate that stays shut is a hang."""

    async def reply(request: Received, writer: asyncio.StreamWriter) -> None:
        await gate.wait()
        await (then or picture())(request, writer)

    return reply


def closing(after: Reply | None = None) -> Reply:
    """The connection is closed, without having said so, after another reply or before any."""

    async def reply(request: Received, writer: asyncio.StreamWriter) -> None:
        if after is not None:
            await after(request, writer)
            await writer.drain()
        writer.close()

    return reply


def stream(
    events: Sequence[bytes],
    *,
    is_whole: bool = True,
    before_last: asyncio.Event | None = None,
    content_type: str = "text/event-stream",
) -> Reply:
    """Server-sent events, each in a chunk of its own; what is not whole lacks the chunk that ends it.

    ``before_last`` is waited for before the last event is sent.
    """
    fields = {**_JSON, "content-type": content_type, "transfer-encoding": "chunked"}

    async def reply(_request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(_head(200, fields))
        for event in filter(None, events):
            if before_last and event is events[-1]:
                await before_last.wait()
            writer.write(f"{len(event):x}\r\n".encode() + event + b"\r\n")
            await writer.drain()
        if is_whole:
            writer.write(b"0\r\n\r\n")
        else:
            writer.close()

    return reply


def sse(name: str, **data: Any) -> bytes:
    """One server-sent event."""
    return f"event: {name}\ndata: {json.dumps({'type': name, **data})}\n\n".encode()


def partial_event(image: bytes | None = None) -> bytes:
    """A partial image of a generation."""
    encoded = base64.b64encode(image or image_file("gray")).decode()
    return sse("image_generation.partial_image", b64_json=encoded, partial_image_index=0, created_at=1)


def final_event(image: bytes | None = None) -> bytes:
    """The final image of a generation."""
    encoded = base64.b64encode(image or image_file()).decode()
    return sse("image_generation.completed", b64_json=encoded, created_at=1, usage=_USAGE)


def error_event(message: str, *, code: str) -> bytes:
    """An error in the middle of a stream."""
    return sse("error", error={"message": message, "code": code, "type": "server_error", "param": None})


def _encoded(content: object) -> bytes:
    return content if isinstance(content, bytes) else json.dumps(content).encode()


def _head(status: int, fields: Mapping[str, str], *, length: int | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status} Scripted", *(f"{name}: {value}" for name, value in fields.items())]
    lines += [] if length is None else [f"content-length: {length}"]
    return "\r\n".join([*lines, "", ""]).encode()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Closes with RST: to linger for zero seconds is how a socket says so."""
    connection = cast("socket.socket", writer.get_extra_info("socket"))
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _read(reader: asyncio.StreamReader) -> Received:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("ascii")
    first, *lines = head.strip().split("\r\n")
    method, path, version = first.split(" ")
    assert version == "HTTP/1.1"
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if headers.get("transfer-encoding") == "chunked":
        return Received(method, path, headers, await _read_chunks(reader))
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Received(method, path, headers, body)


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    chunks: list[bytes] = []
    while size := int(await reader.readline(), 16):
        chunks.append(await reader.readexactly(size))
        await reader.readexactly(2)
    await reader.readexactly(2)
    return b"".join(chunks)


def _complaint(request: Received) -> str:
    """What is wrong with a request; empty if nothing is."""
    if request.path != GENERATIONS:
        return ""
    if not request.headers.get("authorization", "").startswith("Bearer "):
        return "the key is missing"
    try:
        body = json.loads(request.body)
    except ValueError as error:
        return f"the body is not JSON: {error}"
    if not isinstance(body, dict):
        return "the body is not a JSON object"
    fields = cast("dict[str, object]", body)
    if missing := _REQUIRED - set(fields):
        return f"fields are missing: {', '.join(sorted(missing))}"
    wrong = sorted(name for name, value in fields.items() if type(value) is not _FIELDS.get(name))
    return f"fields are unknown or of a wrong type: {', '.join(wrong)}" if wrong else ""
