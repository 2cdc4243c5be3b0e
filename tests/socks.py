"""A SOCKS5 proxy on loopback that takes every connection to one port of this machine."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

_DOMAIN, _IPV4_BYTES, _PORT_BYTES = 3, 4, 2
_NO_LOGIN, _CONNECTED = b"\x05\x00", b"\x05\x00\x00\x01" + bytes(6)


@dataclass
class Socks:
    """A running proxy: its address, and the hosts that it was asked for."""

    target_port: int
    address: str = ""
    hosts: list[str] = field(default_factory=list[str])

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        await reader.readexactly((await reader.readexactly(2))[1])
        writer.write(_NO_LOGIN)
        kind = (await reader.readexactly(4))[3]
        length = (await reader.readexactly(1))[0] if kind == _DOMAIN else _IPV4_BYTES
        self.hosts.append((await reader.readexactly(length)).decode("latin-1"))
        await reader.readexactly(_PORT_BYTES)
        there, back = await asyncio.open_connection("127.0.0.1", self.target_port)
        writer.write(_CONNECTED)
        await asyncio.gather(_pump(reader, back), _pump(there, writer))


async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(65536):
            target.write(data)
            await target.drain()
    target.close()


@contextlib.asynccontextmanager
async def serve_socks(target_port: int) -> AsyncGenerator[Socks]:
    """A proxy for as long as the block runs."""
    proxy = Socks(target_port)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        server.close()
