"""The server as a process that can be killed, and a client of a few lines that does not care."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import signal
    from collections.abc import AsyncGenerator

INITIALIZE = {
    "capabilities": {},
    "clientInfo": {"name": "test", "version": "1"},
}
_LARGEST_LINE_BYTES = 2**22
_PATIENCE_SECONDS = 30


class Upstream(Protocol):
    """Whatever stands in for the API."""

    @property
    def base_url(self) -> str:
        """What ``OPENAI_BASE_URL`` takes."""
        ...


class Nowhere:
    """In place of the API, for a server that runs in the sandbox."""

    base_url = "http://127.0.0.1:9/v1"


class Server:
    """A running server process.

    Attributes:
        lines: What it has written so far, as far as answers were waited for.
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._id = 0
        self.lines: list[bytes] = []

    @property
    def peak_mb(self) -> float:
        """The most memory that the process ever had, on Linux."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) / 1000

    async def send(self, method: str, params: dict[str, Any]) -> int:
        """Sends a request without waiting for its answer; gives its id."""
        self._id += 1
        line = json.dumps({"jsonrpc": "2.0", "id": self._id, "method": method, "params": params})
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")
        await self._process.stdin.drain()
        return self._id

    async def start(self, tool: str, **arguments: Any) -> int:
        """Sends a tool call without waiting for its answer; gives its id."""
        return await self.send("tools/call", {"name": tool, "arguments": arguments})

    async def answer(self, sent: int) -> dict[str, Any]:
        """The result of a request."""
        return dict((await self.message(sent))["result"])

    async def message(self, sent: int) -> dict[str, Any]:
        """The message that answers a request, be it a result or an error."""
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while True:
                message = await self.next_message()
                if message.get("id") == sent:
                    return message

    async def next_message(self) -> dict[str, Any]:
        """The next message, whatever it answers.

        Raises:
            EOFError: If there is none any more.
        """
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            raise EOFError
        self.lines.append(line)
        return dict(json.loads(line))

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The structured content of a tool call that goes well."""
        result = await self.answer(await self.start(tool, **arguments))
        assert "structuredContent" in result, result["content"]
        return dict(result["structuredContent"])

    async def failing_call(self, tool: str, **arguments: Any) -> str:
        """The text of a tool call that fails."""
        result = await self.answer(await self.start(tool, **arguments))
        assert result["isError"], result
        return str(result["content"][0]["text"])

    def tell(self, number: signal.Signals) -> None:
        """Sends a signal and does not wait."""
        self._process.send_signal(number)

    async def kill(self) -> None:
        """Ends the process at once."""
        self._process.kill()
        await self._process.wait()

    async def end(self, number: signal.Signals | None = None) -> int:
        """Closes stdin, or sends a signal, and waits; gives the exit code."""
        if number is not None:
            self._process.send_signal(number)
        elif self._process.stdin is not None:
            self._process.stdin.close()
        async with asyncio.timeout(_PATIENCE_SECONDS):
            return await self._process.wait()

    @property
    def is_running(self) -> bool:
        """Whether the process is still there."""
        return self._process.returncode is None


def environment_of(upstream: Upstream, **settings: str) -> dict[str, str]:
    """The environment of a process whose requests go to a stand-in."""
    return {**os.environ, "OPENAI_API_KEY": "sk-test", "OPENAI_BASE_URL": upstream.base_url, **settings}


@contextlib.asynccontextmanager
async def serve_process(
    upstream: Upstream, *, protocol_version: str = "2025-06-18", **settings: str
) -> AsyncGenerator[Server]:
    """A server whose requests go to a stand-in; killed at the end if it still runs."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gpt_image_mcp"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=environment_of(upstream, **settings),
        limit=_LARGEST_LINE_BYTES,
    )
    server = Server(process)
    try:
        await server.answer(
            await server.send("initialize", {**INITIALIZE, "protocolVersion": protocol_version})
        )
        yield server
    finally:
        if server.is_running:
            await server.kill()
