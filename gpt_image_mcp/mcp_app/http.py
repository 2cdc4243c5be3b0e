"""Streamable HTTP on this machine: the same server for several clients at once, and ``/health``.

There is no authentication yet, so only loopback addresses are served, and requests whose ``Host`` or
``Origin`` is another site's are refused. Which local files a call may name is decided in ``lifespan.py``.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import sys
from contextlib import asynccontextmanager
from ipaddress import ip_address
from time import monotonic
from typing import TYPE_CHECKING, Any

import uvicorn
from fastmcp.server.http import StreamableHTTPASGIApp
from fastmcp.utilities.logging import temporary_log_level
from starlette.applications import Starlette
from starlette.routing import Mount, Route

from gpt_image_mcp.errors import InvalidArgument, InvalidSetting
from gpt_image_mcp.mcp_app.health import HEALTH_PATH
from gpt_image_mcp.mcp_app.serve import keep_what_is_loaded, log_level
from gpt_image_mcp.settings import read_settings

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from types import FrameType

    from fastmcp import FastMCP
    from starlette.types import ASGIApp, Receive, Scope, Send

# Sixteen inputs as data URLs; the libraries stop at 4 MiB, which one photo can exceed.
MAX_BODY_BYTES = 75_000_000
# Nothing that a URL would have to escape, that clients resolve themselves (a name of dots only), or that
# Starlette takes for a parameter.
_PATH = re.compile(r"(?:/(?!\.+(?:/|$))[A-Za-z0-9._~-]+)+")
_HIGHEST_PORT = 65_535
_CLOSING_SECONDS = 2
# Some clients list the tools when a result has come, to check it; without the list they drop the result.
_QUIET_SECONDS = 0.5
_SECONDS_BETWEEN_LOOKS = 0.05
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def serve_http(mcp: FastMCP, *, host: str, port: int, path: str) -> int:
    """Serves MCP over Streamable HTTP until a signal ends it; returns the exit code.

    Args:
        mcp: The server, with its tools.
        host: A loopback address, or a name of one.
        port: 0 picks a free one; the address is written to stderr.
        path: Where MCP is, such as ``/mcp``; ``/health`` is beside it.

    Raises:
        InvalidSetting: If the environment or an argument is malformed, or the address is not a loopback one.
        InvalidArgument: If the address cannot be listened on.
    """
    settings = read_settings()
    _check_path(path)
    listener = _listen(_loopback_address(host, port), port)
    server = WebServer(make_app(mcp, path), grace_seconds=settings.shutdown_grace_seconds)
    keep_what_is_loaded()
    sys.stderr.write(f"gpt-image-mcp serves MCP at {_url(listener, path)}, until Ctrl-C.\n")
    sys.stderr.flush()
    with temporary_log_level(log_level(debug=settings.debug)):
        server.run(listener)
    return 0


def make_app(mcp: FastMCP, path: str) -> Starlette:
    """The web application: MCP at ``path``, and what else the server has beside it."""
    # The lists are given so that no variable of FastMCP's own can add to them.
    app = mcp.http_app(path=path, host_origin_protection=True, allowed_hosts=[], allowed_origins=[])

    @asynccontextmanager
    async def lifespan(_outer: Starlette) -> AsyncGenerator[None]:
        async with app.lifespan(app):
            _allow_large_bodies(app)
            yield

    return Starlette(routes=[Mount("/", app=app)], lifespan=lifespan)


class WebServer:
    """A web server that ends on a signal, after the requests that clients wait for, with exit code 0.

    uvicorn by itself ends event streams at once, and with them the answers to calls that are being drawn,
    and then dies of the signal. Here its signal handlers are called later: when no client waits any more, or
    when the grace period is over, or at a second signal.

    Args:
        app: The application to serve.
        grace_seconds: How long requests may still take after the first signal.
    """

    def __init__(self, app: ASGIApp, *, grace_seconds: float) -> None:
        self._app = app
        self._grace_seconds = grace_seconds
        self._waiting = 0
        self._quiet_since = 0.0
        self._leaving: asyncio.Task[None] | None = None
        self._uvicorn_handlers: dict[int, Any] = {}

    def run(self, listener: socket.socket) -> None:
        """Serves until a signal ends it."""
        config = uvicorn.Config(
            self,
            log_config=None,
            access_log=False,
            lifespan="on",
            ws="none",
            timeout_graceful_shutdown=_CLOSING_SECONDS,
        )
        for number in _SIGNALS:
            signal.signal(number, self._on_signal_outside)
        uvicorn.Server(config).run(sockets=[listener])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request and counts it while a client waits; an ASGI application."""
        if scope["type"] == "lifespan":
            self._take_signals(asyncio.get_running_loop())
        if not _is_waited_for(scope):
            await self._app(scope, receive, send)
            return
        self._waiting += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._waiting -= 1
            self._quiet_since = monotonic()

    def _on_signal_outside(self, _number: int, _frame: FrameType | None) -> None:
        """Ends the process before the application starts; uvicorn raises the signal again after it ended."""
        if not self._uvicorn_handlers:
            sys.exit()

    def _take_signals(self, loop: asyncio.AbstractEventLoop) -> None:
        """Handles signals in place of uvicorn, which has done so since before the application started."""

        def on_signal(number: int, _frame: FrameType | None) -> None:
            loop.call_soon_threadsafe(self._leave, number)

        for number in _SIGNALS:
            self._uvicorn_handlers[number] = signal.signal(number, on_signal)

    def _leave(self, number: int) -> None:
        """Begins to leave at the first signal, and leaves at the second."""
        if self._leaving is None:
            self._leaving = asyncio.create_task(self._leave_when_quiet(number))
        else:
            self._uvicorn_handlers[number](number, None)

    async def _leave_when_quiet(self, number: int) -> None:
        leave_by = monotonic() + self._grace_seconds
        while monotonic() < leave_by and not self._is_quiet():  # noqa: ASYNC110 - quiet is a span of time
            await asyncio.sleep(_SECONDS_BETWEEN_LOOKS)
        self._uvicorn_handlers[number](number, None)

    def _is_quiet(self) -> bool:
        return not self._waiting and monotonic() >= self._quiet_since + _QUIET_SECONDS


def _is_waited_for(scope: Scope) -> bool:
    """Whether it is a request that ends by itself: event streams that only listen do not."""
    if scope["type"] != "http":
        return False
    is_listening = (b"mcp-method", b"subscriptions/listen") in scope["headers"]
    return scope["method"] == "POST" and not is_listening


def _allow_large_bodies(app: Starlette) -> None:
    """Raises the limit on the body of a request.

    The session manager of the SDK takes the limit as an argument, but FastMCP, which makes the manager when
    the application starts, does not. Without this a photo of more than 3 MB, which is more than 4 MiB as a
    data URL, is answered with 413. ``test_upstream.py`` fails if the way to the limit changes.
    """
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
