"""What all calls of a library come to, whoever made them: sums for those who watch over a server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import case, func, select

from gpt_image_mcp.library.schema import calls, dollars
from gpt_image_mcp.values.call_totals import CallTotal

if TYPE_CHECKING:
    from gpt_image_mcp.library.database import Database

_KEY = (calls.c.model, calls.c.kind, calls.c.status, calls.c.sandbox)
_SECONDS = calls.c.finished_at - calls.c.started_at
_AMOUNT = func.coalesce(calls.c.cost_nanodollars, calls.c.reserved_nanodollars)
# The index ``calls_totals`` has all of these, so that neither prompts nor results are read.
TOTALS = select(
    *_KEY,
    func.count(),
    func.coalesce(func.sum(case((_SECONDS > 0, _SECONDS), else_=0.0)), 0.0),
    func.coalesce(func.sum(case((calls.c.sandbox, 0), else_=_AMOUNT)), 0),
).group_by(*_KEY)


def call_totals(database: Database) -> tuple[CallTotal, ...]:
    """The totals of all calls of everybody.

    Raises:
        StorageFailed: If the database cannot be used.
    """
    with database.reading() as connection:
        return tuple(
            CallTotal(
                model=row[0],
                kind=row[1],
                status=row[2],
                sandbox=bool(row[3]),
                count=row[4],
                seconds=float(row[5]),
                usd=dollars(int(row[6])),
            )
            for row in connection.execute(TOTALS)
        )
