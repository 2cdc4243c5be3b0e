"""Opening the library database, and the transactions that its users run in.

By default it is a SQLite file that all servers of a user share; a URL names another file or a PostgreSQL
database. With write-ahead logging, servers can read while one writes. A writing transaction takes the write
lock when it begins, so that nobody changes what it has read before it writes: a budget is summed up and a
reservation made in one step.
"""

from __future__ import annotations

import contextlib
import re
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.exc import DataError, DBAPIError, OperationalError, SQLAlchemyError

from gpt_image_mcp.errors import (
    DatabaseDamaged,
    DatabaseFailed,
    DatabaseInterrupted,
    StorageFailed,
    UnstorableValue,
    quoted,
)
from gpt_image_mcp.folders import APP
from gpt_image_mcp.library.database_address import read_address, shown_address
from gpt_image_mcp.library.migrations import VERSION, migrate, read_version
from gpt_image_mcp.library.postponed import Postponed
from gpt_image_mcp.library.reconnecting import Reconnecting, once_more
from gpt_image_mcp.library.schema import WRONG_VALUES
from gpt_image_mcp.library.sqlite import (
    COMPANIONS,
    OR_ANOTHER,
    error_name,
    is_writable,
    sealed_engine,
    sqlite_engine,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from sqlalchemy import Connection

    _FileIdentity = tuple[int, int, bool]

# How a transaction of PostgreSQL gets a limit, unless the address or the server has set one.
_LIMIT = "SELECT set_config('{0}', '{1}', true) WHERE current_setting('{0}') = '0'; "
_WAITS = _LIMIT.format("lock_timeout", "15s")
# A process that is frozen, or lost its network, in the middle of writing would hold up all others. What the
# others wrote before the lock was given is read whatever isolation the database has by default.
_WRITES = (
    f"SET TRANSACTION ISOLATION LEVEL READ COMMITTED; {_WAITS}"
    f"{_LIMIT.format('idle_in_transaction_session_timeout', '5s')}"
)
# By dialect: how a transaction becomes the only writer from its start.
_WRITE_LOCK = {
    "sqlite": "BEGIN IMMEDIATE",
    "postgresql": f"{_WRITES}LOCK TABLE calls IN SHARE ROW EXCLUSIVE MODE",
}
# The same while there may be no table to lock. The number is arbitrary, but must never change.
_SCHEMA_LOCK = {
    "sqlite": "BEGIN IMMEDIATE",
    "postgresql": f"{_WRITES}SELECT pg_advisory_xact_lock(7404110305)",
}
# By dialect: how everything that a transaction reads is of the same moment.
_SNAPSHOT = {
    "sqlite": "BEGIN",
    "postgresql": f"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY; {_WAITS}",
}
# The driver that our extra installs; by default SQLAlchemy would import its predecessor, psycopg2.
_POSTGRESQL_DRIVER = "postgresql+psycopg"
# SQLite's names of a damaged file, and of what happens besides when it is moved below an open connection.
_DAMAGED = ("SQLITE_NOTADB", "SQLITE_CORRUPT")
_FILE_ERRORS = (*_DAMAGED, "SQLITE_IOERR", "SQLITE_READONLY")
_MAKES_NO_FILE = ("SQLITE_IOERR", "SQLITE_CANTOPEN", "SQLITE_FULL")
_MAKE_ANEW = "A damaged file is moved away and made anew by: gpt-image-mcp history rebuild."
# What a PostgreSQL server says that is there, and takes nobody just now.
_TAKES_NOBODY = re.compile("starting up|shutting down|recovery mode|too many|connection slots")
_LAST_TRANSACTIONS_SECONDS = 1


class Database:
    """A database. It is opened, and brought to the current schema, when it is first used.

    Args:
        url: A SQLAlchemy address; empty means SQLite in the user's data folder. A ``timeout`` in a SQLite
            address is the number of seconds to wait for another writer.
    """

    def __init__(self, url: str = "") -> None:
        self._url = url or f"sqlite:///{platformdirs.user_data_path(APP, appauthor=False) / 'library.db'}"
        self._opening = threading.Lock()
        self._transactions = 0
        self._has_ended = threading.Condition()
        self._engine: Engine | None = None
        self._file: _FileIdentity | None = None
        self._postponed = Postponed()

    def close(self) -> None:
        """Closes the connections, after a last try of what was postponed and a moment for what still runs.

        A call that was cancelled leaves its transaction running in a thread, and a connection in use would
        stay open.
        """
        self._postponed.close()
        with self._has_ended:
            self._has_ended.wait_for(lambda: not self._transactions, _LAST_TRANSACTIONS_SECONDS)
        self._dispose()

    @contextlib.contextmanager
    def reading(self) -> Generator[Connection]:
        """A connection for reading; all its answers are of the same moment.

        Raises:
            StorageFailed: If the database cannot be used.
        """
        with self._transaction(), self._open_to_read().connect() as connection:
            connection.exec_driver_sql(_SNAPSHOT[connection.dialect.name])
            with self._wrong_rows_explained():
                yield connection

    @contextlib.contextmanager
    def writing(self) -> Generator[Connection]:
        """A transaction that no other writer can disturb until it ends; an exception rolls it back.

        Raises:
            StorageFailed: If the database cannot be used.
        """
        with self._transaction(), self._open().begin() as connection:
            connection.exec_driver_sql(_WRITE_LOCK[connection.dialect.name])
            with self._wrong_rows_explained():
                yield connection

    def write_eventually(self, write: Callable[[], object]) -> None:
        """Writes down what was paid for; if that fails it is tried again for an hour, and when we close.

        Args:
            write: Uses this database. To do it twice must have the effect of doing it once.

        Raises:
            StorageFailed: If it could not be done now.
        """
        try:
            once_more(write)
        except DatabaseFailed as error:
            self._postponed.add(write, error)
            raise

    def ping(self) -> None:
        """Reads one row, which takes as long as the way to the database and back.

        Raises:
            StorageFailed: If it cannot be used.
        """
        with self.reading() as connection:
            read_version(connection)

    def check(self) -> None:
        """Opens the database and, if it is SQLite, looks for damage as far as that is quick.

        Raises:
            DatabaseDamaged: If it is damaged.
            StorageFailed: If it cannot be used.
        """
        with self.reading() as connection:
            if connection.dialect.name == "sqlite":
                found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
                if found != "ok":
                    raise DatabaseDamaged(f"The library database is damaged: {found}.", next_step=_MAKE_ANEW)

    def set_aside(self) -> Path:
        """Renames the file of a SQLite database and gives its new path; the next use makes a new database.

        Raises:
            StorageFailed: If there is no such file, or it cannot be renamed.
        """
        self.close()
        with self._failures_explained(), self._opening:
            self._engine = None
            path = Path(read_address(self._url).database or "").expanduser()
            stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")
            aside = path.with_name(f"{path.name}.damaged-{stamp}")
            path.rename(aside)
            for suffix in COMPANIONS:
                path.with_name(path.name + suffix).unlink(missing_ok=True)
            return aside

    def _open(self) -> Engine:
        with self._opening:
            if self._engine is not None and _file_identity(self._engine) != self._file:
                self._dispose()  # what is written to a file that was moved or deleted is lost
                self._engine = None
            if self._engine is None:
                with contextlib.ExitStack() as on_failure:
                    with _options_explained(self._url):
                        engine = _engine(self._url)
                        on_failure.callback(engine.dispose)
                        engine.connect().close()
                    _prepare(engine)
                    if engine.dialect.name == "postgresql":
                        event.listen(engine, "do_connect", Reconnecting())
                    on_failure.pop_all()
                self._engine, self._file = engine, _file_identity(engine)
            return self._engine

    def _open_to_read(self) -> Engine:
        """As ``_open``; where SQLite can make no file beside the database, as on a full disk, without one."""
        try:
            return self._open()
        except OperationalError as error:
            is_alone = error_name(error).startswith(_MAKES_NO_FILE)
            engine = sealed_engine(read_address(self._url)) if is_alone else None
            if engine is None or not _require_known(engine):
                raise
            return engine

    @contextlib.contextmanager
    def _transaction(self) -> Generator[None]:
        """Counts a transaction, so that ``close`` waits for it, and explains its failures."""
        with self._has_ended:
            self._transactions += 1
        try:
            with self._failures_explained():
                yield
        finally:
            with self._has_ended:
                self._transactions -= 1
                self._has_ended.notify_all()

    @contextlib.contextmanager
    def _failures_explained(self) -> Generator[None]:
        try:
            yield
        except (SQLAlchemyError, OSError, ImportError, UnicodeError) as error:
            if error_name(error).startswith(_FILE_ERRORS):  # open connections are of no more use
                self._forget_connections()
            raise _explain(error, self._url) from error

    @contextlib.contextmanager
    def _wrong_rows_explained(self) -> Generator[None]:
        try:
            yield
        except UnicodeEncodeError as error:  # what is to be written is wrong, and not what is there
            message = f"No database can keep {quoted(str(error.object))}, which is not valid Unicode."
            raise UnstorableValue(message, next_step="Use other characters.") from error
        except WRONG_VALUES as error:
            shown = shown_address(self._url)
            message = f"The library database {shown} holds what this program never wrote."
            raise DatabaseFailed(message, next_step=f"Put a copy of it back, {OR_ANOTHER}") from error

    def _forget_connections(self) -> None:
        """Closes all connections; the next transaction opens the database anew."""
        with self._opening:
            self._dispose()
            self._engine = None

    def _dispose(self) -> None:
        if self._engine is not None:
            self._engine.dispose()


def _file_identity(engine: Engine) -> _FileIdentity | None:
    """What another file in its place has not: device, inode, whether we can write it; None without one."""
    path: Path | None = engine.get_execution_options().get("file")
    if path is None or not path.exists():
        return None
    found = path.stat()
    return found.st_dev, found.st_ino, is_writable(path)


def _engine(url: str) -> Engine:
    address = read_address(url)
    dialect = address.get_backend_name()
    if dialect not in _WRITE_LOCK:
        message = f"GPT_IMAGE_DATABASE_URL names a {dialect} database."
        raise DatabaseFailed(message, next_step="Use a sqlite:/// or postgresql:// address, or unset it.")
    if dialect == "sqlite":
        return sqlite_engine(address)
    if address.drivername == dialect:
        address = address.set(drivername=_POSTGRESQL_DRIVER)
    return create_engine(address, pool_pre_ping=True)


@contextlib.contextmanager
def _options_explained(url: str) -> Generator[None]:
    """A block in which drivers come upon options of an address that they cannot use, as psycopg does late.

    Raises:
        DatabaseFailed: With the names of the options, one of whose values may be a password.
    """
    try:
        yield
    except UnicodeError:
        raise
    except (TypeError, ValueError) as error:
        names = ", ".join(read_address(url).query) or "none"
        message = (
            f"The library database {shown_address(url)} cannot be opened with the options of its address "
            f"({names}): {type(error).__name__}."
        )
        step = "Correct what stands behind the ? in GPT_IMAGE_DATABASE_URL, or leave it out."
        raise DatabaseFailed(message, next_step=step) from error


def _prepare(engine: Engine) -> None:
    """Brings the schema up to date; of several programs that open the database, one does it.

    Raises:
        StorageFailed: If a newer program made the database.
    """
    version = _require_known(engine)
    file = engine.get_execution_options().get("file")
    if version < VERSION and (file is None or is_writable(file)):
        with engine.begin() as connection:
            connection.exec_driver_sql(_SCHEMA_LOCK[engine.dialect.name])
            migrate(connection)
    for suffix in ("", *COMPANIONS) if file else ():
        with contextlib.suppress(OSError):  # it may belong to another user
            Path(f"{file}{suffix}").chmod(0o600)


def _require_known(engine: Engine) -> int:
    """The version of a database's schema, 0 if it has none yet; refuses one that a newer program made."""
    with engine.connect() as connection:
        version = read_version(connection)
    if version > VERSION:
        message = f"The library database has schema {version}; this program knows up to {VERSION}."
        raise DatabaseFailed(
            message, next_step="Update gpt-image-mcp, or set GPT_IMAGE_DATABASE_URL to another database."
        )
    return version


def _explain(error: Exception, url: str) -> StorageFailed:
    cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
    said = " ".join(str(cause).split())
    end = "" if said.endswith("?") else "."
    if isinstance(error, DataError):  # of PostgreSQL, which keeps no NUL
        step = "Use other characters, or fewer, or another number."
        return UnstorableValue(f"The library cannot hold such a value: {said}{end}", next_step=step)
    message = f"The library database {shown_address(url)} cannot be used: {said}{end}"
    if "locked" in said or "lock timeout" in said:
        return DatabaseFailed(
            message, next_step="Another program holds it; try again when that is done.", retryable=True
        )
    if error_name(error).startswith(_DAMAGED):
        return DatabaseDamaged(message, next_step=_MAKE_ANEW)
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return DatabaseInterrupted(message, next_step="Call again when the server is back.", retryable=True)
    return DatabaseFailed(message, next_step=_what_to_check(cause, url), retryable=_is_away(error, said))


def _is_away(error: Exception, said: str) -> bool:
    """Whether a database server is not reached or takes nobody now; a login it refuses stays refused."""
    if not isinstance(error, OperationalError) or error_name(error):
        return False
    is_answer = "FATAL" in said or getattr(error.orig, "sqlstate", None) is not None
    return not is_answer or bool(_TAKES_NOBODY.search(said))


def _what_to_check(cause: BaseException, url: str) -> str:
    """What a user can do about a database that cannot be used."""
    if isinstance(cause, ImportError):
        return "Install gpt-image-mcp-server[postgres], which brings the driver for PostgreSQL."
    if shown_address(url).startswith("postgresql"):
        return "Check that the database server runs and that GPT_IMAGE_DATABASE_URL is right, or unset it."
    if error_name(cause) == "SQLITE_ERROR":  # it has no table or column that we ask for
        return f"It is not, or no longer, a library of this program: move it away, {OR_ANOTHER}"
    return f"Check that its folder is writable and the disk is not full, {OR_ANOTHER}"
