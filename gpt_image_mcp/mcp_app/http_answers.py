"""How answers leave over HTTP: large ones wait on disk, and not in memory, for clients that read slowly."""

from __future__ import annotations

import asyncio
import gc
from contextlib import ExitStack, nullcontext
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING

from gpt_image_mcp.mcp_app.http_middleware import is_waited_for
from gpt_image_mcp.mcp_app.outgoing import one_line_events
from gpt_image_mcp.mcp_app.signed_addresses import EXPORTS, IMAGES
from gpt_image_mcp.threads import in_thread

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_PIECE_BYTES, _COLLECTED_BYTES = 1 << 16, 1 << 20
_FILES_AT_ONCE = 4


class AnswersOnDisk:
    """Lets the application end, and forget its answer, before a client has read it; an ASGI middleware.

    Args:
        app: The application behind it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._files = asyncio.Semaphore(_FILES_AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hands a request on, and its answer back."""
        is_for_file = scope["type"] == "http" and scope["path"].startswith((IMAGES, EXPORTS))
        if not is_for_file and not is_waited_for(scope):  # an event stream goes on, and says little
            await self._app(scope, receive, one_line_events(send))
            return
        with ExitStack() as files:
            answer = _Answer(send, files)
            async with self._files if is_for_file else nullcontext():
                await self._app(scope, receive, one_line_events(answer.send))
            await answer.deliver()


class _Answer:
    """An answer whose large parts, and what comes behind them, are in a file until it is delivered."""

    def __init__(self, send: Send, files: ExitStack) -> None:
        self._send = send
        self._files = files
        self._file: IO[bytes] | None = None
        self._kept_bytes = 0
        self._has_more = True

    async def send(self, message: Message) -> None:
        """Sends a small part at once, and keeps a large one; on a full disk it waits for the client."""
        body = message.get("body", b"")
        if self._file is None and len(body) <= _PIECE_BYTES:
            await self._send(message)
            return
        try:
            await in_thread(self._keep, body)
        except OSError:
            await self.deliver()
            await self._send(message)
        else:
            self._has_more = message.get("more_body", False)

    async def deliver(self) -> None:
        """Sends what was kept, as fast as the client reads it."""
        if self._file is None:
            return
        if self._kept_bytes > _COLLECTED_BYTES:
            # What is left of it may lie in circles, which are collected by number, not by size.
            await in_thread(gc.collect)
        self._file.seek(0)
        while self._kept_bytes:
            piece = self._file.read(min(_PIECE_BYTES, self._kept_bytes))
            self._kept_bytes -= len(piece)
            more = self._has_more or bool(self._kept_bytes)
            await self._send({"type": "http.response.body", "body": piece, "more_body": more})
        self._file = None

    def _keep(self, body: bytes) -> None:
        if self._file is None:
            self._file = self._files.enter_context(TemporaryFile(buffering=0))  # noqa: SIM115 - it is
        rest = memoryview(body)
        while rest:
            rest = rest[self._file.write(rest) :]
        self._kept_bytes += len(body)
