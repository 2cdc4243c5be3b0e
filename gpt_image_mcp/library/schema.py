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
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    insert,
    inspect,
    select,
    update,
)

from gpt_image_mcp.library.search.fulltext import create_words

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
# Since schema 4. Running calls are looked for at every collection, among all that ever were.
_STATUS_INDEX = Index("calls_status", calls.c.status, calls.c.started_at)

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

# What images are searched and summed by, made from their documents: narrow, so that much is read quickly.
# Since schema 8 as it is here.
search_groups = Table(
    "search_groups",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("owner", String(255), nullable=False),
    Column("day", String(10), nullable=False),
    Column("model", String(255), nullable=False),
    # Sums over its entries.
    Column("images", Integer, nullable=False, default=0),
    Column("spent_nanodollars", BigInteger, nullable=False, default=0),
    # Its entries are between these numbers, some of which may be gone.
    Column("first_number", Integer),
    Column("last_number", Integer),
    Index("search_groups_key", "owner", "day", "model", unique=True),
)

NO_SESSION = 0
search_sessions = Table(
    "search_sessions",
    metadata,
    # From 1.
    Column("number", Integer, primary_key=True),
    Column("owner", String(255), nullable=False),
    Column("session_id", String(64), nullable=False),
    Index("search_sessions_key", "owner", "session_id", unique=True),
)

# Sums over the entries of a session in a group.
search_sums = Table(
    "search_sums",
    metadata,
    Column("group_id", Integer, ForeignKey("search_groups.id"), primary_key=True),
    Column("session_number", Integer, primary_key=True, autoincrement=False),
    Column("images", Integer, nullable=False),
    Column("spent_nanodollars", BigInteger, nullable=False),
    Index("search_sums_session", "session_number", "group_id", "spent_nanodollars", "images"),
    sqlite_with_rowid=False,
)

search_entries = Table(
    "search_entries",
    metadata,
    # Rises with time, so that the newest come first without sorting.
    Column("number", Integer, primary_key=True),
    Column("image_id", String(64), ForeignKey("images.id", ondelete="CASCADE"), nullable=False, unique=True),
    Column("group_id", Integer, ForeignKey("search_groups.id"), nullable=False),
    Column("session_number", Integer, nullable=False),
    Column("created_at", Float, nullable=False),
    # What the image adds to a sum: nothing in the sandbox, or where another image of its call counts already.
    Column("spent_nanodollars", BigInteger, nullable=False),
    Index("search_entries_spent", "group_id", "session_number", "created_at", "spent_nanodollars"),
)

# Columns of consecutive entries: see ``packs``.
search_packs = Table(
    "search_packs",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    # SHA-256 of the columns.
    Column("digest", String(64), nullable=False),
    Column("groups", LargeBinary, nullable=False),
    Column("sessions", LargeBinary, nullable=False),
    Column("spent", LargeBinary, nullable=False),
)

_FIRST = (schema_version, images, image_parents, calls)
_SEARCH = (search_groups, search_sessions, search_sums, search_entries, search_packs)
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
    """The columns of schema 3."""
    _add_columns(connection, calls, "alive_until", "fingerprint", "delivered_at")
    _FINGERPRINT_INDEX.create(connection, checkfirst=True)


def _add_status(connection: Connection) -> None:
    """The index of schema 4."""
    _STATUS_INDEX.create(connection, checkfirst=True)


def _leave(_connection: Connection) -> None:
    """Schemas 5 to 7 changed nothing but what searches go by, which later ones make anew."""


def _renew_search(connection: Connection) -> None:
    """Makes what searches go by from the images, which for 100,000 takes a minute."""
    from gpt_image_mcp.library.search.indexing import index_all

    for name in ("packs", "entries", "sums", "sessions", "groups", "words"):
        connection.exec_driver_sql(f"DROP TABLE IF EXISTS search_{name}")
    metadata.create_all(connection, tables=_SEARCH)
    create_words(connection)
    index_all(connection)


def _add_columns(connection: Connection, into: Table, *names: str) -> None:
    """Adds columns to a table, unless this version made it: then it has them already."""
    present = {known["name"] for known in inspect(connection).get_columns(into.name)}
    for name in names:
        if name not in present:
            kind = into.c[name].type.compile(dialect=connection.dialect)
            connection.exec_driver_sql(f"ALTER TABLE {into.name} ADD COLUMN {name} {kind}")


# What takes a database from version N to N + 1, for N = 0, 1, …; entries are only ever added.
MIGRATIONS: tuple[Callable[[Connection], None], ...] = (
    _create,
    _add_sessions,
    _add_signs_of_life,
    _add_status,
    _leave,
    _leave,
    _leave,
    _renew_search,
)
VERSION = len(MIGRATIONS)


def read_version(connection: Connection) -> int:
    """The schema version of a database; 0 if it is empty."""
    if not inspect(connection).has_table(schema_version.name):
        return 0
    return int(connection.execute(select(schema_version.c.version)).scalar_one())


def migrate(connection: Connection) -> None:
    """Brings a database to the current version, inside the caller's transaction."""
    version = read_version(connection)
    for step in MIGRATIONS[version:]:
        step(connection)
    connection.execute(update(schema_version).values(version=max(version, VERSION)))
