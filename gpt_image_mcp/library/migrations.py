"""How a database gets the tables of this version of the program.

A new database is made from ``schema`` as it is now. One that an older version made takes the steps of
``MIGRATIONS`` that it has not taken yet, in one transaction. One that a newer version made is refused.

To change the schema: change the tables in ``schema`` (or in ``search.fulltext``), and add one step at the end
of ``MIGRATIONS`` that does the same to a database which is there already. A released step never changes, so
it spells out its SQL instead of using the tables of ``schema``, which later versions change again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from sqlalchemy import Connection, insert, inspect, select, text, update

from gpt_image_mcp.dates import local_zone
from gpt_image_mcp.errors import StorageFailed, quoted
from gpt_image_mcp.library.schema import library_zone, metadata, schema_version
from gpt_image_mcp.library.search.fulltext import create_words

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Step: TypeAlias = Callable[[Connection], None]


def _keep_zone(connection: Connection) -> None:
    connection.exec_driver_sql("CREATE TABLE library_zone (name VARCHAR(64) NOT NULL)")
    connection.execute(text("INSERT INTO library_zone (name) VALUES (:name)"), {"name": local_zone()})


def _remember_deleted(connection: Connection) -> None:
    connection.exec_driver_sql(
        "CREATE TABLE deleted_images (id VARCHAR(64) NOT NULL PRIMARY KEY, owner VARCHAR(255) NOT NULL, "
        "created_at FLOAT NOT NULL, day VARCHAR(10) NOT NULL, model VARCHAR(255) NOT NULL, "
        "session_id VARCHAR(64) NOT NULL, call_id VARCHAR(64) NOT NULL, "
        "spent_nanodollars BIGINT NOT NULL, deleted_at FLOAT NOT NULL)"
    )


def _serve_people(connection: Connection) -> None:
    for table in ("images", "deleted_images", "calls", "sessions"):
        connection.exec_driver_sql(
            f"ALTER TABLE {table} ADD COLUMN group_name VARCHAR(255) NOT NULL DEFAULT ''"
        )
    for made in _TABLES_OF_PEOPLE:
        connection.exec_driver_sql(made)
    _keep_audit_rows(connection)


def _keep_audit_rows(connection: Connection) -> None:
    """Lets the database refuse to change or delete a row of the audit log."""
    for statement in _APPEND_ONLY[connection.dialect.name]:
        connection.exec_driver_sql(statement)


_TABLES_OF_PEOPLE = (
    "CREATE INDEX calls_of_day ON calls (day, model, sandbox, cost_nanodollars, reserved_nanodollars)",
    (
        "CREATE INDEX calls_group_day ON calls "
        "(group_name, day, model, sandbox, cost_nanodollars, reserved_nanodollars)"
    ),
    (
        "CREATE INDEX calls_totals ON calls (model, kind, status, sandbox, started_at, finished_at, "
        "cost_nanodollars, reserved_nanodollars)"
    ),
    "CREATE TABLE rate_pauses (endpoint VARCHAR(255) NOT NULL PRIMARY KEY, paused_until FLOAT NOT NULL)",
    (
        "CREATE TABLE audit (id VARCHAR(64) NOT NULL PRIMARY KEY, at FLOAT NOT NULL, "
        "day VARCHAR(10) NOT NULL, owner VARCHAR(255) NOT NULL, "
        "group_name VARCHAR(255) NOT NULL, kind VARCHAR(16) NOT NULL, "
        "model VARCHAR(255) NOT NULL, outcome VARCHAR(32) NOT NULL, cost_nanodollars BIGINT NOT NULL, "
        "sandbox BOOLEAN NOT NULL, call_id VARCHAR(64) NOT NULL, image_id VARCHAR(64) NOT NULL, "
        "request_id VARCHAR(255) NOT NULL, prompt TEXT)"
    ),
    "CREATE INDEX audit_at ON audit (at)",
    "CREATE INDEX audit_call ON audit (call_id)",
    (
        "CREATE TABLE uploads (id VARCHAR(64) NOT NULL PRIMARY KEY, owner VARCHAR(255) NOT NULL, "
        "group_name VARCHAR(255) NOT NULL, expires_at FLOAT NOT NULL, received_at FLOAT, "
        "file_path TEXT NOT NULL)"
    ),
    "CREATE INDEX uploads_expire ON uploads (expires_at)",
)

_APPEND_ONLY = {
    "sqlite": tuple(
        f"CREATE TRIGGER audit_{action.lower()} BEFORE {action} ON audit "
        "BEGIN SELECT RAISE(ABORT, 'rows of the audit log are never changed'); END"
        for action in ("UPDATE", "DELETE")
    ),
    "postgresql": (
        (
            "CREATE OR REPLACE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'rows of the audit log are never changed'; END $$"
        ),
        (
            "CREATE TRIGGER audit_change BEFORE UPDATE OR DELETE OR TRUNCATE ON audit "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change()"
        ),
    ),
}

# The first takes a database from version 1 to 2, the next from 2 to 3, and so on.
MIGRATIONS: tuple[Step, ...] = (_keep_zone, _remember_deleted, _serve_people)
VERSION = 1 + len(MIGRATIONS)


def read_version(connection: Connection) -> int:
    """The schema version of a database; 0 if it is empty.

    Raises:
        StorageFailed: If it is no number.
    """
    if not inspect(connection).has_table(schema_version.name):
        return 0
    version = str(connection.execute(select(schema_version.c.version)).scalars().first())
    if not version.isdecimal():
        message = f"The library database says that its schema is {quoted(version)}, which is no version."
        raise StorageFailed(
            message, next_step="Put a copy of it back, or set GPT_IMAGE_DATABASE_URL to another."
        )
    return int(version)


def migrate(connection: Connection, steps: Sequence[Step] = MIGRATIONS) -> None:
    """Brings an empty or older database to the current version, inside the caller's transaction."""
    version = read_version(connection)
    if version == 0:
        metadata.create_all(connection)
        create_words(connection)
        _keep_audit_rows(connection)
        connection.execute(insert(library_zone).values(name=local_zone()))
        connection.execute(insert(schema_version).values(version=1 + len(steps)))
        return
    for number, step in enumerate(steps[version - 1 :], start=version + 1):
        step(connection)
        connection.execute(update(schema_version).values(version=number))
