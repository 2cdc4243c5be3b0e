"""The sandbox over real loopback HTTP: what a test or benchmark puts in the place of the OpenAI API.

In a test: ``async with serve_standin() as standin: …``. As a process: ``python tests/standin.py`` prints the
port it chose. With an image file every generation is answered with its bytes from memory, so that almost no
processor time goes into the stand-in.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import json
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import httpx2
import uvicorn

from gpt_image_mcp.openai_api.sandbox.transport import ReceivedRequest, SandboxTransport

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable

    Message = dict[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]

_HOP_BY_HOP = {"content-length", "transfer-encoding", "connection"}
_LONGEST_HANG_SECONDS = 30.0


@dataclass(frozen=True)
class Standin:
    """A running stand-in: its address and what it received."""

    base_url: str
    transport: SandboxTransport

    @property
    def requests(self) -> deque[ReceivedRequest]:
        """The latest requests, oldest first."""
        return self.transport.requests

    @property
    def posts(self) -> list[ReceivedRequest]:
        """Those of them that could cost money."""
        return [request for request in self.requests if request.method == "POST"]


class CannedTransport(SandboxTransport):
    """A sandbox that answers every image request with the bytes of one file."""

    def __init__(self, image: Path, *, delay_seconds: float = 0, has_usage: bool = True) -> None:
        super().__init__()
        self._seconds = delay_seconds
        usage = {"input_tokens": 5, "output_tokens": 7024, "total_tokens": 7029}
        details = {"input_tokens_details": {"text_tokens": 5, "image_tokens": 0}}
        document = {
            "created": 1,
            "background": "opaque",
            "output_format": "png",
            "quality": "high",
            "size": "1024x1024",
            "data": [{"b64_json": base64.b64encode(image.read_bytes()).decode()}],
            **({"usage": {**usage, **details}} if has_usage else {}),
        }
        self._body = json.dumps(document).encode()
        self._stream = _as_stream(document)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """The same answer each time; as a stream of one partial image and the final one where asked."""
        is_streamed = b'"stream":true' in (await request.aread()).replace(b" ", b"")
        await asyncio.sleep(self._seconds)
        kind = "text/event-stream" if is_streamed else "application/json"
        headers = {"content-type": kind, "x-request-id": "req_standin"}
        body = self._stream if is_streamed else self._body
        return httpx2.Response(200, content=body, headers=headers, request=request)


def _as_stream(document: dict[str, Any]) -> bytes:
    """The answer as server-sent events: the image once as a partial one, once as the final one."""
    common = {"created_at": 1, "b64_json": document["data"][0]["b64_json"]}
    common |= {name: document[name] for name in ("background", "output_format", "quality", "size")}
    partial = {"type": "image_generation.partial_image", "partial_image_index": 0, **common}
    final = {"type": "image_generation.completed", "usage": document.get("usage"), **common}
    events = (f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in (partial, final))
    return "".join(events).encode()


class Application:
    """An ASGI application around a transport; faults of the connection become real ones."""

    def __init__(self, transport: SandboxTransport) -> None:
        self._transport = transport

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            return
        request = await _request(scope, receive)
        try:
            response = await self._transport.handle_async_request(request)
        except httpx2.TimeoutException:
            await asyncio.sleep(_LONGEST_HANG_SECONDS)
            return
        except httpx2.TransportError:
            # ASGI has no word for a broken connection, so this reaches for uvicorn's own.
            cast("Any", send).__self__.transport.abort()
            return
        await _respond(response, send)


async def _request(scope: Message, receive: Receive) -> httpx2.Request:
    chunks: list[bytes] = []
    more = True
    while more:
        message = await receive()
        chunks.append(message.get("body", b""))
        more = message.get("more_body", False)
    body = b"".join(chunks)
    url = f"http://standin{scope['path']}"
    headers = [(name, value) for name, value in scope["headers"] if name != b"content-length"]
    return httpx2.Request(scope["method"], url, headers=headers, content=body)


async def _respond(response: httpx2.Response, send: Send) -> None:
    headers = [
        (name.encode(), value.encode())
        for name, value in response.headers.items()
        if name.lower() not in _HOP_BY_HOP
    ]
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
    async for chunk in response.aiter_raw() if not response.is_stream_consumed else _once(response.content):
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content


def _server(transport: SandboxTransport, certificate: Path | None = None) -> uvicorn.Server:
    config = uvicorn.Config(
        Application(transport), log_level="critical", lifespan="off", ws="none", ssl_certfile=certificate
    )
    return uvicorn.Server(config)


def _listening(port: int = 0) -> socket.socket:
    listener = socket.create_server(("127.0.0.1", port))
    listener.setblocking(False)  # noqa: FBT003 - the standard library's own signature
    return listener


@contextlib.asynccontextmanager
async def serve_standin(
    transport: SandboxTransport | None = None, *, certificate: Path | None = None
) -> AsyncGenerator[Standin]:
    """A stand-in on an unused port of this machine, for as long as the block runs.

    Args:
        transport: What answers.
        certificate: A file with a key and its certificate; the stand-in then speaks TLS.
    """
    transport = transport or SandboxTransport()
    server, listener = _server(transport, certificate), _listening()
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        scheme = "https" if certificate else "http"
        yield Standin(f"{scheme}://127.0.0.1:{listener.getsockname()[1]}/v1", transport)
    finally:
        server.should_exit = True
        server.force_exit = True
        await task
        listener.close()


def main() -> None:
    """Runs a stand-in until it is stopped; prints its port."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--image", type=Path, default=None)
    parser.add_argument("--delay", type=float, default=0)
    options = parser.parse_args()
    transport = SandboxTransport(delay_seconds=options.delay)
    if options.image:
        transport = CannedTransport(options.image, delay_seconds=options.delay)
    listener = _listening(options.port)
    print(listener.getsockname()[1], flush=True)  # noqa: T201 - how the caller learns the port
    asyncio.run(_server(transport).serve(sockets=[listener]))


if __name__ == "__main__":
    main()
