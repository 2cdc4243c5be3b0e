"""Opening the database: by whoever comes first, and with a clear word when it cannot be."""

from __future__ import annotations

import sqlite3
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Connection, Pool, create_engine, event, inspect, text

from gpt_image_mcp.errors import DatabaseFailed, DatabaseInterrupted, InvalidArgument, StorageFailed
from gpt_image_mcp.library.database import Database
from gpt_image_mcp.library.ledger import Ledger
from gpt_image_mcp.library.migrations import MIGRATIONS, VERSION, migrate, read_version
from gpt_image_mcp.library.schema import library_zone
from tests.library.conftest import EVERY_DATABASE, POSTGRESQL

if TYPE_CHECKING:
    from collections.abc import Callable

TODAY = datetime.now(UTC).date()


def _file(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///").partition("?")[0])


def test_nothing_is_opened_before_the_first_question(database: Database, database_url: str) -> None:
    del database
    assert not _file(database_url).parent.exists()


def test_the_default_database_is_in_the_users_data_folder() -> None:
    opened = Database()
    assert Ledger(opened).spent_usd(TODAY) == 0
    opened.close()
    assert (Path.home() / "data" / "gpt-image-mcp" / "library.db").is_file()


def test_home_is_expanded_in_the_address() -> None:
    opened = Database("sqlite:///~/mine/library.db")
    assert Ledger(opened).spent_usd(TODAY) == 0
    opened.close()
    assert (Path.home() / "mine" / "library.db").is_file()


def test_a_database_in_memory_works() -> None:
    opened = Database("sqlite://")
    assert Ledger(opened).spent_usd(TODAY) == 0
    opened.close()


def test_the_database_is_set_up_for_sharing(database: Database) -> None:
    with database.reading() as connection:
        modes = [
            connection.execute(text(f"PRAGMA {name}")).scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        ]
    assert modes == ["wal", 1, 1, 50]


def _rows(database: Database) -> int:
    with database.reading() as connection:
        return int(connection.execute(text("SELECT count(*) FROM route_rejections")).scalar_one())


def _write(url: str) -> None:
    """Adds a row from another server."""
    other = Database(url)
    with other.writing() as connection:
        connection.execute(text("INSERT INTO route_rejections VALUES ('a', hex(randomblob(4)), 0)"))
    other.close()


def test_a_deleted_database_is_made_anew_by_a_server_that_runs(database: Database, database_url: str) -> None:
    _write(database_url)
    assert _rows(database) == 1
    _file(database_url).unlink()
    assert _rows(database) == 0
    _write(database_url)
    assert _rows(database) == 1


def test_a_database_put_in_the_place_of_another_is_read(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    _write(database_url)
    assert Ledger(database).spent_usd(TODAY) == 0
    other_url = f"sqlite:///{tmp_path / 'other.db'}"
    _write(other_url)
    _write(other_url)
    _file(other_url).replace(_file(database_url))
    assert _rows(database) == 2


def test_closing_waits_for_the_transactions_of_other_threads(database: Database) -> None:
    opened: set[int] = set()
    begun, may_end = threading.Event(), threading.Event()

    def read() -> None:
        with database.reading():
            begun.set()
            may_end.wait()

    def note_opened(connection: object, _record: object) -> None:
        opened.add(id(connection))

    def note_closed(connection: object, _record: object) -> None:
        opened.remove(id(connection))

    event.listen(Pool, "connect", note_opened)
    event.listen(Pool, "close", note_closed)
    try:
        reader, end = threading.Thread(target=read), threading.Timer(0.1, may_end.set)
        reader.start()
        begun.wait()
        assert opened
        end.start()
        database.close()
        reader.join()
    finally:
        event.remove(Pool, "connect", note_opened)
        event.remove(Pool, "close", note_closed)
    assert opened == set()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///file::memory:?uri=true"])
def test_a_database_may_be_in_memory(url: str) -> None:
    opened = Database(url)
    assert _rows(opened) == 0
    opened.close()


def test_other_writers_are_waited_for_ten_seconds_by_default(database_url: str) -> None:
    database = Database(database_url.partition("?")[0])
    with database.reading() as connection:
        assert connection.execute(text("PRAGMA busy_timeout")).scalar_one() == 10_000
    database.close()


def test_an_exception_rolls_a_transaction_back(database: Database) -> None:
    def change_and_fail() -> None:
        with database.writing() as connection:
            connection.execute(text("UPDATE schema_version SET version = 99"))
            raise KeyError

    with pytest.raises(KeyError):
        change_and_fail()
    with database.reading() as connection:
        assert connection.execute(text("SELECT version FROM schema_version")).scalar_one() == VERSION


def test_threads_that_open_a_new_database_together_all_succeed(database_url: str) -> None:
    url = database_url.partition("?")[0]
    databases = [Database(url) for _ in range(8)]
    together = threading.Barrier(len(databases))
    spent: list[object] = []

    def ask(opened: Database) -> None:
        together.wait()
        spent.append(Ledger(opened).spent_usd(TODAY))

    threads = [threading.Thread(target=ask, args=(opened,)) for opened in databases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for opened in databases:
        opened.close()
    assert spent == [0] * 8
    with sqlite3.connect(_file(url)) as connection:
        assert connection.execute("SELECT version FROM schema_version").fetchall() == [(VERSION,)]
    connection.close()


def test_a_database_that_another_program_is_just_making_is_waited_for(database_url: str) -> None:
    path = _file(database_url)
    path.parent.mkdir()
    maker = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    maker.execute("BEGIN IMMEDIATE")
    opened = Database(database_url.partition("?")[0])
    finish = threading.Timer(0.2, maker.rollback)
    finish.start()
    assert Ledger(opened).spent_usd(TODAY) == 0
    finish.join()
    maker.close()
    opened.close()


def test_a_database_that_stays_locked_while_it_is_made_is_given_up_in_time(database_url: str) -> None:
    path = _file(database_url)
    path.parent.mkdir()
    maker = sqlite3.connect(path, isolation_level=None)
    maker.execute("BEGIN IMMEDIATE")
    opened = Database(database_url)
    with pytest.raises(StorageFailed) as caught:
        Ledger(opened).spent_usd(TODAY)
    assert caught.value.retryable
    maker.close()
    opened.close()


def test_a_database_of_a_newer_program_is_refused_and_left_alone(
    database: Database, database_url: str
) -> None:
    with database.writing() as connection:
        connection.execute(text("UPDATE schema_version SET version = version + 1"))
    older = Database(database_url)
    with pytest.raises(StorageFailed, match=str(VERSION + 1)):
        Ledger(older).spent_usd(TODAY)
    older.close()


@EVERY_DATABASE
def test_an_older_database_takes_the_steps_that_it_has_not_taken_yet(database: Database) -> None:
    def step(connection: Connection) -> None:
        connection.execute(text("ALTER TABLE images ADD COLUMN colour VARCHAR(20)"))

    for _ in range(2):
        with database.writing() as connection:
            migrate(connection, (*MIGRATIONS, step))
            assert read_version(connection) == VERSION + 1
            assert "colour" in {column["name"] for column in inspect(connection).get_columns("images")}


@pytest.mark.parametrize("steps", [0, 2])
def test_a_new_database_is_made_as_it_is_now_without_any_step(steps: int, tmp_path: Path) -> None:
    def refuse(_connection: Connection) -> None:
        pytest.fail("a step for older databases was taken")

    engine = create_engine(f"sqlite:///{tmp_path / 'new.db'}")
    with engine.begin() as connection:
        migrate(connection, [refuse] * steps)
        assert read_version(connection) == 1 + steps
    engine.dispose()


def test_a_damaged_file_is_named_with_what_to_do(database_url: str) -> None:
    path = _file(database_url)
    path.parent.mkdir()
    path.write_bytes(b"this is no database " * 100)
    opened = Database(database_url)
    with pytest.raises(StorageFailed) as caught:
        Ledger(opened).spent_usd(TODAY)
    assert str(path) in caught.value.message
    assert not caught.value.retryable
    opened.close()


def test_a_locked_database_can_be_tried_again_later(database: Database, database_url: str) -> None:
    with database.reading():
        pass
    holder = sqlite3.connect(_file(database_url), isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StorageFailed) as caught, database.writing():
        pass
    assert caught.value.retryable
    holder.close()


@POSTGRESQL
def test_a_table_that_stays_locked_can_be_tried_again_later(database_url: str) -> None:
    holder, opened = Database(database_url), Database(f"{database_url}?options=-c%20lock_timeout%3D100")
    with holder.writing() as connection:
        connection.exec_driver_sql("LOCK TABLE calls IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(StorageFailed) as caught:
            Ledger(opened).spent_usd(TODAY)
    assert caught.value.retryable
    opened.close()
    holder.close()


@POSTGRESQL
def test_a_writer_that_says_nothing_for_five_seconds_holds_nobody_up(database_url: str) -> None:
    """As one would whose machine is frozen, or cut off from the network, in the middle of a transaction."""
    frozen, other = Database(database_url), Database(database_url)

    def write(endpoint: str, database: Database, meanwhile: Callable[[], None]) -> None:
        with database.writing() as connection:
            connection.execute(
                text("INSERT INTO route_rejections VALUES (:name, 'a', 0)"), {"name": endpoint}
            )
            meanwhile()

    with pytest.raises(DatabaseInterrupted):
        write("lost", frozen, lambda: write("kept", other, lambda: None))
    with frozen.reading() as connection:
        rows = connection.exec_driver_sql("SELECT endpoint FROM route_rejections").scalars().all()
    assert rows == ["kept"]
    other.close()
    frozen.close()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    opened = Database(f"sqlite:///{tmp_path / 'file' / 'library.db'}")
    with pytest.raises(StorageFailed, match=r"file/library\.db"):
        Ledger(opened).spent_usd(TODAY)
    opened.close()


def test_a_missing_driver_is_named_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)  # as where the extra is not installed
    opened = Database("postgresql://me@127.0.0.1:1/library")
    with pytest.raises(StorageFailed, match="psycopg") as caught:
        Ledger(opened).spent_usd(TODAY)
    assert "gpt-image-mcp-server[postgres]" in caught.value.next_step
    opened.close()


def test_a_database_server_that_does_not_answer_is_named_with_what_to_check() -> None:
    opened = Database("postgresql://me@127.0.0.1:1/library")
    with pytest.raises(StorageFailed) as caught:
        Ledger(opened).spent_usd(TODAY)
    assert "\n" not in caught.value.message
    opened.close()


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("not an address with hunter2", "in GPT_IMAGE_DATABASE_URL"),
        ("postgresql+nodriver://me:hunter2@127.0.0.1/library", r"me:\*\*\*@127"),
        ("postgresql://me:hunter2@127.0.0.1:1/library", r"me:\*\*\*@127"),
        ("postgresql://me@127.0.0.1:1/library?password=hunter2", "me@127.0.0.1:1/library cannot"),
        ("postgresql://me@127.0.0.1:1/library?sslpassword=hunter2&sslmode=disable", "library cannot"),
        *(
            (f"postgresql://me:hunter2@{rest}", "in GPT_IMAGE_DATABASE_URL cannot be read")
            for rest in (
                "127.0.0.1:port/x",
                "[::1/x",
                "hunter2@127.0.0.1/x",
                "h1:1,h2:2/x",
                "h:/hunter2:5/@[",
            )
        ),
        ("mysql://me:hunter2@127.0.0.1/library", "mysql"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused_without_its_password(url: str, shown: str) -> None:
    opened = Database(url)
    with pytest.raises(StorageFailed, match=shown) as caught:
        Ledger(opened).spent_usd(TODAY)
    assert "hunter2" not in str(caught.value)
    opened.close()


@pytest.mark.parametrize(
    "options", ["timeout=hunter2", "detect_types=abc", "check_same_thread=maybe", "timeout=1&timeout=2"]
)
def test_options_that_sqlite_cannot_use_are_named_without_their_values(tmp_path: Path, options: str) -> None:
    _require_explained(f"sqlite:///{tmp_path}/x.db?{options}", rf"\({options.partition('=')[0]}\)")


@POSTGRESQL
@pytest.mark.parametrize("options", ["prepare_threshold=0", "prepare_threshold=None", "row_factory=hunter2"])
def test_options_that_psycopg_cannot_use_are_named_without_their_values(
    database_url: str, options: str
) -> None:
    _require_explained(f"{database_url}?{options}", rf"\({options.partition('=')[0]}\)")


@pytest.mark.parametrize("url", ["sqlite:///.", "sqlite:////", "sqlite:///..", "sqlite:////tmp"])
def test_a_folder_is_no_database(url: str) -> None:
    _require_explained(url, "cannot be used: ")


def _require_explained(url: str, words: str) -> None:
    opened = Database(url)
    for _ in range(2):
        with pytest.raises(DatabaseFailed, match=words) as caught:
            opened.check()
        assert "hunter2" not in str(caught.value)
    opened.close()


@pytest.mark.parametrize(
    ("kind", "database_url"),
    [("VIRTUAL", "sqlite"), ("TEXT", "sqlite without FTS5")],
    indirect=["database_url"],
)
def test_words_are_in_a_full_text_index_where_sqlite_has_one(kind: str, database: Database) -> None:
    with database.reading() as connection:
        if not connection.execute(text("SELECT sqlite_compileoption_used('ENABLE_FTS5')")).scalar_one():
            pytest.skip("this SQLite was built without FTS5")
        made_by = text("SELECT sql FROM sqlite_master WHERE name = 'search_words'")
        assert kind in connection.execute(made_by).scalar_one()


@EVERY_DATABASE
def test_a_text_that_no_database_keeps_is_named_and_the_database_is_not_blamed(database: Database) -> None:
    refused = pytest.raises(StorageFailed, match=r"'x\\udcff', which is not valid Unicode")
    with refused as caught, database.writing() as connection:
        connection.execute(library_zone.insert().values(name="x\udcff"))
    assert "copy" not in caught.value.next_step
    assert Ledger(database).spent_usd(TODAY) == 0


@POSTGRESQL
@pytest.mark.parametrize("name", ["a\0b", "x" * 65], ids=["NUL", "too long"])
def test_a_value_that_postgresql_holds_nowhere_is_the_callers_fault(name: str, database: Database) -> None:
    def write() -> None:
        with database.writing() as connection:
            connection.execute(library_zone.insert().values(name=name))

    with pytest.raises(InvalidArgument, match=r"The library cannot hold such a value") as caught:
        database.write_eventually(write)
    assert "server" not in str(caught.value)
    assert not caught.value.retryable
