"""A small HTTP balancer for tests: in turn over the replicas that ``/ready`` names ready.

A request goes to another replica only if it was not sent: a replica that cannot be connected to. Once
anything was sent, a replica that dies takes the client's connection with it, because nobody else can know
whether the call was made.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Coroutine, Iterator, Sequence

    _Streams: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]

_SECONDS_BETWEEN_LOOKS = 0.1
_PATIENCE_SECONDS = 3.0
_CHUNK_BYTES = 1 << 16
_NOBODY = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
_LOOK = b"GET /ready HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"


@dataclass
class Replica:
    """A server behind the balancer.

    Attributes:
        is_ready: What it said when it was last asked.
        requests: How many it was sent.
    """

    host: str
    port: int
    is_ready: bool = False
    requests: int = 0


@dataclass
class Balancer:
    """A running balancer.

    Attributes:
        root: Its address, without a path.
        unsent: How many requests nobody was there for.
    """

    replicas: list[Replica]
    root: str = ""
    unsent: int = 0
    _turns: Iterator[int] = field(default_factory=itertools.count)
    _looked: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def url(self) -> str:
        """Where MCP is."""
        return f"{self.root}/mcp"

    async def ready(self, count: int) -> None:
        """Waits until so many replicas are ready."""
        async with self._looked:
            await self._looked.wait_for(lambda: sum(one.is_ready for one in self.replicas) == count)

    async def watch(self) -> None:
        """Asks all replicas again and again."""
        while True:
            await asyncio.gather(*map(self._look, self.replicas))
            async with self._looked:
                self._looked.notify_all()
            await asyncio.sleep(_SECONDS_BETWEEN_LOOKS)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carries one request to a replica, and its answer back."""
        upstream: asyncio.StreamWriter | None = None
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            found = await self._connect()
            if found is None:
                self.unsent += 1
                writer.write(_NOBODY)
                return
            source, upstream = found
            upstream.write(_forwarded(head, writer))
            await _until_one_ends(_pump(reader, upstream), _pump(source, writer))
        except (OSError, asyncio.IncompleteReadError):
            pass  # one of both is gone, and the other learns it by the closed connection
        finally:
            for open_writer in filter(None, (upstream, writer)):
                open_writer.close()

    async def _connect(self) -> _Streams | None:
        """A connection to the replica whose turn it is, or to the next that takes one."""
        ready = [replica for replica in self.replicas if replica.is_ready]
        start = next(self._turns)
        for offset in range(len(ready)):
            replica = ready[(start + offset) % len(ready)]
            try:
                streams = await asyncio.open_connection(replica.host, replica.port)
            except OSError:
                replica.is_ready = False
            else:
                replica.requests += 1
                return streams
        return None

    @staticmethod
    async def _look(replica: Replica) -> None:
        status = b""
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(_PATIENCE_SECONDS):
                reader, writer = await asyncio.open_connection(replica.host, replica.port)
                try:
                    writer.write(_LOOK)
                    status = await reader.readline()
                finally:
                    writer.close()
        replica.is_ready = b" 200 " in status


@asynccontextmanager
async def balancer(urls: Sequence[str]) -> AsyncGenerator[Balancer]:
    """A balancer on a free port of loopback.

    Args:
        urls: The replicas, with or without the path of MCP.
    """
    addresses = [url.removeprefix("http://").partition("/")[0].rpartition(":") for url in urls]
    running = Balancer([Replica(host, int(port)) for host, _, port in addresses])
    server = await asyncio.start_server(running.answer, "127.0.0.1", 0, backlog=1024)
    running.root = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    watching = asyncio.create_task(running.watch())
    try:
        yield running
    finally:
        watching.cancel()
        server.close()
        await asyncio.wait({watching})


def _forwarded(head: bytes, client: asyncio.StreamWriter) -> bytes:
    """The head of a request, which ends the connection after its answer and says who asked whom."""
    request, *lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    dropped = (b"connection:", b"x-forwarded-", b"forwarded:")
    lines = [line for line in lines if not line.lower().startswith(dropped)]
    who = f"X-Forwarded-For: {client.get_extra_info('peername')[0]}".encode()
    return b"\r\n".join([request, *lines, who, b"X-Forwarded-Proto: http", b"Connection: close", b"", b""])


async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while data := await source.read(_CHUNK_BYTES):
        target.write(data)
        await target.drain()


async def _until_one_ends(*ways: Coroutine[None, None, None]) -> None:
    """Runs both ways until one ends: the answer is whole, or the client is gone."""
    tasks = [asyncio.create_task(way) for way in ways]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
