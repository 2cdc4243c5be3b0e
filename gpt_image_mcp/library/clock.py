"""The time by which all processes of a library judge what they share, as their own clocks may differ."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import Connection

# How long a call that runs counts as alive after it said so.
CALL_LEASE_SECONDS = 30.0
# Less than this may be the way to the database and back.
_TOLERANCE = timedelta(seconds=1)


def now_of(connection: Connection) -> datetime:
    """The time now, by the clock of the database."""
    return by_database(connection, datetime.now(UTC))


def steady_now(connection: Connection) -> float:
    """Seconds by which leases run out: nobody is taken for gone because a clock was set.

    With SQLite those since the machine was started, which all its processes share; with PostgreSQL those of
    the clock of the database.
    """
    if connection.dialect.name == "sqlite":
        return time.monotonic()
    return now_of(connection).timestamp()


def lease_window(connection: Connection, lease_seconds: float) -> tuple[float, float]:
    """When a lease that holds now may end, first and last, by ``steady_now``.

    One that ends much later was taken before the machine was started, or the clock of the database set back;
    clocks of machines may differ a little.
    """
    now = steady_now(connection)
    return now, now + 2 * lease_seconds


def by_database(connection: Connection, moment: datetime) -> datetime:
    """A moment of this machine's clock, by that of the database; with SQLite they are the same."""
    if connection.dialect.name == "sqlite":
        return moment
    now: datetime = connection.exec_driver_sql("SELECT clock_timestamp()").scalar_one()
    ahead = now - datetime.now(UTC)
    return moment + ahead if abs(ahead) > _TOLERANCE else moment
