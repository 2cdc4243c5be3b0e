"""The audit log: what people of a served library did, written in the transaction in which it happened.

The database refuses to change or delete a row. Whoever uses this machine alone leaves no rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from sqlalchemy import bindparam, func, insert, select

from gpt_image_mcp.errors import BudgetExceeded
from gpt_image_mcp.library.clock import now_of
from gpt_image_mcp.library.ownership import signed
from gpt_image_mcp.library.schema import audit, calls, dollars
from gpt_image_mcp.library.spending import day_of
from gpt_image_mcp.values.audit import AuditEntry

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from sqlalchemy import Connection, Row

    from gpt_image_mcp.errors import ImageError
    from gpt_image_mcp.library.database import Database
    from gpt_image_mcp.values.owners import Owner

_SUBJECT = ("owner", "group_name", "day", "kind", "model", "sandbox")
_AT_ONCE = 500
_ENDED = select(calls).where(calls.c.id == bindparam("ended_call"))
_NOTED = select(func.coalesce(func.sum(audit.c.cost_nanodollars), 0)).where(
    audit.c.call_id == bindparam("ended_call")
)


def note_ended(
    connection: Connection,
    call_ids: Iterable[str],
    *,
    error: ImageError | None = None,
    request_id: str = "",
    keeps_prompts: bool,
) -> None:
    """Notes how calls ended, of those that a person made.

    Args:
        connection: Of the transaction that ended them.
        call_ids: The calls.
        error: What they failed with.
        request_id: The API's id of the request; that of the error, where there is one.
        keeps_prompts: Whether their prompts are kept too.
    """
    for call_id in call_ids:
        call = connection.execute(_ENDED, {"ended_call": call_id}).mappings().one()
        if not call["owner"]:
            continue
        paid, reserved = call["cost_nanodollars"], call["reserved_nanodollars"]
        noted = int(connection.execute(_NOTED, {"ended_call": call_id}).scalar_one())
        _add(
            connection,
            {name: call[name] for name in _SUBJECT},
            call_id=call_id,
            outcome=error.code if error and call["status"] == "failed" else call["status"],
            cost_nanodollars=0 if call["sandbox"] else (reserved if paid is None else paid) - noted,
            request_id=(error.request_id if error else None) or request_id,
            prompt=call["prompt"] if keeps_prompts else None,
        )


def note_refused(connection: Connection, call: dict[str, Any], *, keeps_prompts: bool) -> None:
    """Notes a call of a person that was not made because a budget does not leave enough for it."""
    prompt = call["prompt"] if keeps_prompts else None
    _add(connection, call, call_id=call["id"], outcome=BudgetExceeded.code, prompt=prompt)


def note_deleted(connection: Connection, image: Row[Any], *, owner: Owner) -> None:
    """Notes that a person deleted an image, which may be another's of the same group."""
    today = day_of(connection, now_of(connection))
    subject = {**signed(owner), "day": today, "kind": "delete", "model": image.model}
    _add(connection, subject, call_id=image.call_id, image_id=image.id, outcome="deleted")


def _add(connection: Connection, subject: Mapping[str, Any], **happened: Any) -> None:
    """Adds a row: who and what, as the row of a call or an image has it, and what happened."""
    now = now_of(connection).timestamp()
    known = {name: subject[name] for name in _SUBJECT if name in subject}
    connection.execute(insert(audit), {"id": uuid4().hex, "at": now, **known, **happened})


@dataclass(frozen=True, slots=True)
class AuditLog:
    """The audit log of everybody, for whoever runs the library. Raises ``StorageFailed`` as others do."""

    database: Database

    def entries(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        person: str = "",
        group: str = "",
    ) -> Iterator[AuditEntry]:
        """The rows of a time, of one person, of one group, oldest first; read as they are asked for."""
        query = select(audit).order_by(audit.c.at, audit.c.id)
        if since:
            query = query.where(audit.c.at >= since.timestamp())
        if until:
            query = query.where(audit.c.at < until.timestamp())
        if person:
            query = query.where(audit.c.owner == person)
        if group:
            query = query.where(audit.c.group_name == group)
        few = query.execution_options(yield_per=_AT_ONCE)
        with self.database.reading() as connection, connection.execute(few) as rows:
            yield from map(_entry, rows)


def _entry(row: Row[Any]) -> AuditEntry:
    return AuditEntry(
        id=row.id,
        at=datetime.fromtimestamp(row.at, UTC),
        day=row.day,
        person=row.owner,
        group=row.group_name,
        kind=row.kind,
        model=row.model,
        outcome=row.outcome,
        cost_usd=dollars(row.cost_nanodollars),
        sandbox=row.sandbox,
        call_id=row.call_id,
        image_id=row.image_id,
        request_id=row.request_id,
        prompt=row.prompt,
    )
