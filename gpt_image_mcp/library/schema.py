"""The tables of the database, in portable SQLAlchemy Core. The table of words is in ``search.fulltext``.

Money is kept as whole nano-dollars, so that sums are exact in every database. Times are seconds since 1970
(UTC); ``day`` is one of the library's time zone, which a daily budget counts. Every row has an owner, which
is empty for a local user, and the group that the owner was charged with. Whoever changes a table adds a step
to ``migrations``.
"""

from __future__ import annotations

from decimal import Decimal

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)

metadata = MetaData()
NANO = Decimal(1_000_000_000)
# What the values of a row raise in which the disk changed a bit: SQLite lets a column of text hold a number.
WRONG_VALUES = (ArithmeticError, AttributeError, TypeError, ValueError)

schema_version = Table("schema_version", metadata, Column("version", Integer, nullable=False))

# The time zone of whoever made the library, in which all processes count its days.
library_zone = Table("library_zone", metadata, Column("name", String(64), nullable=False))

_GROUP = ("day", "model", "session_id")
images = Table(
    "images",
    metadata,
    # A key that full-text search can use: SQLite's takes nothing but whole numbers.
    Column("number", Integer, primary_key=True),
    Column("id", String(64), nullable=False, unique=True),
    Column("owner", String(255), nullable=False, default=""),
    Column("group_name", String(255), nullable=False, default=""),
    Column("uri", Text, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("day", String(10), nullable=False),
    Column("model", String(255), nullable=False),
    Column("session_id", String(64), nullable=False, default=""),
    Column("call_id", String(64), nullable=False, default=""),
    # What the image adds to a sum: nothing where the cost is unknown, or where another image of the same call
    # has it. Negative in the sandbox: what it would have been.
    Column("spent_nanodollars", BigInteger, nullable=False),
    # The whole image as JSON; the other columns are what is searched, sorted and summed.
    Column("document", Text, nullable=False),
    # Both hold all that searches and sums look at, so that no document is read but those of the page. The
    # first is in the order of pages, the second in that of the groups that are summed.
    Index("images_newest", "owner", "created_at", "id", *_GROUP, "spent_nanodollars"),
    Index("images_sums", "owner", *_GROUP, "created_at", "spent_nanodollars"),
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

# Of an image that a user deleted: what its row added to sums, and when it went. Neither prompt nor path.
deleted_images = Table(
    "deleted_images",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("owner", String(255), nullable=False, default=""),
    Column("group_name", String(255), nullable=False, default=""),
    Column("created_at", Float, nullable=False),
    Column("day", String(10), nullable=False),
    Column("model", String(255), nullable=False),
    Column("session_id", String(64), nullable=False, default=""),
    Column("call_id", String(64), nullable=False, default=""),
    Column("spent_nanodollars", BigInteger, nullable=False),
    Column("deleted_at", Float, nullable=False),
)

_SUMMED = ("model", "sandbox", "cost_nanodollars", "reserved_nanodollars")
calls = Table(
    "calls",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("owner", String(255), nullable=False, default=""),
    Column("group_name", String(255), nullable=False, default=""),
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
    # Until when a running call counts as alive without another sign of life.
    Column("alive_until", Float, nullable=False),
    # What makes a call the same as another (its idempotency key), and when its result reached whoever asked.
    Column("idempotency_key", String(64)),
    Column("acknowledged_at", Float),
    # Whether the same call joins this one: its caller is gone, or was given its id.
    Column("is_joinable", Boolean, nullable=False, default=False),
    # Which process makes it, as ``processes`` names them.
    Column("process", String(255), nullable=False),
    # Budgets are summed up at every call, those of a month over many rows: these two have all that they need.
    Index("calls_of_day", "day", *_SUMMED),
    Index("calls_day", "owner", "day"),
    Index("calls_group_day", "group_name", "day", *_SUMMED),
    Index("calls_kind", "model", "quality", "size", "started_at"),
    Index("calls_idempotency_key", "idempotency_key"),
    # Running calls are looked for at every collection, among all that ever were.
    Index("calls_status", "status", "started_at"),
    # All that the sums over everybody look at: without it, 300,000 calls take SQLite two seconds.
    Index(
        "calls_totals",
        *("model", "kind", "status", "sandbox"),
        *("started_at", "finished_at", "cost_nanodollars", "reserved_nanodollars"),
    ),
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("owner", String(255), nullable=False, default=""),
    Column("group_name", String(255), nullable=False, default=""),
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

# Until when an endpoint asked all callers to wait, which all processes heed.
rate_pauses = Table(
    "rate_pauses",
    metadata,
    Column("endpoint", String(255), primary_key=True),
    Column("paused_until", Float, nullable=False),
)

# What people of a served library did, one row for each ending. Triggers refuse to change or delete one.
audit = Table(
    "audit",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("at", Float, nullable=False),
    # That of the call, which budgets count it on.
    Column("day", String(10), nullable=False),
    Column("owner", String(255), nullable=False),
    Column("group_name", String(255), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("model", String(255), nullable=False),
    Column("outcome", String(32), nullable=False),
    # What the row adds to the sum of the day.
    Column("cost_nanodollars", BigInteger, nullable=False, default=0),
    Column("sandbox", Boolean, nullable=False, default=False),
    Column("call_id", String(64), nullable=False),
    Column("image_id", String(64), nullable=False, default=""),
    Column("request_id", String(255), nullable=False, default=""),
    # Only where the settings ask for it.
    Column("prompt", Text),
    Index("audit_at", "at"),
    Index("audit_call", "call_id"),
)

# Pictures that people of a served library send from elsewhere, through addresses that work once.
uploads = Table(
    "uploads",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("owner", String(255), nullable=False),
    Column("group_name", String(255), nullable=False),
    Column("expires_at", Float, nullable=False),
    # When the picture came, and its file; until then there is none.
    Column("received_at", Float),
    Column("file_path", Text, nullable=False, default=""),
    Index("uploads_expire", "expires_at"),
)


def nanodollars(usd: Decimal) -> int:
    """Whole nano-dollars, the unit of all money columns."""
    return int((usd * NANO).to_integral_value())


def dollars(amount: int) -> Decimal:
    """US dollars of an amount in nano-dollars."""
    return Decimal(amount) / NANO
