"""The database schema, in portable SQLAlchemy Core, and how an older database becomes this one.

Money is kept as whole nano-dollars, so that sums are exact in every database. Times are UTC; ``day`` is the
local day that a daily budget counts. Every row has an owner, which is empty for a local user.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    insert,
    inspect,
    select,
    update,
)

if TYPE_CHECKING:
    from collections.abc import Callable

metadata = MetaData()
NANO = Decimal(1_000_000_000)

schema_version = Table("schema_version", metadata, Column("version", Integer, nullable=False))

images = Table(
    "images",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("owner", String(255), nullable=False, default=""),
    Column("uri", Text, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("model", String(255), nullable=False),
    Column("prompt", Text, nullable=False),
    Column("session_id", String(64), nullable=False, default=""),
    Column("call_id", String(64), nullable=False, default=""),
    Column("project_dir", Text, nullable=False, default=""),
    Column("cost_nanodollars", BigInteger),
    Column("sandbox", Boolean, nullable=False, default=False),
    # The whole image as JSON; the other columns are what is searched, sorted and summed.
    Column("document", Text, nullable=False),
    Index("images_newest", "owner", "created_at", "id"),
    Index("images_sha256", "sha256"),
    Index("images_uri", "uri"),
    Index("images_call", "call_id"),
)

image_parents = Table(
    "image_parents",
    metadata,
    Column("child_id", String(64), ForeignKey("images.id", ondelete="CASCADE"), primary_key=True),
    Column("parent_id", String(64), primary_key=True),
    Index("image_parents_parent", "parent_id"),
)

calls = Table(
    "calls",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("owner", String(255), nullable=False, default=""),
    Column("kind", String(16), nullable=False),
    Column("status", String(32), nullable=False),
    Column("model", String(255), nullable=False),
    Column("quality", String(16), nullable=False),
    Column("size", String(16), nullable=False),
    Column("prompt", Text, nullable=False),
    Column("sandbox", Boolean, nullable=False),
    Column("day", String(10), nullable=False),
    Column("started_at", Float, nullable=False),
    Column("finished_at", Float),
    Column("reserved_nanodollars", BigInteger, nullable=False),
    Column("cost_nanodollars", BigInteger),
    Column("result", Text),
    Column("error", Text),
    # Since schema 3. Until when a running call counts as alive without another sign of life.
    Column("alive_until", Float),
    # What makes a call the same as another, and when its result reached whoever asked.
    Column("fingerprint", String(64)),
    Column("delivered_at", Float),
    Index("calls_day", "owner", "day"),
    Index("calls_kind", "model", "quality", "size", "started_at"),
)
_FINGERPRINT_INDEX = Index("calls_fingerprint", calls.c.fingerprint)

sessions = Table(
    "sessions",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("owner", String(255), nullable=False, default=""),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
    # When it was ended; until then it can be continued.
    Column("ended_at", Float),
    # Who works on it, and until when that holds without a sign of life.
    Column("lease_holder", String(64), nullable=False, default=""),
    Column("lease_until", Float, nullable=False, default=0),
    # Options and start images as JSON.
    Column("document", Text, nullable=False),
    Index("sessions_latest", "owner", "updated_at"),
)

session_turns = Table(
    "session_turns",
    metadata,
    Column("session_id", String(64), ForeignKey("sessions.id", ondelete="CASCADE"), primary_key=True),
    Column("turn", Integer, primary_key=True),
    Column("parent_turn", Integer, nullable=False),
    Column("prompt", Text, nullable=False),
    Column("image_id", String(64), nullable=False),
    Column("call_id", String(64), nullable=False),
    Column("created_at", Float, nullable=False),
)

route_rejections = Table(
    "route_rejections",
    metadata,
    # The base address of the API, and the model that its edits endpoint rejected.
    Column("endpoint", String(255), primary_key=True),
    Column("model", String(255), primary_key=True),
    Column("rejected_at", Float, nullable=False),
)

_FIRST = (schema_version, images, image_parents, calls)
_SESSIONS = (sessions, session_turns, route_rejections)


def nanodollars(usd: Decimal) -> int:
    """Whole nano-dollars, the unit of all money columns."""
    return int((usd * NANO).to_integral_value())


def dollars(amount: int) -> Decimal:
    """US dollars of an amount in nano-dollars."""
    return Decimal(amount) / NANO


def _create(connection: Connection) -> None:
    metadata.create_all(connection, tables=_FIRST)
    connection.execute(insert(schema_version).values(version=0))


def _add_sessions(connection: Connection) -> None:
    metadata.create_all(connection, tables=_SESSIONS)


def _add_signs_of_life(connection: Connection) -> None:
    """The columns of schema 3; a database made by this version has them already."""
    present = {column["name"] for column in inspect(connection).get_columns(calls.name)}
    for column in (calls.c.alive_until, calls.c.fingerprint, calls.c.delivered_at):
        if column.name not in present:
            kind = column.type.compile(dialect=connection.dialect)
            connection.exec_driver_sql(f"ALTER TABLE calls ADD COLUMN {column.name} {kind}")
    _FINGERPRINT_INDEX.create(connection, checkfirst=True)


# What takes a database from version N to N + 1, for N = 0, 1, …; entries are only ever added.
MIGRATIONS: tuple[Callable[[Connection], None], ...] = (_create, _add_sessions, _add_signs_of_life)
VERSION = len(MIGRATIONS)


def read_version(connection: Connection) -> int:
    """The schema version of a database; 0 if it is empty."""
    if not inspect(connection).has_table(schema_version.name):
        return 0
    return int(connection.execute(select(schema_version.c.version)).scalar_one())


def migrate(connection: Connection) -> None:
    """Brings a database to the current version, inside the caller's transaction."""
    for step in MIGRATIONS[read_version(connection) :]:
        step(connection)
    connection.execute(update(schema_version).values(version=VERSION))
