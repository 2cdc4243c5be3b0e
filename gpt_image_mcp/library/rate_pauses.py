"""Until when the API asked to wait, which all processes of a library heed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select

from gpt_image_mcp.library.clock import now_of
from gpt_image_mcp.library.schema import rate_pauses

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from gpt_image_mcp.library.database import Database


@dataclass(frozen=True, slots=True)
class RatePauses:
    """The pauses by address of the API. Every method raises ``StorageFailed`` if it cannot be used.

    They are given and kept as seconds from now, by the clock of the database.
    """

    database: Database

    def seconds_left(self, endpoint: str) -> float:
        """How long callers are still to wait; not positive if they are not."""
        with self.database.reading() as connection:
            return _paused_until(connection, endpoint) - now_of(connection).timestamp()

    def pause(self, endpoint: str, seconds: float) -> None:
        """Notes that callers are to wait so long; a longer pause of before stays."""
        with self.database.writing() as connection:
            until = max(_paused_until(connection, endpoint), now_of(connection).timestamp() + seconds)
            connection.execute(delete(rate_pauses).where(rate_pauses.c.endpoint == endpoint))
            connection.execute(insert(rate_pauses), {"endpoint": endpoint, "paused_until": until})


def _paused_until(connection: Connection, endpoint: str) -> float:
    query = select(rate_pauses.c.paused_until).where(rate_pauses.c.endpoint == endpoint)
    return float(connection.execute(query).scalar_one_or_none() or 0)
