"""Databases with wrong bits, or that cannot be written: a sentence, and never the loss of a healthy one."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from gpt_image_mcp import Settings
from gpt_image_mcp.errors import DatabaseDamaged, ImageError, OutcomeUnknown, StorageFailed
from gpt_image_mcp.library.call_totals import call_totals
from gpt_image_mcp.library.ledger import Ledger
from gpt_image_mcp.library.rate_pauses import RatePauses
from gpt_image_mcp.library.schema import metadata
from gpt_image_mcp.library.sessions import Turn
from gpt_image_mcp.library.store import Library
from gpt_image_mcp.services.image_search import search
from gpt_image_mcp.services.maintenance import prune, rebuild
from gpt_image_mcp.values.budgets import Limit
from gpt_image_mcp.values.options import OutputOptions
from gpt_image_mcp.values.owners import Owner
from gpt_image_mcp.values.requests import InputImage
from tests.environment.processes import Machine
from tests.environment.test_places import NOBODY, SANDBOX, as_nobody, open_project

if TYPE_CHECKING:
    from gpt_image_mcp.values.history import CallStart
    from gpt_image_mcp.values.images import StoredImage

FLIPS = 150
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
__all__ = ["open_project"]


def _database() -> Path:
    return Path.home() / "data" / "gpt-image-mcp" / "library.db"


@pytest.fixture
def filled(image: StoredImage, call: CallStart) -> Path:
    """A database with rows in every table; of three calls one failed."""
    library = Library(Settings())
    other = replace(image, id="20261121-150301-000001", file_path=image.file_path.with_name("b.png"))
    deleted = replace(image, id="20261121-150301-000002", file_path=image.file_path.with_name("c.png"))
    for one in (image, other, deleted):
        library.images.add_image(one)
    for begun in (call, replace(call, id="job-20261121-150301-000001")):
        library.ledger.begin_call(begun, ())
    library.ledger.finish_call(call.id, status="outcome_unknown", error=OutcomeUnknown("a", next_step="b"))
    turn = Turn(
        turn=1, parent_turn=0, prompt="x", image_id=image.id, call_id=call.id, created_at=image.created_at
    )
    start = InputImage(name="a.png", data=b"mine", mime_type="image/png", width=1, height=1, source="a.png")
    library.sessions.begin(
        "session-1", options=OutputOptions(), sandbox=False, start_images=[start], first=turn
    )
    library.deletions.delete(deleted.id, NOW, permit=lambda _: None)
    library.uploads.begin("upload-1", ends_at=NOW)
    library.route_memo.remember_rejection("x", "gpt-image-2", NOW)
    RatePauses(library.images.database).pause("x", 9)
    served = Ledger(library.images.database, Owner(name="ada"))
    served.begin_call(replace(call, id="job-20261121-150301-000002"), ())
    served.finish_call("job-20261121-150301-000002", status="completed", cost_usd=Decimal(1))
    library.close()
    return _database()


def _use(image: StoredImage, call: CallStart) -> list[str]:
    """Does everything with a library; gives what went wrong."""
    said: list[str] = []
    settings = Settings()
    limits = [Limit(usd=Decimal(9), period="day", payer="library", name="")]
    library = Library(settings)
    for work in (
        lambda: search({}, library, limit=9, offset=0),
        lambda: search({"query": "boot", "model": "gpt-image-2"}, library, limit=9, offset=0),
        lambda: library.images.newest(9),
        lambda: library.images.find_image(image.id),
        lambda: library.ledger.find_call(call.id),
        library.ledger.spent_usd,
        library.ledger.give_up_lost_calls,
        lambda: library.ledger.begin_call(replace(call, id=f"{call.id}-again"), limits),
        lambda: library.ledger.find_same_call(call.idempotency_key),
        lambda: library.ledger.standings(limits, "gpt-image-2"),
        lambda: library.ledger.typical_seconds(
            kind="image", model="gpt-image-2", quality="high", size="1024x1024", sandbox=False
        ),
        lambda: library.sessions.find("session-1"),
        lambda: library.sessions.latest(most_open=9, idle_since=NOW),
        lambda: library.deletions.users_of(image.id),
        lambda: library.deletions.deleted_at("20261121-150301-000002"),
        lambda: tuple(library.of_everybody().images.all_images()),
        lambda: tuple(library.audit.entries()),
        lambda: call_totals(library.images.database),
        lambda: library.route_memo.rejected_at("x", "gpt-image-2"),
        lambda: RatePauses(library.images.database).seconds_left("x"),
        lambda: library.uploads.find("upload-1", NOW),
        lambda: library.uploads.forget_expired(NOW),
        lambda: prune(library, older_than="", keep_mb=0, is_confirmed=False, settings=settings),
        lambda: rebuild(library, [], settings=settings),
    ):
        try:
            work()
        except ImageError as error:
            said.append(str(error))
    library.close()
    return said


@pytest.mark.parametrize("seed", range(3))
def test_any_wrong_bit_is_a_sentence_at_most(
    filled: Path, image: StoredImage, call: CallStart, seed: int
) -> None:
    healthy = filled.read_bytes()
    chance = random.Random(seed)  # noqa: S311 - any will do
    used = [position for position, byte in enumerate(healthy) if byte]
    for position in chance.sample(used, FLIPS // 3):
        changed = bytearray(healthy)
        changed[position] ^= 1 << chance.randrange(8)
        shutil.rmtree(filled.parent)
        filled.parent.mkdir()
        filled.write_bytes(changed)
        assert all(said.startswith("storage_failed: ") for said in _use(image, call))


def _change(path: Path, statement: str, *values: object) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement, values)


@pytest.mark.parametrize("value", [0, 9e999, "x", None], ids=repr)
def test_any_value_in_any_column_is_a_sentence_at_most(
    filled: Path, image: StoredImage, call: CallStart, value: object
) -> None:
    with contextlib.closing(sqlite3.connect(filled)) as connection, connection:
        connection.execute("DROP TRIGGER audit_update")
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_master SET sql = replace(sql, 'NOT NULL', '')")
    healthy = filled.read_bytes()
    for column in [column for table in metadata.sorted_tables for column in table.columns]:
        shutil.rmtree(filled.parent)
        filled.parent.mkdir()
        filled.write_bytes(healthy)
        with contextlib.suppress(sqlite3.IntegrityError):  # another row has it
            _change(filled, f"UPDATE {column.table} SET {column.name} = ?", value)  # noqa: S608 - our own
        said = _use(image, call)
        assert all(one.startswith("storage_failed: ") for one in said), (column, said)


@pytest.mark.parametrize("document", ["{", '{"id": "../x"}', b"\xff\xfe", "\x00"])
def test_a_row_that_cannot_be_read_is_passed_over_and_mended_by_its_metadata_file(
    filled: Path, library: Library, image: StoredImage, document: object
) -> None:
    _change(filled, "UPDATE images SET document = ? WHERE id = ?", document, image.id)
    assert [found.id for found in library.images.newest(9)] == ["20261121-150301-000001"]
    assert search({}, library, limit=9, offset=0).total == 2
    library.images.reindex()
    library.images.add_image(image)
    assert library.images.find_image(image.id) == image


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE calls SET started_at = 'x'",
        "UPDATE calls SET error = '{'",
        "UPDATE calls SET cost_nanodollars = 'x'",
    ],
)
def test_values_of_the_wrong_kind_are_a_failure_of_the_database(
    filled: Path, library: Library, call: CallStart, statement: str
) -> None:
    _change(filled, statement)
    with pytest.raises(StorageFailed, match=r"library\.db") as caught:
        library.ledger.find_call(call.id)
    assert not isinstance(caught.value, DatabaseDamaged)


def test_a_call_that_cannot_be_read_leaves_the_others_and_all_images_to_be_found(
    filled: Path, library: Library, call: CallStart
) -> None:
    before = search({}, library, limit=9, offset=0)
    _change(filled, "UPDATE calls SET error = '{' WHERE id = ?", call.id)
    after = search({}, library, limit=9, offset=0)
    assert after.images == before.images
    assert [found.id for found in before.open_calls] == [call.id, *(found.id for found in after.open_calls)]


def test_an_index_that_lacks_a_row_is_made_anew_by_a_rebuild(filled: Path, library: Library) -> None:
    with contextlib.closing(sqlite3.connect(filled)) as connection, connection:
        connection.execute("PRAGMA writable_schema = ON")
        other = "UPDATE sqlite_master SET sql = replace(sql, '(owner, day)', '(day, owner)')"
        connection.execute(f"{other} WHERE name = 'calls_day'")
    with contextlib.closing(sqlite3.connect(filled)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() != ("ok",)
    assert rebuild(library, [], settings=Settings()).set_aside is None
    library.close()
    with contextlib.closing(sqlite3.connect(filled)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_healthy_database_is_never_set_aside(filled: Path, library: Library) -> None:
    _change(filled, "UPDATE schema_version SET version = version + 1")
    with pytest.raises(StorageFailed, match="schema"):
        rebuild(library, [], settings=Settings())
    library.close()
    _change(filled, "UPDATE schema_version SET version = version - 1")
    _change(filled, "DROP TABLE image_parents")
    with pytest.raises(StorageFailed, match=r"no such table.*Next: It is not, or no longer, a library"):
        rebuild(library, [], settings=Settings())
    library.close()
    held = sqlite3.connect(filled, isolation_level=None)
    held.execute("BEGIN EXCLUSIVE")
    waiting = Library(Settings(database_url=SecretStr(f"sqlite:///{filled}?timeout=0.05")))
    with pytest.raises(StorageFailed) as caught:
        rebuild(waiting, [], settings=Settings())
    assert caught.value.retryable
    held.close()
    waiting.close()
    assert [path.name for path in filled.parent.glob("library.db*")] == ["library.db"]


@pytest.mark.parametrize("suffix", ["-journal", "-wal", "-shm"])
def test_a_pipe_beside_the_database_is_named_and_not_waited_for(
    filled: Path, library: Library, suffix: str
) -> None:
    os.mkfifo(f"{filled}{suffix}")
    with pytest.raises(StorageFailed, match=f"library.db{suffix} is no file"):
        library.images.newest(9)


@pytest.mark.parametrize("version", ["'x'", "''", "-1", "1.5"])
def test_a_version_that_is_no_number_is_a_sentence(filled: Path, library: Library, version: str) -> None:
    _change(filled, f"UPDATE schema_version SET version = {version}")  # noqa: S608 - one of four
    with pytest.raises(StorageFailed, match="no version") as caught:
        library.images.newest(9)
    assert not isinstance(caught.value, DatabaseDamaged)
    assert filled.is_file()


def test_damage_that_only_reading_shows_is_set_aside_too(filled: Path, library: Library) -> None:
    with contextlib.closing(sqlite3.connect(filled)) as connection:
        (root,) = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'images_newest'"
        ).fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    content = bytearray(filled.read_bytes())
    content[(root - 1) * size : root * size] = bytes(size)
    filled.write_bytes(content)
    with pytest.raises(DatabaseDamaged):
        library.images.newest(9)
    assert rebuild(library, [], settings=Settings()).set_aside is not None
    assert library.images.newest(9) == ()


def test_the_database_and_copies_of_inputs_are_the_users_alone(filled: Path, library: Library) -> None:
    copies = list((filled.parent / "inputs").iterdir())
    assert {path.stat().st_mode & 0o777 for path in (filled, *copies)} == {0o600}
    filled.chmod(0o644)
    with library.images.database.writing() as connection:
        connection.exec_driver_sql("UPDATE images SET owner = ''")
        modes = {path.name: path.stat().st_mode & 0o777 for path in filled.parent.glob("library.db*")}
    assert modes == {"library.db": 0o600, "library.db-wal": 0o600, "library.db-shm": 0o600}


@as_nobody
@pytest.mark.parametrize("users", [0, 1])
def test_what_is_there_is_read_where_nothing_can_be_written(open_project: Path, users: int) -> None:
    folders = {f"XDG_{name}_HOME": str(open_project / name) for name in ("CONFIG", "DATA", "CACHE")}
    settings = {**SANDBOX, **folders, "GPT_IMAGE_OUTPUT_DIR": str(open_project / "out")}
    owner = Machine(settings, cwd=open_project)
    assert owner.run("generate", "a red fox", "--quality", "low").returncode == 0
    database = open_project / "DATA/gpt-image-mcp/library.db"
    user = sqlite3.connect(database, isolation_level=None)
    if users:
        user.execute("INSERT INTO route_rejections VALUES ('a', 'b', 0)")
    (open_project / "out").chmod(0o777)
    for path in database.parent.glob("library.db*"):
        path.chmod(0o644)
    reader = Machine(settings, cwd=open_project, wrapper=NOBODY)
    found = json.loads(reader.run("history", "fox", "--json").stdout)
    assert found["total"] == 1
    shown = reader.run("history", "show", found["images"][0]["id"])
    assert shown.returncode == 0, shown.stderr
    refused = reader.run("generate", "a cat", "--quality", "low")
    assert b"readonly" in refused.stderr
    assert b"readonly" in reader.run("history", "rebuild").stderr
    user.close()


@as_nobody
def test_a_log_that_cannot_be_read_where_nothing_can_be_written_is_no_damage(open_project: Path) -> None:
    settings = {**SANDBOX, "GPT_IMAGE_DATABASE_URL": f"sqlite:///{open_project}/data/library.db"}
    assert (
        Machine(settings, cwd=open_project).run("generate", "a red fox", "--quality", "low").returncode == 0
    )
    data = open_project / "data"
    copied = data.with_name("copied")
    copied.mkdir(mode=0o755)
    with contextlib.closing(sqlite3.connect(data / "library.db", isolation_level=None)) as user:
        user.execute("INSERT INTO route_rejections VALUES ('a', 'b', 0)")
        for name in ("library.db", "library.db-wal"):
            (copied / name).write_bytes((data / name).read_bytes())
    settings["GPT_IMAGE_DATABASE_URL"] = f"sqlite:///{copied}/library.db"
    refused = Machine(settings, cwd=open_project, wrapper=NOBODY).run("history")
    assert b"library.db-shm, is missing" in refused.stderr
    assert b"history rebuild" not in refused.stderr
    assert b"fox" in Machine(settings, cwd=open_project).run("history").stdout
