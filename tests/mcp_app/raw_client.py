"""The server as a process, and a client that writes and reads bytes, valid or not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Generator

PATIENCE_SECONDS = 50


def initialize(version: str = "2025-06-18") -> str:
    """The request that opens a session, with the id 0."""
    params = {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    return json.dumps({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params})


def ping(request: object) -> str:
    """A request that is answered at once."""
    return json.dumps({"jsonrpc": "2.0", "id": request, "method": "ping"})


def call(request: object, tool: str = "estimate_cost", **arguments: Any) -> str:
    """A tool call."""
    params = {"name": tool, "arguments": arguments}
    return json.dumps({"jsonrpc": "2.0", "id": request, "method": "tools/call", "params": params})


class RawClient:
    """A client of a server process."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process

    def send(self, *lines: str | bytes) -> None:
        """Writes lines, without waiting for any answer."""
        assert self.process.stdin is not None
        for line in lines:
            self.process.stdin.write((line.encode() if isinstance(line, str) else line) + b"\n")
        self.process.stdin.flush()

    def next(self) -> Any:
        """The next line, which has to be JSON in UTF-8."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.endswith(b"\n"), line
        return json.loads(line.decode())

    def ask(self, line: str | bytes) -> Any:
        """The next line that comes back for a line."""
        self.send(line)
        return self.next()

    def leave(self) -> int:
        """Closes the input; gives the exit code of the server."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.process.wait(PATIENCE_SECONDS)


@contextmanager
def raw_client(
    *, version: str = "2025-06-18", mark: str = "", stderr: int | None = None, code: str = "", **settings: str
) -> Generator[RawClient]:
    """A client of a server in the sandbox, with its session open.

    Args:
        version: The protocol.
        mark: What stands before the first line.
        stderr: Where the server's goes.
        code: What to run before the server starts, in its process.
        settings: Variables of its environment.
    """
    main = (
        f"{code}\nimport sys; sys.argv = ['gpt-image-mcp']\nfrom gpt_image_mcp.__main__ import main; main()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", main],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        env={**os.environ, "GPT_IMAGE_SANDBOX": "1", **settings},
    ) as process:
        client = RawClient(process)
        try:
            client.send(mark + initialize(version))
            assert client.next()["result"]["protocolVersion"] == version
            yield client
        finally:
            process.kill()
