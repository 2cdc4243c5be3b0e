"""Streamable HTTP: the same server for several clients at once, and ``/health``.

Where it may listen is decided in ``listening.py``, what requests may say in ``http_middleware.py``, and which
local files a call may name in ``lifespan.py``.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import re
import signal
import socket
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import uvicorn
from anyio import ClosedResourceError
from fastmcp import Context
from starlette.exceptions import HTTPException

from gpt_image_mcp.errors import InvalidArgument, InvalidSetting
from gpt_image_mcp.mcp_app.health import HEALTH_PATH, READY_PATH, note_leaving
from gpt_image_mcp.mcp_app.http_connections import HEAD_SECONDS, BoundedConnection, connection_options
from gpt_image_mcp.mcp_app.http_middleware import is_waited_for
from gpt_image_mcp.mcp_app.lifespan import studios_of
from gpt_image_mcp.mcp_app.listening import address_to_bind, transport_options
from gpt_image_mcp.mcp_app.metrics import METRICS_PATH
from gpt_image_mcp.mcp_app.serve import (
    announce,
    keep_what_is_loaded,
    logging_as_set,
    traced_as_set,
)
from gpt_image_mcp.settings import read_settings
from gpt_image_mcp.signals import Ending, ending_signals, leave_within

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import FrameType

    from fastmcp import FastMCP
    from starlette.types import ASGIApp, Receive, Scope, Send

    _Errors: TypeAlias = tuple[type[BaseException], ...]

# Nothing that a URL would have to escape, that clients resolve themselves (a name of dots only), or that
# Starlette takes for a parameter.
_PATH = re.compile(r"(?:/(?!\.+(?:/|$))[A-Za-z0-9._~-]+)+")
_TAKEN_PATHS = (HEALTH_PATH, READY_PATH, METRICS_PATH)
_CLOSING_SECONDS = 2
# A balancer asks more often whether the server is ready.
_WATCHED_SECONDS = 5
# For answers to those who waited until the grace period was over.
_ANSWERING_SECONDS = 3
_NO_LINKS = (
    "Download and upload links are off: set GPT_IMAGE_LINK_KEY, the same for all replicas "
    "(openssl rand -hex 32)."
)
# What the SDK logs with a traceback though a client did it: it ended its session before the answer, or began
# a sign-in with a form or an address that is none.
_LOGGED_IN_VAIN: Sequence[tuple[str, _Errors]] = (
    ("mcp.server.streamable_http", (ClosedResourceError,)),
    ("mcp.server.auth.handlers.authorize", (HTTPException, ValueError)),
)
# Some clients list the tools when a result has come, to check it; without the list they drop the result.
_QUIET_SECONDS = 0.5


def serve_http(mcp: FastMCP, *, host: str, port: int, path: str) -> int:
    """Serves MCP over Streamable HTTP until a signal ends it; returns the exit code.

    Args:
        mcp: The server, with its tools.
        host: The address to listen on, or a name of it; beyond this machine only where people sign in.
        port: 0 picks a free one; the address is written to stderr.
        path: Where MCP is, such as ``/mcp``; ``/health`` is beside it.

    Raises:
        InvalidSetting: If the environment or an argument is malformed, or the address is not allowed.
        InvalidArgument: If it cannot be listened on.
        UpstreamUnavailable: If people sign in through a provider that does not answer.
    """
    settings = read_settings()
    _check_path(path)
    address, options = address_to_bind(host, port, settings), transport_options(settings)
    app = mcp.http_app(path=path)
    listener = listen(address, port)
    server = WebServer(
        app,
        grace_seconds=settings.shutdown_grace_seconds,
        release=lambda: studios_of(Context(mcp)).release(),
        **options,
    )
    # uvicorn does the same, but a moment later.
    for number in ending_signals():
        signal.signal(number, server.handle_exit)
    keep_what_is_loaded()
    for name, errors in () if settings.debug else _LOGGED_IN_VAIN:
        logging.getLogger(name).addFilter(_tells_more_than(errors))
    scheme = "https" if settings.tls_cert else "http"
    with logging_as_set(settings), traced_as_set(settings):
        announce(f"gpt-image-mcp serves MCP at {scheme}://{_place(listener)}{path}, until Ctrl-C.", settings)
        if settings.is_served and not settings.link_key:
            announce(_NO_LINKS, settings)
        server.run([listener])
    return 0


def _tells_more_than(errors: _Errors) -> Callable[[logging.LogRecord], bool]:
    """Whether a line of the log tells of more than such errors, alone or in groups."""

    def is_such(error: BaseException) -> bool:
        if isinstance(error, BaseExceptionGroup):
            return all(map(is_such, cast("BaseExceptionGroup[BaseException]", error).exceptions))
        return isinstance(error, errors)

    def tells_more(record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        return error is None or not is_such(error)

    return tells_more


class WebServer(uvicorn.Server):
    """A web server that ends on a signal, after the requests that clients wait for, with exit code 0.

    uvicorn by itself ends event streams at once, and with them the answers to calls that are being drawn,
    and then dies of the signal. Here the first signal ends it when no client waits any more, or when the
    grace period is over, and at once if a person insists.

    Args:
        app: The application to serve.
        grace_seconds: How long requests may still take after the first signal.
        release: Has those go that still wait then, each with an answer that says how to go on.
        transport_options: Further options of ``uvicorn.Config``.
    """

    def __init__(
        self, app: ASGIApp, *, grace_seconds: float, release: Callable[[], None], **transport_options: Any
    ) -> None:
        config = uvicorn.Config(
            self._answer,
            interface="asgi3",
            log_config=None,
            access_log=False,
            lifespan="on",
            **connection_options(),
            **transport_options,
            timeout_graceful_shutdown=_CLOSING_SECONDS,
        )
        super().__init__(config)
        self._app = app
        self._grace_seconds = grace_seconds
        self._release = release
        self._waiting = 0
        self._quiet_since = 0.0
        self._ending = Ending(self._begin_to_leave, self._leave)
        self._left_at: float | None = None  # the first signal
        self._asked_at = -math.inf  # whether it is ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listens as uvicorn does, but that a TLS handshake has as long as a head; asyncio gives a minute."""
        await super().startup(sockets=[])
        loop, tls = asyncio.get_running_loop(), self.config.ssl
        for listener in sockets or ():
            listening = loop.create_server(
                self._connection,
                sock=listener,
                backlog=self.config.backlog,
                ssl=tls,
                ssl_handshake_timeout=HEAD_SECONDS if tls else None,
            )
            self.servers.append(await listening)

    def _connection(self) -> BoundedConnection:
        return BoundedConnection(self.config, self.server_state, self.lifespan.state)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Handles a signal to end."""
        self._ending(sig, frame)

    def _begin_to_leave(self) -> None:
        self._left_at = monotonic()
        # Those that clients wait for come first.
        leave_within(2 * self._grace_seconds + _ANSWERING_SECONDS)

    def _leave(self) -> None:
        self.should_exit = True

    async def on_tick(self, counter: int) -> bool:
        """Whether to leave now; uvicorn asks ten times a second."""
        if self._left_at is not None:
            overtime_seconds = monotonic() - self._left_at - self._grace_seconds
            if overtime_seconds >= 0:
                self._release()
            is_done = self._is_quiet() and self._is_known_to_leave(self._left_at)
            if is_done or overtime_seconds >= _ANSWERING_SECONDS:
                self.should_exit = True
        return await super().on_tick(counter)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request and counts it while a client waits; an ASGI application."""
        if self._left_at is not None:
            note_leaving(scope)
        if scope.get("path") == READY_PATH:
            self._asked_at = monotonic()
        if not is_waited_for(scope):
            await self._app(scope, receive, send)
            return
        self._waiting += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._waiting -= 1
            self._quiet_since = monotonic()

    def _is_known_to_leave(self, left_at: float) -> bool:
        """Whether a balancer that watches has heard of it, so that it sends nothing to a door that closes."""
        is_watched = left_at - _WATCHED_SECONDS < self._asked_at < left_at
        return not is_watched or monotonic() > left_at + _WATCHED_SECONDS

    def _is_quiet(self) -> bool:
        return not self._waiting and monotonic() >= self._quiet_since + _QUIET_SECONDS


def _check_path(path: str) -> None:
    if not _PATH.fullmatch(path) or path in _TAKEN_PATHS:
        message = (
            f"path is {path!r}; it must be names of letters, digits and . _ ~ - with a slash before each, "
            f"other than {', '.join(_TAKEN_PATHS)}."
        )
        raise InvalidSetting(message, next_step="Leave out --path, or pass one such as /mcp.")


def listen(address: str, port: int) -> socket.socket:
    """A socket that listens.

    Raises:
        InvalidArgument: If the address cannot be listened on.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        listener = socket.create_server((address, port), family=family)
    except OSError as error:
        # Python adds the address, with its own words and quotes, to the reason that it gives.
        reason = os.strerror(error.errno) if error.errno else str(error)
        message = f"Port {port} of {address} cannot be listened on: {reason}."
        raise InvalidArgument(
            message,
            next_step="Stop the program that has it, or pass another --port; 0 picks a free one.",
            retryable=True,
        ) from error
    # Connections inherit it. asyncio sets it on none that a ready-made listener accepts, and then the second
    # half of each answer waits 40 ms for the client's acknowledgement of the first.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _place(listener: socket.socket) -> str:
    address, port = listener.getsockname()[:2]
    return f"{f'[{address}]' if ':' in address else address}:{port}"
