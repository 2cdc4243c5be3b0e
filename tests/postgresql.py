"""A PostgreSQL server on loopback that lives as long as the tests which need it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tenacity import retry, stop_after_delay, wait_fixed

if TYPE_CHECKING:
    from collections.abc import Generator

_DEBIAN = Path("/usr/lib/postgresql")
# PostgreSQL refuses to run as root.
_UNPRIVILEGED: dict[str, Any] = {"user": "nobody", "extra_groups": []} if os.geteuid() == 0 else {}
_QUICK = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


def find_postgresql() -> Path | None:
    """The folder of the programs of a PostgreSQL server on this machine."""
    on_path = shutil.which("initdb")
    folders = [Path(on_path).resolve().parent] if on_path else []
    folders += sorted(_DEBIAN.glob("*/bin"), reverse=True)
    return next((folder for folder in folders if (folder / "postgres").is_file()), None)


@contextlib.contextmanager
def postgresql(programs: Path) -> Generator[str]:
    """A server with an empty database; gives the address of its databases, without a name at the end."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        data = Path(folder) / "data"
        if _UNPRIVILEGED:
            shutil.chown(folder, _UNPRIVILEGED["user"])
        initialise = [f"{programs}/initdb", "--no-sync", "--auth=trust", "--username=tests", f"{data}"]
        subprocess.run(initialise, check=True, stdout=subprocess.DEVNULL, cwd=folder, **_UNPRIVILEGED)
        port = _free_port()
        options = [f"port={port}", "listen_addresses=127.0.0.1", f"unix_socket_directories={folder}", *_QUICK]
        server = subprocess.Popen(
            [programs / "postgres", "-D", data, *(part for option in options for part in ("-c", option))],
            stderr=subprocess.DEVNULL,
            cwd=folder,
            **_UNPRIVILEGED,
        )
        try:
            address = f"postgresql://tests@127.0.0.1:{port}"
            _wait_for(address)
            yield address
        finally:
            _stop(server)


def _stop(server: subprocess.Popen[Any]) -> None:
    """Ends a server without waiting for those who are connected."""
    server.send_signal(signal.SIGINT)
    try:
        server.wait(timeout=20)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def make_database(address: str, name: str) -> str:
    """A new database of a server; gives its address."""
    import psycopg
    from psycopg.sql import SQL, Identifier

    with psycopg.connect(f"{address}/postgres", autocommit=True) as connection:
        connection.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
    return f"{address}/{name}"


@retry(stop=stop_after_delay(20), wait=wait_fixed(0.1), reraise=True)
def _wait_for(address: str) -> None:
    import psycopg

    psycopg.connect(f"{address}/postgres").close()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
