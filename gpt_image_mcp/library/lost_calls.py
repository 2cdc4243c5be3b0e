"""Calls whose process ended without a word: which they are, and what is said of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from gpt_image_mcp.errors import OutcomeUnknown
from gpt_image_mcp.library.clock import CALL_LEASE_SECONDS, lease_window
from gpt_image_mcp.library.kept_bodies import kept_body
from gpt_image_mcp.library.processes import is_gone
from gpt_image_mcp.library.schema import calls
from gpt_image_mcp.object_paths import location

if TYPE_CHECKING:
    from sqlalchemy import Connection


def lost_calls(connection: Connection) -> list[str]:
    """Ids of the calls that count as running and whose process is gone, or says no more that it lives."""
    first, last = lease_window(connection, CALL_LEASE_SECONDS)
    running = select(calls.c.id, calls.c.alive_until, calls.c.process).where(calls.c.status == "running")
    return [
        call.id
        for call in connection.execute(running)
        if not first <= call.alive_until <= last or is_gone(call.process)
    ]


def error_of_lost_call(call_id: str) -> OutcomeUnknown:
    """The error of such a call; it names the file in which the answer of the API is kept, if it came."""
    message = (
        "The server that made this call was stopped before it was finished. Whether a picture was made and "
        "billed cannot be told."
    )
    where, answer = "into the output folder", kept_body(call_id)
    if answer is not None:
        message += f" What the API answered is kept in {location(answer)}."
        where += ", into that file, which may hold the picture as base64,"
    return OutcomeUnknown(
        message, next_step=f"Look {where} and at the usage page of the account before you call again."
    )
