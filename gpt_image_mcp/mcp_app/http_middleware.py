"""What stands between HTTP clients and FastMCP's web application, whoever serves it.

Other sites are refused. Requests that stray from the letter of the protocol but are clear are put right, and
refusals, for which the libraries have a word or two, say what to do.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import re
from http import HTTPStatus
from tempfile import SpooledTemporaryFile
from typing import IO, TYPE_CHECKING, Any, cast

from fastmcp.server.auth.middleware import RequireAuthMiddleware
from fastmcp.server.http import DEFAULT_HOSTS, StreamableHTTPASGIApp
from mcp.server.streamable_http import MCP_SESSION_ID_HEADER, check_accept_headers
from mcp.types import INVALID_PARAMS, INVALID_REQUEST
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from gpt_image_mcp.errors import cut
from gpt_image_mcp.mcp_app.signed_addresses import EXPORTS, IMAGES, UPLOADS
from gpt_image_mcp.threads import in_thread
from gpt_image_mcp.values.json import MOST_VALUES

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator, Sequence

    from starlette.applications import Starlette
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Sixteen inputs as data URLs; the libraries stop at 4 MiB, which one photo can exceed.
MAX_BODY_BYTES = 75_000_000
# Larger bodies hold images; they go to disk, and are left to the SDK.
_SMALL_BYTES = 1 << 16
_MOST_SESSIONS = 1_000  # 40 kB each, for half an hour; the SDK would keep ten times as many
_BYTES_OF_A_VALUE = MAX_BODY_BYTES // MOST_VALUES
_JSON, _STREAM = "application/json", "text/event-stream"
_HOST = re.compile(r"([\w.-]+|\[[\w.:%-]+\])(:\d+)?", re.ASCII)
_TOO_LARGE = "Request body too large"
_NOT_ONE_MESSAGE = (
    "The body is not one JSON-RPC 2.0 message, without a batch and with an id that is text or a whole number"
)
# What to do about a refusal, by its HTTP status.
_NEXT_STEPS = {
    400: "Send one JSON-RPC 2.0 message as JSON. Before protocol 2026-07-28, initialize comes first, and the "
    "Mcp-Session-Id of its answer goes with every later message.",
    403: "Call from a page of this machine; or, if you trust {origin}, add it to GPT_IMAGE_ALLOWED_HOSTS.",
    404: "Send initialize to {path}, without Mcp-Session-Id.",
    405: "Send JSON-RPC messages to {path} with POST.",
    406: f"Send Accept: {_JSON}, {_STREAM}.",
    409: "Read the stream that is open, or close it first.",
    413: f"Send at most {MAX_BODY_BYTES:,} bytes and {MOST_VALUES:,} values to {{path}}, and "
    f"{_SMALL_BYTES:,} bytes elsewhere; name images by id or path.",
    415: f"Send Content-Type: {_JSON}.",
    503: "Try again in a minute. End sessions that are over with DELETE; name images by path or address.",
    421: "Call 127.0.0.1 or localhost; or, if {host} leads here for you, add it to GPT_IMAGE_ALLOWED_HOSTS.",
}


def guards(hosts: Sequence[str]) -> dict[str, Any]:
    """Options of ``FastMCP.http_app`` that say who is answered.

    Args:
        hosts: Names besides those of this machine, for the Host header and for the origins of web pages.
    """
    names = "|".join(re.escape(host).replace(r"\*", r"[\w.-]+") for host in (*DEFAULT_HOSTS, *hosts))
    cors = Middleware(
        CORSMiddleware,
        allow_origin_regex=rf"https?://\[?({names})\]?(:\d+)?",
        allow_methods=("GET", "POST", "DELETE"),
        allow_headers=("*",),
        expose_headers=(MCP_SESSION_ID_HEADER, "WWW-Authenticate"),
    )
    return {
        # The lists are given so that no variable of FastMCP's own can add to them.
        "host_origin_protection": True,
        "allowed_hosts": list(hosts),
        "allowed_origins": [f"{scheme}://{host}:*" for host in hosts for scheme in ("http", "https")],
        "middleware": [cors],
    }


def take_large_bodies(app: Starlette) -> None:
    """Puts ``bodies_on_disk`` in the place of the SDK's limit, 4 MiB; ``test_upstream.py`` holds the way."""
    start = app.router.lifespan_context

    @contextlib.asynccontextmanager
    async def lifespan(started: Starlette) -> AsyncGenerator[Any]:
        async with start(started) as state:
            for route in app.routes:
                endpoint: Any = route.endpoint if isinstance(route, Route) else None
                endpoint = endpoint.app if isinstance(endpoint, RequireAuthMiddleware) else endpoint
                if isinstance(endpoint, StreamableHTTPASGIApp) and endpoint.session_manager is not None:
                    manager = cast("Any", endpoint.session_manager)
                    manager.max_sessions = _MOST_SESSIONS
                    manager.asgi_app = bodies_on_disk(manager.asgi_app.app)
            yield state

    app.router.lifespan_context = lifespan


def bodies_on_disk(app: ASGIApp, *, patience_seconds: float = 60) -> ASGIApp:
    """Keeps bodies on disk until they are whole; large ones have ``MAX_BODY_BYTES`` of memory together.

    One that finds no room in time is refused with 503. A call usually gives a job after 40 seconds.
    """
    large_bytes, room = 0, asyncio.Condition()

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal large_bytes
        with contextlib.suppress(ClientDisconnect), SpooledTemporaryFile(max_size=_SMALL_BYTES) as file:
            needed = await _fill(file, scope, receive)
            large = needed if file.tell() > _SMALL_BYTES else 0
            with _refused_when_full():
                async with asyncio.timeout(patience_seconds), room:
                    await room.wait_for(lambda: large_bytes + large <= MAX_BODY_BYTES)
                    large_bytes += large
            try:
                file.seek(0)
                await app(scope, _replayed({"type": "http.request", "body": file.read()}, receive), send)
            finally:
                if large:
                    # What a refusal keeps of it lies in circles, which are collected by number, not by size.
                    await in_thread(gc.collect)
                large_bytes -= large
                async with room:
                    room.notify_all()

    return answer


@contextlib.contextmanager
def _refused_when_full() -> Generator[None]:
    try:
        yield
    except TimeoutError:
        raise HTTPException(503, "Other large requests have all the memory") from None


async def _fill(file: IO[bytes], scope: Scope, receive: Receive) -> int:
    """Writes a body to a file; gives how many bytes it will take in memory."""
    most = MAX_BODY_BYTES if is_waited_for(scope) else _SMALL_BYTES
    declared, needed = int(Headers(scope=scope).get("content-length", 0)), 0
    pieces = Request(scope, receive).stream()
    while max(declared, needed) <= most:
        if (piece := await anext(pieces, None)) is None:
            return needed
        needed += len(piece) + _BYTES_OF_A_VALUE * sum(map(piece.count, (b",", b"[", b"{")))
        # Large bodies take turns in the threads, so that however many there are, the loop reads few at once.
        await in_thread(file.write, piece) if needed > _SMALL_BYTES else file.write(piece)
    raise HTTPException(413, _TOO_LARGE)


def is_waited_for(scope: Scope) -> bool:
    """Whether it is a request that ends by itself: event streams that only listen do not."""
    if scope["type"] != "http":
        return False
    is_listening = (b"mcp-method", b"subscriptions/listen") in scope["headers"]
    return scope["method"] in {"POST", "PUT"} and not is_listening


class LenientRequests:
    """Puts right what is clear in a request, and explains refusals; an ASGI middleware.

    Args:
        app: The application behind it.
        path: Where MCP is.
    """

    def __init__(self, app: ASGIApp, path: str) -> None:
        self._app = app
        self._path = path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hands a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = MutableHeaders(raw=[*scope["headers"]])
        takes_json, takes_streams = check_accept_headers(Request(scope))
        as_json = scope["method"] == "POST" and takes_json and not takes_streams
        if not scope["path"].startswith((IMAGES, EXPORTS, UPLOADS)):
            send = self._explaining(scope, receive, send, as_json=as_json)
        if as_json or not headers.get("accept"):
            headers["accept"] = "*/*"
        if _media_type(headers) == _JSON:
            headers["content-type"] = _JSON
        if not _HOST.fullmatch(headers.get("host", "")):
            headers["host"] = ""  # the guard behind it reads the beginning of a name alone
        # No stream of ours can be resumed: its events carry no ids. The SDK would answer with 500.
        del headers["last-event-id"]
        is_mcp = scope["path"].rstrip("/") == self._path.rstrip("/")
        scope = {**scope, "path": self._path if is_mcp else scope["path"]}
        request = {**scope, "headers": headers.raw}
        if scope["method"] != "POST" or scope["path"].startswith(UPLOADS):
            await self._app(request, receive, send)
        elif is_mcp:
            await self._hand_on_message(request, receive, send)
        elif len((first := await _beginning(receive)).get("body", b"")) <= _SMALL_BYTES:
            await self._app(request, _replayed(first, receive), send)
        else:  # who signs in sends forms, and is not known before they are read
            await Response(_TOO_LARGE, 413)(scope, receive, send)

    async def _hand_on_message(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = MutableHeaders(raw=scope["headers"])
        if int(headers.get("content-length", 0)) <= _SMALL_BYTES:
            receive, message = await _repaired(receive)
            if message.get("method") == "initialize":
                # It begins a session, whatever id is left of an earlier one.
                del headers[MCP_SESSION_ID_HEADER]
        await self._app(scope, receive, send)

    def _explaining(self, scope: Scope, receive: Receive, send: Send, *, as_json: bool) -> Send:
        """Sends refusals with what to do next, and event streams as JSON to a client that takes only that."""
        held: list[Message] = []

        async def explain(message: Message) -> None:
            headers = Headers(raw=message.get("headers", []))
            is_stream = as_json and _media_type(headers) == _STREAM
            # Pages of a sign-in, and demands for one, say themselves what to do.
            is_of_sign_in = "www-authenticate" in headers or _media_type(headers) == "text/html"
            if not held and not is_stream and (is_of_sign_in or message.get("status") not in _NEXT_STEPS):
                await send(message)
                return
            held.append(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                body = b"".join(part.get("body", b"") for part in held)
                await self._changed(Headers(scope=scope), held[0], body)(scope, receive, send)

        return explain

    def _changed(self, request: Headers, start: Message, body: bytes) -> Response:
        status = start["status"]
        headers = {k: v for k, v in Headers(raw=start["headers"]).items() if not k.startswith("content-")}
        if status in _NEXT_STEPS:
            # The SDK names a session there that it has just dropped.
            headers.pop(MCP_SESSION_ID_HEADER, None)
            status = 415 if body == b"Invalid Content-Type header" else status
            body = _explained(body, request, status=status, path=self._path)
        else:
            # The answer is the last event; before it come those of its progress.
            *_, body = b"", *(line[6:] for line in body.splitlines() if line.startswith(b"data: "))
        return Response(body, status, headers, media_type=_JSON)


def _explained(body: bytes, request: Headers, *, status: int, path: str) -> bytes:
    """A refusal as an error of JSON-RPC with what to do next; one that answers a request of MCP stays."""
    error: dict[str, Any] = {"code": INVALID_REQUEST, "message": body.decode() or HTTPStatus(status).phrase}
    refusal: dict[str, Any] = {"jsonrpc": "2.0", "id": None, "error": error}
    if body.startswith(b"{"):
        refusal = json.loads(body)
        error = refusal.get("error", {})
    if refusal.get("id") is not None or "jsonrpc" not in refusal:
        return body
    if error["code"] == INVALID_PARAMS:
        error.update(code=INVALID_REQUEST, message=_NOT_ONE_MESSAGE)
    named = {name: cut(request.get(name, "")) for name in ("host", "origin")}
    step = _NEXT_STEPS[status].format(path=path, **named)
    error["message"] = f"{error['message'].rstrip('.')}. Next: {step}"
    return json.dumps(refusal).encode()


def _media_type(headers: Headers) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()


async def _repaired(receive: Receive) -> tuple[Receive, dict[str, Any]]:
    """A body as the SDK can read it, and its members; none if it is no object, or large.

    The SDK reads neither byte order marks nor halves of surrogate pairs. A request whose id is no id is a
    notification to it, which nobody answers; as a batch it is refused.
    """
    first = await _beginning(receive)
    members: dict[str, Any] = {}
    with contextlib.suppress(ValueError, RecursionError):
        document = json.loads(first.get("body", b""))
        members = cast("dict[str, Any]", document) if isinstance(document, dict) else {}
        is_named = type(members.get("id", "")) in {str, int}
        text = json.dumps(document if is_named else [document], ensure_ascii=False)
        first["body"] = text.encode(errors="replace")
    return _replayed(first, receive), members


async def _beginning(receive: Receive) -> Message:
    """The parts of a body until it is whole, or not small any more, as one."""
    first = await receive()
    while first.get("more_body") and len(first["body"]) <= _SMALL_BYTES:
        more = await receive()
        first = {**more, "body": first["body"] + more.get("body", b"")}
    return first


def _replayed(first: Message, receive: Receive) -> Receive:
    waiting = [first]

    async def receive_again() -> Message:
        return waiting.pop() if waiting else await receive()

    return receive_again
