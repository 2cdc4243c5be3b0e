"""HAProxy with the configuration of ``deploy/``, before real replicas."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx2
from tenacity import retry, stop_after_delay, wait_fixed

from tests.docs.pages import ROOT
from tests.mcp_app.http_servers import START_SECONDS
from tests.programs import required

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from tests.mcp_app.http_servers import Served


@contextmanager
def haproxy(served: Sequence[Served]) -> Generator[str]:
    """Balances over two or three servers; gives the address without a path."""
    program = required(shutil.which("haproxy"), "HAProxy")
    listen = f"127.0.0.1:{free_port()}"
    replicas = {
        f"REPLICA_{number}": one.root.removeprefix("http://") for number, one in enumerate(served, start=1)
    }
    command = [program, "-db", "-q", "-f", str(ROOT / "deploy" / "haproxy.cfg")]
    with subprocess.Popen(command, env={**os.environ, "LISTEN": listen, **replicas}) as process:
        try:
            _wait_for(f"http://{listen}")
            yield f"http://{listen}"
        finally:
            process.terminate()


@retry(stop=stop_after_delay(START_SECONDS), wait=wait_fixed(0.1), reraise=True)
def _wait_for(address: str) -> None:
    httpx2.get(address)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port
