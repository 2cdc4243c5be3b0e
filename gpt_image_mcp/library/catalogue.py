"""The database of the library: images, calls and spending.

SQLite by default, shared by all servers of a user: write-ahead logging lets them read while one writes, and
every writing transaction takes the write lock at once, so that sums and inserts belong together. PostgreSQL
by URL.
"""

from __future__ import annotations

import contextlib
import statistics
import threading
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import platformdirs
from pydantic import TypeAdapter
from sqlalchemy import Engine, create_engine, event, func, insert, select, update
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, SQLAlchemyError

from gpt_image_mcp.errors import BudgetExceeded, StorageFailed
from gpt_image_mcp.library.calls import CallRecord, CallStart, dump_error, load_error
from gpt_image_mcp.library.folders import APP
from gpt_image_mcp.library.tables import (
    VERSION,
    calls,
    dollars,
    image_parents,
    images,
    migrate,
    nanodollars,
    read_version,
)
from gpt_image_mcp.values import StoredImage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Row

    from gpt_image_mcp.errors import ImageError
    from gpt_image_mcp.values import CallStatus

BUSY_TIMEOUT_SECONDS = 10
_REMEMBERED_DURATIONS = 20
_IMAGE = TypeAdapter(StoredImage)


class Catalogue:
    """What is known about images and calls; opened with the first question.

    Args:
        url: A SQLAlchemy address; empty means SQLite in the user's data folder.

    Every method raises ``StorageFailed`` if the database cannot be used.
    """

    def __init__(self, url: str = "") -> None:
        self._url = url or f"sqlite:///{platformdirs.user_data_path(APP, appauthor=False) / 'library.db'}"
        self._opening = threading.Lock()
        self._engine: Engine | None = None

    def close(self) -> None:
        """Closes the connections."""
        if self._engine is not None:
            self._engine.dispose()

    def add_image(self, image: StoredImage) -> None:
        """Adds an image, or renews what is known about it."""
        made = image.provenance
        values = {
            "id": image.id,
            "owner": made.owner,
            "uri": image.file_path.as_uri(),
            "sha256": image.sha256,
            "created_at": image.created_at.timestamp(),
            "model": made.model,
            "prompt": made.prompt,
            "session_id": made.session_id,
            "call_id": made.call_id,
            "project_dir": made.project_dir,
            "cost_nanodollars": None if made.cost.usd is None else nanodollars(made.cost.usd),
            "sandbox": made.sandbox,
            "document": _IMAGE.dump_json(image).decode(),
        }
        with self._writing() as connection:
            connection.execute(images.delete().where(images.c.id == image.id))
            connection.execute(insert(images).values(values))
            if made.parents:
                rows = [{"child_id": image.id, "parent_id": parent} for parent in dict.fromkeys(made.parents)]
                connection.execute(insert(image_parents), rows)

    def find_image(self, image_id: str) -> StoredImage | None:
        """The image of this id."""
        return self._one_image(images.c.id == image_id)

    def find_by_path(self, path: Path) -> StoredImage | None:
        """The image that was last known to be at this absolute path."""
        return self._one_image(images.c.uri == path.as_uri())

    def find_by_sha256(self, digest: str) -> StoredImage | None:
        """The newest image with these bytes."""
        return self._one_image(images.c.sha256 == digest)

    def begin_call(self, call: CallStart, *, per_call_usd: Decimal | None, daily_usd: Decimal | None) -> None:
        """Reserves what a call may cost, and remembers it as running.

        Raises:
            BudgetExceeded: If it could cost more than a limit leaves; nothing is reserved.
        """
        limited = not call.sandbox and (per_call_usd is not None or daily_usd is not None)
        highest = call.quote.high_usd
        if limited and highest is None:
            message = f"What {call.model} costs is not known, and a budget is set."
            raise BudgetExceeded(
                message,
                next_step="Use a model with known prices (see the models command), or lift the limit.",
            )
        reserved = highest or Decimal(0)
        if limited and per_call_usd is not None and reserved > per_call_usd:
            raise _over_call_limit(reserved, per_call_usd)
        with self._writing() as connection:
            if limited and daily_usd is not None:
                spent = _spent(connection, _local_day(call.started_at))
                if spent + reserved > daily_usd:
                    raise _over_daily_budget(reserved, spent, daily_usd)
            connection.execute(insert(calls).values(_call_values(call, reserved)))

    def finish_call(
        self,
        call_id: str,
        *,
        status: CallStatus,
        cost_usd: Decimal | None = None,
        result_json: str | None = None,
        error: ImageError | None = None,
    ) -> None:
        """Settles a call: what it did cost takes the place of what was reserved.

        A failed call gives its reservation back. Where the outcome or the cost is unknown it stays.
        """
        amount = None if cost_usd is None else nanodollars(cost_usd)
        if amount is None and status == "failed":
            amount = 0
        values: dict[str, Any] = {
            "status": status,
            "finished_at": datetime.now(UTC).timestamp(),
            "cost_nanodollars": amount,
            "result": result_json,
            "error": None if error is None else dump_error(error),
        }
        with self._writing() as connection:
            connection.execute(update(calls).where(calls.c.id == call_id).values(values))

    def find_call(self, call_id: str) -> CallRecord | None:
        """The call of this id."""
        with self._reading() as connection:
            row = connection.execute(select(calls).where(calls.c.id == call_id)).one_or_none()
        return None if row is None else _call_record(row)

    def spent_usd(self, day: date) -> Decimal:
        """What was spent, or is reserved, on a local day; the sandbox does not count."""
        with self._reading() as connection:
            return _spent(connection, day.isoformat())

    def typical_seconds(self, *, model: str, quality: str, size: str, sandbox: bool) -> float | None:
        """The median duration of the latest completed calls of this kind; None if there were none."""
        query = (
            select(calls.c.finished_at - calls.c.started_at)
            .where(calls.c.model == model, calls.c.quality == quality, calls.c.size == size)
            .where(calls.c.status == "completed", calls.c.sandbox.is_(sandbox))
            .order_by(calls.c.started_at.desc())
            .limit(_REMEMBERED_DURATIONS)
        )
        with self._reading() as connection:
            durations = [float(seconds) for (seconds,) in connection.execute(query)]
        return statistics.median(durations) if durations else None

    def _one_image(self, condition: Any) -> StoredImage | None:
        query = select(images.c.document).where(condition).order_by(images.c.created_at.desc()).limit(1)
        with self._reading() as connection:
            document = connection.execute(query).scalar_one_or_none()
        return None if document is None else _IMAGE.validate_json(document)

    @contextlib.contextmanager
    def _reading(self) -> Iterator[Connection]:
        with self._failures_explained(), self._open().connect() as connection:
            yield connection

    @contextlib.contextmanager
    def _writing(self) -> Iterator[Connection]:
        with self._failures_explained(), self._open().begin() as connection:
            _take_write_lock(connection)
            yield connection

    def _open(self) -> Engine:
        with self._opening:
            if self._engine is None:
                engine = _engine(self._url)
                try:
                    _prepare(engine)
                except BaseException:
                    engine.dispose()
                    raise
                self._engine = engine
            return self._engine

    @contextlib.contextmanager
    def _failures_explained(self) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, OSError) as error:
            cause = error.orig if isinstance(error, DatabaseError) and error.orig else error
            message = f"The library database {_shown(self._url)} cannot be used: {cause}."
            raise StorageFailed(
                message,
                next_step="Check that its folder is writable and the disk is not full, or set "
                "GPT_IMAGE_DATABASE_URL to another one; a damaged file can be moved away and is made anew.",
            ) from error


def _engine(url: str) -> Engine:
    address = make_url(url)
    if address.get_backend_name() != "sqlite":
        return create_engine(address, pool_pre_ping=True)
    if address.database and address.database != ":memory:":
        Path(address.database).expanduser().parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(
        address, connect_args={"timeout": BUSY_TIMEOUT_SECONDS, "check_same_thread": False}
    )
    event.listen(engine, "connect", _configure_sqlite)
    return engine


def _configure_sqlite(connection: Any, _record: object) -> None:
    """Leaves transactions to us: Python's driver would begin them late, as readers."""
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _take_write_lock(connection: Connection) -> None:
    """Makes this transaction the only writer from its start, so that what it reads stays true."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        connection.exec_driver_sql("LOCK TABLE calls IN SHARE ROW EXCLUSIVE MODE")


def _prepare(engine: Engine) -> None:
    """Brings the schema up to date, once, whoever opens the database at the same time.

    Raises:
        StorageFailed: If a newer program made the database.
    """
    with engine.connect() as connection:
        version = read_version(connection)
    if version > VERSION:
        message = f"The library database has schema {version}; this program knows up to {VERSION}."
        raise StorageFailed(
            message, next_step="Update gpt-image-mcp, or set GPT_IMAGE_DATABASE_URL to another database."
        )
    if version < VERSION:
        with engine.begin() as connection:
            if engine.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            migrate(connection)


def _shown(url: str) -> str:
    """A database address without its password."""
    with contextlib.suppress(ArgumentError):
        return make_url(url).render_as_string(hide_password=True)
    return "in GPT_IMAGE_DATABASE_URL"


def _spent(connection: Connection, day: str) -> Decimal:
    amount = func.coalesce(calls.c.cost_nanodollars, calls.c.reserved_nanodollars)
    query = select(func.coalesce(func.sum(amount), 0)).where(
        calls.c.owner == "", calls.c.day == day, calls.c.sandbox.is_(False)
    )
    return dollars(int(connection.execute(query).scalar_one()))


def _local_day(moment: datetime) -> str:
    return moment.astimezone().date().isoformat()


def _call_values(call: CallStart, reserved: Decimal) -> dict[str, Any]:
    return {
        "id": call.id,
        "kind": call.kind,
        "status": "running",
        "model": call.model,
        "quality": call.quality,
        "size": call.size,
        "prompt": call.prompt,
        "sandbox": call.sandbox,
        "day": _local_day(call.started_at),
        "started_at": call.started_at.timestamp(),
        "reserved_nanodollars": nanodollars(reserved),
    }


def _call_record(row: Row[Any]) -> CallRecord:
    return CallRecord(
        id=row.id,
        status=row.status,
        model=row.model,
        quality=row.quality,
        size=row.size,
        prompt=row.prompt,
        started_at=datetime.fromtimestamp(row.started_at, UTC),
        reserved_usd=dollars(row.reserved_nanodollars),
        cost_usd=None if row.cost_nanodollars is None else dollars(row.cost_nanodollars),
        sandbox=row.sandbox,
        result_json=row.result,
        error=None if row.error is None else load_error(row.error),
    )


def _over_call_limit(quoted: Decimal, limit: Decimal) -> BudgetExceeded:
    message = (
        f"The call may cost ${quoted:.4f}; the limit for one call is ${limit:.4f} (GPT_IMAGE_MAX_COST_USD)."
    )
    return BudgetExceeded(
        message, next_step="Use a lower quality, a smaller size or a smaller n; estimate_cost compares them."
    )


def _over_daily_budget(quoted: Decimal, spent: Decimal, limit: Decimal) -> BudgetExceeded:
    message = (
        f"The call may cost ${quoted:.4f}; of today's budget of ${limit:.4f} (GPT_IMAGE_DAILY_BUDGET_USD) "
        f"${max(limit - spent, Decimal(0)):.4f} is left."
    )
    return BudgetExceeded(
        message,
        next_step="Use a lower quality or smaller size (estimate_cost compares them), or wait for tomorrow.",
    )
