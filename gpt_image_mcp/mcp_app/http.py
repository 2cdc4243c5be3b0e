"""Streamable HTTP on this machine: the same server for several clients at once, and ``/health``.

There is no authentication yet, so only loopback addresses are served, requests whose ``Host`` or ``Origin``
is another site's are refused, and local files are read only from ``GPT_IMAGE_INPUT_ROOTS``.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import sys
from contextlib import asynccontextmanager, contextmanager
from importlib.metadata import version
from ipaddress import ip_address
from time import monotonic
from typing import TYPE_CHECKING

import uvicorn
from fastmcp.server.http import StreamableHTTPASGIApp
from fastmcp.utilities.logging import temporary_log_level
from starlette.responses import JSONResponse
from starlette.routing import Route

from gpt_image_mcp.errors import InvalidArgument, InvalidSetting
from gpt_image_mcp.mcp_app.serve import keep_what_is_loaded
from gpt_image_mcp.server import mcp
from gpt_image_mcp.settings import read_settings, settings_in_force

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator
    from types import FrameType

    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.types import ASGIApp, Receive, Scope, Send

    from gpt_image_mcp.settings import Settings

HEALTH_PATH = "/health"
# Sixteen inputs as data URLs; the libraries stop at 4 MiB, which one photo can exceed.
MAX_BODY_BYTES = 75_000_000
# Nothing that a URL would have to escape, that clients resolve themselves (a name of dots only), or that
# Starlette takes for a parameter.
_PATH = re.compile(r"(?:/(?!\.+(?:/|$))[A-Za-z0-9._~-]+)+")
_HIGHEST_PORT = 65_535
_CLOSING_SECONDS = 2
# Some clients list the tools when a result has come, to check it; without the list they drop the result.
_QUIET_SECONDS = 0.5
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def serve_http(*, host: str, port: int, path: str) -> int:
    """Serves MCP over Streamable HTTP until a signal ends it; returns the exit code.

    Args:
        host: A loopback address, or a name of one.
        port: 0 picks a free one; the address is written to stderr.
        path: Where MCP is, such as ``/mcp``; ``/health`` is beside it.

    Raises:
        InvalidSetting: If the environment or an argument is malformed, or the address is not a loopback one.
        InvalidArgument: If the address cannot be listened on.
    """
    settings = _for_http(read_settings())
    _check_path(path)
    listener = _listen(_loopback_address(host, port), port)
    traffic = Traffic(make_app(path))
    config = uvicorn.Config(
        traffic,
        log_config=None,
        access_log=False,
        lifespan="on",
        ws="none",
        timeout_graceful_shutdown=_CLOSING_SECONDS,
    )
    server = _Server(config, traffic, grace_seconds=settings.shutdown_grace_seconds)
    keep_what_is_loaded()
    sys.stderr.write(f"gpt-image-mcp serves MCP at {_url(listener, path)}, until Ctrl-C.\n")
    sys.stderr.flush()
    with temporary_log_level("DEBUG" if settings.debug else "WARNING"), settings_in_force(settings):
        server.run(sockets=[listener])
    return 0


def make_app(path: str) -> Starlette:
    """The web application: MCP at ``path``, and ``/health``."""
    # The lists are given so that no variable of FastMCP's own can add to them.
    app = mcp.http_app(path=path, host_origin_protection=True, allowed_hosts=[], allowed_origins=[])
    app.router.routes.append(Route(HEALTH_PATH, _health, methods=["GET"]))
    start = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(starting: Starlette) -> AsyncGenerator[None]:
        async with start(starting):
            _allow_large_bodies(starting)
            yield

    app.router.lifespan_context = lifespan
    return app


class Traffic:
    """Counts the requests that clients wait for.

    Attributes:
        waiting: How many are being answered.
        quiet_since: When the last one was answered, by ``time.monotonic``.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.waiting = 0
        self.quiet_since = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request; an ASGI application."""
        if scope["type"] != "http" or not _is_waited_for(scope):
            await self._app(scope, receive, send)
            return
        self.waiting += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self.waiting -= 1
            self.quiet_since = monotonic()


class _Server(uvicorn.Server):
    """Ends on a signal, after the requests that clients wait for, and with exit code 0.

    uvicorn would end event streams at once, and with them the answers to calls that are being drawn, and
    would then die of the signal.
    """

    def __init__(self, config: uvicorn.Config, traffic: Traffic, *, grace_seconds: float) -> None:
        super().__init__(config)
        self._traffic = traffic
        self._grace_seconds = grace_seconds
        self._leave_by: float | None = None

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Handles signals while the server runs."""
        previous = {number: signal.signal(number, self.handle_exit) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begins to leave at the first signal, and stops at the second."""
        if self._leave_by is not None:
            super().handle_exit(sig, frame)
        self._leave_by = monotonic() + self._grace_seconds

    async def on_tick(self, counter: int) -> bool:
        """Whether to stop now; asked several times a second."""
        if self._leave_by is not None:
            now = monotonic()
            is_quiet = not self._traffic.waiting and now >= self._traffic.quiet_since + _QUIET_SECONDS
            self.should_exit = self.should_exit or is_quiet or now >= self._leave_by
        return await super().on_tick(counter)


async def _health(_request: Request) -> JSONResponse:
    """That the server runs, and which version."""
    return JSONResponse({"status": "ok", "name": "gpt-image-mcp", "version": version("gpt-image-mcp-server")})


def _for_http(settings: Settings) -> Settings:
    """The settings, with no local input files unless folders are named for them."""
    return settings if settings.input_roots is not None else settings.model_copy(update={"input_roots": ()})


def _is_waited_for(scope: Scope) -> bool:
    """Whether a request ends by itself: event streams that only listen do not."""
    is_listening = (b"mcp-method", b"subscriptions/listen") in scope["headers"]
    return scope["method"] == "POST" and not is_listening


def _allow_large_bodies(app: Starlette) -> None:
    for route in app.routes:
        endpoint = route.endpoint if isinstance(route, Route) else None
        if isinstance(endpoint, StreamableHTTPASGIApp) and endpoint.session_manager is not None:
            endpoint.session_manager.asgi_app.max_body_size = MAX_BODY_BYTES


def _check_path(path: str) -> None:
    if not _PATH.fullmatch(path) or path == HEALTH_PATH:
        message = (
            f"path is {path!r}; it must be names of letters, digits and . _ ~ - with a slash before each, "
            f"other than {HEALTH_PATH}."
        )
        raise InvalidSetting(message, next_step="Leave out --path, or pass one such as /mcp.")


def _loopback_address(host: str, port: int) -> str:
    """The address to bind.

    Raises:
        InvalidSetting: If the host is unknown, any address of it is not a loopback one, or the port is none.
    """
    if not 0 <= port <= _HIGHEST_PORT:
        message = f"port is {port}; it must be 0 to {_HIGHEST_PORT}."
        raise InvalidSetting(message, next_step="Leave out --port, or pass 0 for any free one.")
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        message = f"host is {host!r}, which is not known here: {error}."
        raise InvalidSetting(message, next_step="Use 127.0.0.1, ::1 or localhost.") from error
    addresses = [str(entry[4][0]) for entry in found]
    others = [address for address in addresses if not ip_address(address).is_loopback]
    if others:
        message = (
            f"host is {host!r} ({others[0]}), which other machines may reach. The server has no "
            "authentication yet: whoever reaches it spends your money and sees your images."
        )
        raise InvalidSetting(
            message, next_step="Use 127.0.0.1, ::1 or localhost; from elsewhere, come through an SSH tunnel."
        )
    return addresses[0]


def _listen(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        return socket.create_server((address, port), family=family)
    except OSError as error:
        # Python adds the address, with its own words and quotes, to the reason that it gives.
        reason = os.strerror(error.errno) if error.errno else str(error)
        message = f"Port {port} of {address} cannot be listened on: {reason}."
        raise InvalidArgument(
            message,
            next_step="Stop the program that has it, or pass another --port; 0 picks a free one.",
            retryable=True,
        ) from error


def _url(listener: socket.socket, path: str) -> str:
    address, port = listener.getsockname()[:2]
    return f"http://{f'[{address}]' if ':' in address else address}:{port}{path}"
