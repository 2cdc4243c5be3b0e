"""Caddy with the Caddyfile of ``deploy/``, before real replicas."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx2
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from tests.docs.pages import ROOT
from tests.mcp_app.http_servers import START_SECONDS
from tests.programs import required

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

    from tests.mcp_app.http_servers import Served


@contextmanager
def caddy(folder: Path, served: Sequence[Served]) -> Generator[str]:
    """Balances over servers; gives the address without a path.

    Args:
        folder: Gets what Caddy keeps.
        served: The replicas.
    """
    program = required(shutil.which("caddy"), "Caddy")
    # Its own interface for administrators has a port of its own, which may be taken.
    config = folder / "Caddyfile"
    config.write_text("{\n\tadmin off\n}\n" + (ROOT / "deploy" / "Caddyfile").read_text())
    address = f"http://127.0.0.1:{free_port()}"
    replicas = " ".join(one.root.removeprefix("http://") for one in served)
    variables = {"PUBLIC_ADDRESS": address, "REPLICAS": replicas, "HOME": str(folder)}
    command = [program, "run", "--config", str(config), "--adapter", "caddyfile"]
    with subprocess.Popen(command, env={**os.environ, **variables}, stderr=subprocess.DEVNULL) as process:
        try:
            _wait_for(address)
            yield address
        finally:
            process.terminate()


@retry(
    retry=retry_if_exception_type(httpx2.HTTPError),
    stop=stop_after_delay(START_SECONDS),
    wait=wait_fixed(0.1),
    reraise=True,
)
def _wait_for(address: str) -> None:
    httpx2.get(address)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port
