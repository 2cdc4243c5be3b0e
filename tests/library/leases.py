"""Time that passes for calls and sessions that somebody is at work on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import update

from gpt_image_mcp.library.schema import calls, sessions

if TYPE_CHECKING:
    from datetime import timedelta

    from gpt_image_mcp.library.database import Database


def let_pass(database: Database, passed: timedelta) -> None:
    """Makes all leases as old as if they had been taken so much earlier."""
    seconds = passed.total_seconds()
    with database.writing() as connection:
        connection.execute(update(sessions).values(lease_until=sessions.c.lease_until - seconds))
        connection.execute(update(calls).values(alive_until=calls.c.alive_until - seconds))
