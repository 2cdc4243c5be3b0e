"""A PostgreSQL server on loopback that lives as long as the tests which need it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from dataclasses import dataclass
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


@dataclass
class PostgresqlServer:
    """A server with its data in a folder, on a free port.

    Attributes:
        address: Of its databases, without a name at the end.
    """

    programs: Path
    folder: Path

    def __post_init__(self) -> None:
        self._port = _free_port()
        self.address = f"postgresql://tests@127.0.0.1:{self._port}"
        if _UNPRIVILEGED:
            shutil.chown(self.folder, _UNPRIVILEGED["user"])
        initialise = ["initdb", "--no-sync", "--auth=trust", "--username=tests", f"{self._data}"]
        subprocess.run(
            [self.programs / initialise[0], *initialise[1:]],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=self.folder,
            **_UNPRIVILEGED,
        )

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def start(self) -> None:
        """Starts it and waits until it answers."""
        sockets = f"unix_socket_directories={self.folder}"
        options = [f"port={self._port}", "listen_addresses=127.0.0.1", sockets, *_QUICK]
        self._process = subprocess.Popen(
            [
                *(self.programs / "postgres", "-D", self._data),
                *(part for option in options for part in ("-c", option)),
            ],
            stderr=subprocess.DEVNULL,
            cwd=self.folder,
            **_UNPRIVILEGED,
        )
        _wait_for(self.address)

    def stop(self) -> None:
        """Ends it without waiting for those who are connected."""
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@contextlib.contextmanager
def postgresql(programs: Path) -> Generator[str]:
    """A server with an empty database; gives the address of its databases, without a name at the end."""
    with restartable_postgresql(programs) as server:
        yield server.address


@contextlib.contextmanager
def restartable_postgresql(programs: Path) -> Generator[PostgresqlServer]:
    """The same, as a server that can be stopped and started."""
    # The folder of a test is closed to the user of the server, and its path too long for a socket.
    with tempfile.TemporaryDirectory(dir="/tmp", ignore_cleanup_errors=True) as folder:
        server = PostgresqlServer(programs, Path(folder))
        try:
            server.start()
            yield server
        finally:
            server.stop()


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
