"""Bounds that uvicorn has not: on the number of connections, and on how long a client may do nothing."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar
from weakref import WeakKeyDictionary

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from gpt_image_mcp.open_files import allow_open_files
from gpt_image_mcp.settings import read_settings

if TYPE_CHECKING:
    from uvicorn import Config

HEAD_SECONDS, _STALL_SECONDS, _SECONDS_BETWEEN_LOOKS = 10, 30, 1
_PROGRESS_BYTES = 1 << 15  # a body that grows by less in the time of a stall stands still
_MOST_LINES_AT_ONCE = 4096  # each chunk takes the loop 20 µs, and 256 KiB come at once
_FULL = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


def connection_options() -> dict[str, Any]:
    """Options of ``uvicorn.Config`` that set the bounds; lets the process open files beside connections."""
    most = read_settings().http_max_connections
    allow_open_files(2 * most + 512)
    return {"http": BoundedConnection, "ws": "none", "limit_concurrency": most}


class BoundedConnection(H11Protocol):
    """A connection that ends when its client owes a head for 10 s, or a body or reading for 30 s."""

    # When each was accepted whose TLS handshake has not ended well; nobody is told of one that failed.
    _accepted: ClassVar[WeakKeyDictionary[BoundedConnection, float]] = WeakKeyDictionary()

    def __init__(self, config: Config, *args: Any, **options: Any) -> None:
        """Begins a connection that was accepted; asyncio drops it if this fails.

        Raises:
            ConnectionRefusedError: If as many have not finished their TLS handshake as may be connected.
        """
        super().__init__(config, *args, **options)
        self._resumed = 0
        if config.is_ssl:
            now, most = self.loop.time(), config.limit_concurrency or 0
            if sum(now - since < HEAD_SECONDS for since in self._accepted.values()) >= most:
                raise ConnectionRefusedError
            self._accepted[self] = now

    def connection_made(self, transport: Any) -> None:
        """Takes or refuses a connection; uvicorn by itself would refuse requests of those that it took."""
        super().connection_made(transport)
        self._accepted.pop(self, None)
        most, self.limit_concurrency = self.limit_concurrency or 0, None
        self._received_bytes, self._since, self._owed = 0, 0.0, self._what_is_owed()
        if len(self.connections) > most:
            self.connections.discard(self)
            transport.write(_FULL)
            transport.close()
        self._look()

    def data_received(self, data: bytes) -> None:
        """Takes what came."""
        self._received_bytes += len(data)
        if data.count(b"\r\n") > _MOST_LINES_AT_ONCE and "chunked" in f"{self.headers}{data!r}".lower():
            self.transport.abort()
        else:
            super().data_received(data)

    def resume_writing(self) -> None:
        """Goes on writing, as the client has read."""
        self._resumed += 1
        super().resume_writing()

    def _look(self) -> None:
        # What is left of TLS then, asyncio ends after half a minute.
        if self not in self.connections or (self.scheme == "https" and self.transport.is_closing()):
            return
        owed, now = self._what_is_owed(), self.loop.time()
        if owed != self._owed or not self._since:
            self._owed, self._since = owed, now
        elif now - self._since >= owed[0]:
            self.transport.abort()
        self.loop.call_later(_SECONDS_BETWEEN_LOOKS, self._look)

    def _what_is_owed(self) -> tuple[float, object]:
        """How many seconds the client has, and what changes when it does what it should."""
        if unread := self.transport.get_write_buffer_size():
            return _STALL_SECONDS, (unread, self._resumed)
        if self.conn.their_state is h11.IDLE:
            return HEAD_SECONDS, self.cycle
        if self.conn.their_state is h11.SEND_BODY and not self.flow.read_paused:
            is_answered = self.conn.our_state is h11.DONE
            return _STALL_SECONDS, is_answered or self._received_bytes // _PROGRESS_BYTES
        return math.inf, None
