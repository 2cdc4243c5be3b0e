"""Until when the API asked to wait, which all processes of a library heed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select

from gpt_image_mcp.library.clock import steady_now
from gpt_image_mcp.library.schema import rate_pauses

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from gpt_image_mcp.library.database import Database


_LONGEST_SECONDS = 3600.0  # no caller asks for more


@dataclass(frozen=True, slots=True)
class RatePauses:
    """The pauses by address of the API. Every method raises ``StorageFailed`` if it cannot be used.

    They are given as seconds from now, and kept by ``steady_now``.
    """

    database: Database

    def seconds_left(self, endpoint: str) -> float:
        """How long callers are still to wait; not positive if they are not."""
        with self.database.reading() as connection:
            return _seconds_left(connection, endpoint)

    def pause(self, endpoint: str, seconds: float) -> None:
        """Notes that callers are to wait so long; a longer pause of before stays."""
        with self.database.writing() as connection:
            until = steady_now(connection) + max(_seconds_left(connection, endpoint), seconds)
            connection.execute(delete(rate_pauses).where(rate_pauses.c.endpoint == endpoint))
            connection.execute(insert(rate_pauses), {"endpoint": endpoint, "paused_until": until})


def _seconds_left(connection: Connection, endpoint: str) -> float:
    query = select(rate_pauses.c.paused_until).where(rate_pauses.c.endpoint == endpoint)
    left = float(connection.execute(query).scalar_one_or_none() or 0) - steady_now(connection)
    # One of before the machine was started, or the clock of the database set back, may end in months; clocks
    # of machines may differ a little.
    return left if left <= 2 * _LONGEST_SECONDS else 0.0
