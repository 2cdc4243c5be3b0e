"""What images cost together, by day, model and session."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from sqlalchemy import func, literal, select

from gpt_image_mcp.dates import zone_named
from gpt_image_mcp.library.schema import deleted_images, dollars, images, library_zone
from gpt_image_mcp.money import OTHERS
from gpt_image_mcp.values.history import Spending

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime
    from decimal import Decimal

    from sqlalchemy import ColumnElement, Connection, TextClause

_MOST_SESSIONS = 100
# One pass for all three sums. The index ``images_sums`` has the columns in this order, so SQLite neither
# reads the images themselves nor sorts.
_KEY = (images.c.day, images.c.model, images.c.session_id)
_GROUPS = select(*_KEY, func.count(), func.sum(images.c.spent_nanodollars)).group_by(*_KEY)
_OF_DELETED = select(
    *(deleted_images.c[column.name] for column in _KEY), literal(1), deleted_images.c.spent_nanodollars
)


def day_of(connection: Connection, moment: datetime) -> str:
    """The day of a moment in the time zone of the library."""
    if "zone" not in connection.info:  # which lives as long as the connection
        connection.info["zone"] = zone_named(connection.execute(select(library_zone.c.name)).scalar_one())
    return moment.astimezone(connection.info["zone"]).date().isoformat()


def sum_up(
    connection: Connection,
    conditions: Iterable[ColumnElement[bool] | TextClause],
    *,
    deleted: Iterable[ColumnElement[bool] | TextClause],
) -> tuple[int, Spending]:
    """How many images meet some conditions, and what they cost with the deleted ones that meet theirs."""
    there = connection.execute(_GROUPS.where(*conditions)).all()
    gone = connection.execute(_OF_DELETED.where(*deleted)).all()
    by_day, by_model, by_session = Counter[str](), Counter[str](), Counter[str]()
    for day, model, session_id, _, amount in (*there, *gone):
        if spent := int(amount):
            by_day[day] += spent
            by_model[model] += spent
            by_session[session_id] += spent
    del by_session[""]
    return sum(group[3] for group in there), Spending(
        total_usd=dollars(by_day.total()),
        by_day=_in_dollars(dict(sorted(by_day.items(), reverse=True))),
        by_model=_in_dollars(dict(by_model.most_common())),
        by_session=_in_dollars(_costliest(by_session)),
        deleted=len(gone),
    )


def _costliest(by_session: Counter[str]) -> dict[str, int]:
    """The sessions that cost most, and all others as one."""
    costliest = dict(by_session.most_common(_MOST_SESSIONS))
    if others := by_session.total() - sum(costliest.values()):
        costliest[OTHERS] = others
    return costliest


def _in_dollars(amounts: Mapping[str, int]) -> dict[str, Decimal]:
    return {name: dollars(amount) for name, amount in amounts.items()}
