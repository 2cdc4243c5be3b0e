"""A scripted web server on this machine, and a pretended internet that leads to it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping

    import pytest

    Script: TypeAlias = bytes | Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Web:
    """A running server.

    Attributes:
        port: Where it listens on 127.0.0.1.
        heads: Request line and headers of each request.
    """

    port: int = 0
    heads: list[str] = field(default_factory=list[str])

    def url(self, path: str = "/") -> str:
        """The address of a path."""
        return f"http://127.0.0.1:{self.port}{path}"


def answer(body: bytes = b"", *, status: str = "200 OK", length: int | None = None, **headers: str) -> bytes:
    """A whole answer; ``length`` is what its header claims, and the names of further headers take ``_``."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode() + body


def redirect(to: str) -> bytes:
    """An answer that leads on to another address."""
    return answer(status="302 Found", Location=to)


@contextlib.asynccontextmanager
async def serve(pages: Mapping[str, Script]) -> AsyncGenerator[Web]:
    """Serves an answer for each path: bytes as they are, or what a function writes."""
    web = Web()
    handlers: set[asyncio.Task[None]] = set()

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        web.heads.append(head)
        script = pages[head.split(" ")[1]]
        if isinstance(script, bytes):
            writer.write(script)
        else:
            await script(writer)
        await writer.drain()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                await respond(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handlers.add(asyncio.create_task(handle(reader, writer)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    web.port = server.sockets[0].getsockname()[1]
    try:
        yield web
    finally:
        server.close()
        for task in handlers:
            task.cancel()
        await asyncio.gather(*handlers, return_exceptions=True)


@dataclass
class Internet:
    """What was looked up and connected to in a pretended internet.

    Attributes:
        lookups: The names, in order.
        connections: The addresses, in order.
    """

    lookups: list[str] = field(default_factory=list[str])
    connections: list[str] = field(default_factory=list[str])


def pretend(
    monkeypatch: pytest.MonkeyPatch, names: Mapping[str, list[list[str]]], hosts: Mapping[str, int]
) -> Internet:
    """Scripts the resolver and the cables of the test's machine.

    Args:
        monkeypatch: Takes it all back.
        names: For each host name its addresses at the first, second, … look-up; the last answer stays.
        hosts: The port on 127.0.0.1 that stands for each address; the others are out of reach.
    """
    internet = Internet()
    look_up, connect = socket.getaddrinfo, socket.socket.connect

    def getaddrinfo(host: str | bytes, port: int, *args: Any, **kwargs: Any) -> list[Any]:
        host = host.decode() if isinstance(host, bytes) else host  # as anyio passes it
        answers = names.get(host)
        if answers is None:
            return list(look_up(host, port, *args, **kwargs))
        found = answers[min(internet.lookups.count(host), len(answers) - 1)]
        internet.lookups.append(host)
        return [entry for address in found for entry in look_up(address, port, *args, **kwargs)]

    def connected(self: socket.socket, address: Any) -> None:
        internet.connections.append(str(address[0]))
        if address[0] not in hosts:
            raise ConnectionRefusedError(111, "out of reach in this test")
        connect(self, ("127.0.0.1", hosts[address[0]]))

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(socket.socket, "connect", connected)
    return internet
