"""SQLite: how the file of a library is opened, and what its driver says when it fails."""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from gpt_image_mcp.errors import DatabaseFailed, cut

if TYPE_CHECKING:
    from sqlalchemy import URL
    from sqlalchemy.pool import Pool

_BUSY_TIMEOUT_SECONDS = 10
OR_ANOTHER = "or set GPT_IMAGE_DATABASE_URL to another database."
_WRITE_AHEAD = "PRAGMA journal_mode=WAL"
# The cache is in KiB: what a search in a large library reads again and again fits into it.
_PRAGMAS = ("synchronous=NORMAL", "foreign_keys=ON", "cache_size=-8000")
_IN_MEMORY = (None, "", ":memory:")
# How a file is opened that others may write, and one that nobody writes: https://www.sqlite.org/uri.html.
_SHARED, _SEALED = {"uri": "true", "mode": "ro"}, {"uri": "true", "immutable": "1"}
# Files that SQLite keeps beside the database; worthless without it.
COMPANIONS, _JOURNAL = ("-wal", "-shm"), "-journal"


def sqlite_engine(address: URL) -> Engine:
    """An engine for a SQLite database, whose file is made if need be.

    Raises:
        DatabaseFailed: If a pipe lies where SQLite keeps a log or journal.
        OSError: If the file cannot be named or made.
    """
    path = _file_of(address)
    return _engine(address, path, mode=_mode_of(path) if path else {})


def sealed_engine(address: URL) -> Engine | None:
    """An engine for what a file holds that SQLite can make nothing beside, as on a full disk; None without.

    Nobody can write to it as long as that is so: each transaction opens it anew.

    Raises:
        OSError: If the file cannot be named or found.
    """
    path = _file_of(address)
    if path is None or not path.stat().st_size or _has_log(path):
        return None
    return _engine(address, path, mode=_SEALED, pool=NullPool)


def _file_of(address: URL) -> Path | None:
    if address.database in _IN_MEMORY or "uri" in address.query:
        return None
    try:
        path = Path(address.database).expanduser()
    except RuntimeError as error:  # ~name of nobody
        raise OSError(str(error).rstrip(".")) from error
    if not path.name:
        raise IsADirectoryError(errno.EISDIR, "it is a folder", str(path))
    return path


def _engine(
    address: URL, path: Path | None, *, mode: dict[str, str], pool: type[Pool] | None = None
) -> Engine:
    """An engine for a file, which is opened for reading only if there is a mode."""
    if path is not None:
        name = f"file:{quote(str(path))}" if mode else str(path)
        address = address.set(database=name).update_query_dict(mode)
    if "timeout" not in address.query:
        address = address.update_query_dict({"timeout": str(_BUSY_TIMEOUT_SECONDS)})
    arguments, file = {"check_same_thread": False}, {"file": path}
    engine = create_engine(address, connect_args=arguments, execution_options=file, poolclass=pool)
    event.listen(engine, "connect", partial(_configure_sqlite, is_writing=not mode))
    return engine


def _mode_of(path: Path) -> dict[str, str]:
    """How a file is opened that cannot be written; another is made, if need be, for the user alone.

    Without log and index beside it, nobody writes, and SQLite has to know: https://www.sqlite.org/wal.html.
    """
    if path.exists() and not is_writable(path):
        if all(path.with_name(path.name + suffix).exists() for suffix in COMPANIONS):
            return _SHARED
        if _has_log(path):
            message = f"{cut(path)} cannot be written, and the index of its log, {path.name}-shm, is missing."
            raise DatabaseFailed(message, next_step=f"Copy it and its log to a writable folder, {OR_ANOTHER}")
        return _SEALED
    path.parent.mkdir(parents=True, exist_ok=True)
    _require_files_beside(path)
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    return {}


def _has_log(path: Path) -> bool:
    """Whether a part of a database is only in the log beside it."""
    log = path.with_name(path.name + COMPANIONS[0])
    return log.exists() and log.stat().st_size > 0


def _require_files_beside(path: Path) -> None:
    """Refuses a pipe where SQLite keeps a log or journal, which it would open and wait for."""
    for beside in (path.with_name(path.name + suffix) for suffix in (*COMPANIONS, _JOURNAL)):
        if beside.exists() and not beside.is_file():
            message = f"{cut(beside)} is no file, and SQLite would wait for it."
            raise DatabaseFailed(message, next_step=f"Remove it, {OR_ANOTHER}")


def _configure_sqlite(connection: sqlite3.Connection, _record: object, *, is_writing: bool) -> None:
    """Sets a connection up. We begin transactions ourselves: Python's driver begins them late, as readers."""
    connection.isolation_level = None
    # Text in which a bit is wrong stays text, so that nobody but its own row suffers.
    connection.text_factory = partial(str, encoding="utf-8", errors="replace")
    try:
        if is_writing:
            _log_ahead(connection)
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}").close()
    except sqlite3.Error:
        connection.close()
        raise


def _log_ahead(connection: sqlite3.Connection) -> None:
    """Switches a new database to write-ahead logging.

    While another connection writes to the database, SQLite refuses the switch at once and ignores the
    timeout, so we try again until the timeout is over.
    """
    try:
        connection.execute(_WRITE_AHEAD).close()
    except sqlite3.OperationalError as error:
        if not _is_busy(error):
            raise
        from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random

        milliseconds = connection.execute("PRAGMA busy_timeout").fetchone()[0]
        again = Retrying(
            retry=retry_if_exception(_is_busy),
            stop=stop_after_delay(milliseconds / 1000),
            wait=wait_random(0.01, 0.03),
            reraise=True,
        )
        again(connection.execute, _WRITE_AHEAD).close()


def _is_busy(error: BaseException) -> bool:
    return error_name(error).startswith("SQLITE_BUSY")


def is_writable(path: Path) -> bool:
    """Whether SQLite can write a file and what it keeps beside it."""
    return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)


def error_name(error: BaseException) -> str:
    """SQLite's name of an error; empty if SQLite did not raise it."""
    return str(getattr(error.orig if isinstance(error, DBAPIError) else error, "sqlite_errorname", ""))
