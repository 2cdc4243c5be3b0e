"""The server over HTTP, as a process: started by our own command, and by FastMCP's."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal, cast

from fastmcp import Client

if TYPE_CHECKING:
    from collections.abc import Generator
    from contextlib import AbstractContextManager
    from pathlib import Path

START_SECONDS = 30
OURS = (sys.executable, "-m", "gpt_image_mcp", "serve", "--transport", "http", "--port", "0")
FASTMCP = (sys.executable, "-m", "fastmcp.cli")


@dataclass(frozen=True)
class Served:
    """A running server.

    Attributes:
        url: Where MCP is.
        folder: The project folder of the process.
    """

    process: subprocess.Popen[str]
    url: str
    folder: Path

    @property
    def root(self) -> str:
        """The address without the path."""
        return self.url.removesuffix("/mcp")

    def client(self, era: str = "auto") -> Client[Any]:
        """A client of this server, not yet connected."""
        return Client(self.url, mode=cast("Literal['auto', 'legacy']", era))


def serve(folder: Path, *arguments: str, **settings: str) -> AbstractContextManager[Served]:
    """Serves the sandbox from a folder, on a free port or that of the arguments; ends the process."""
    ours = OURS[:-2] if "--port" in arguments else OURS
    return serve_by((*ours, *arguments), folder, settings)


@contextmanager
def serve_by(program: tuple[str, ...], folder: Path, settings: dict[str, str]) -> Generator[Served]:
    """The same, by a program that says where it serves as ours does."""
    with _started(program, folder, settings) as process:
        assert process.stderr is not None
        said = ""
        while not (found := re.search(r"serves MCP at (https?://\S+),", said)):
            line = process.stderr.readline()
            assert line, said
            said += line
        yield Served(process, found[1], folder)


@contextmanager
def serve_by_fastmcp(folder: Path, **settings: str) -> Generator[Served]:
    """The same, by ``fastmcp run`` with our server file."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    arguments = (server_file(), "--no-banner", "--transport", "http", "--port", str(port))
    with _started((*FASTMCP, "run", *arguments), folder, settings) as process:
        assert process.stderr is not None
        said = ""
        while "Uvicorn running" not in said:
            line = process.stderr.readline()
            assert line, said
            said += line
        yield Served(process, f"http://127.0.0.1:{port}/mcp", folder)


def server_file() -> str:
    """Where ``server.py`` is."""
    spec = find_spec("gpt_image_mcp.server")
    assert spec is not None
    assert spec.origin is not None
    return spec.origin


@contextmanager
def _started(
    command: tuple[str, ...], folder: Path, settings: dict[str, str]
) -> Generator[subprocess.Popen[str]]:
    places = {"HOME": folder, "XDG_CONFIG_HOME": folder / "config", "XDG_DATA_HOME": folder / "data"}
    env = {**os.environ, **{name: str(path) for name, path in places.items()}, "GPT_IMAGE_SANDBOX": "1"}
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**env, **settings},
        cwd=folder,
    ) as process:
        try:
            yield process
        finally:
            process.kill()
