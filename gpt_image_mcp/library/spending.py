"""What images cost together, by day, model and session."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from sqlalchemy import case, func, select

from gpt_image_mcp.dates import zone_named
from gpt_image_mcp.library.schema import deleted_images, dollars, images, library_zone
from gpt_image_mcp.money import OTHERS
from gpt_image_mcp.values.history import Spending

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime, tzinfo
    from decimal import Decimal

    from sqlalchemy import ColumnElement, Connection, TextClause

_MOST_SESSIONS = 100
# One pass for all three sums. The index ``images_sums`` has the columns in this order, so SQLite neither
# reads the images themselves nor sorts.
_KEY = (images.c.day, images.c.model, images.c.session_id)
_AMOUNT = images.c.spent_nanodollars
_GROUPS = select(
    *_KEY,
    func.count(),
    func.sum(case((_AMOUNT > 0, _AMOUNT), else_=0)),
    func.sum(case((_AMOUNT < 0, -_AMOUNT), else_=0)),
).group_by(*_KEY)
_OF_DELETED = select(*(deleted_images.c[column.name] for column in _KEY), deleted_images.c.spent_nanodollars)


def day_of(connection: Connection, moment: datetime) -> str:
    """The day of a moment in the time zone of the library."""
    return moment.astimezone(zone_of(connection)).date().isoformat()


def zone_of(connection: Connection) -> tzinfo:
    """The time zone of the library."""
    if "zone" not in connection.info:  # which lives as long as the connection
        connection.info["zone"] = zone_named(connection.execute(select(library_zone.c.name)).scalar_one())
    zone: tzinfo = connection.info["zone"]
    return zone


def sum_up(
    connection: Connection,
    conditions: Iterable[ColumnElement[bool] | TextClause],
    *,
    deleted: Iterable[ColumnElement[bool] | TextClause],
) -> tuple[int, Spending]:
    """How many images meet some conditions, and what they cost with the deleted ones that meet theirs."""
    total, paid, in_sandbox = 0, _Sums(), _Sums()
    for *key, count, spent, unpaid in connection.execute(_GROUPS.where(*conditions)):
        total += count
        paid.add(*key, amount=int(spent))
        in_sandbox.add(*key, amount=int(unpaid))
    gone = connection.execute(_OF_DELETED.where(*deleted)).all()
    for *key, amount in gone:
        (paid if amount > 0 else in_sandbox).add(*key, amount=abs(amount))
    unpaid_sums = in_sandbox.spending if in_sandbox.by_day else None
    return total, replace(paid.spending, in_sandbox=unpaid_sums, deleted=len(gone))


@dataclass(frozen=True, slots=True)
class _Sums:
    """Nano-dollars by day, model and session."""

    by_day: Counter[str] = field(default_factory=Counter[str])
    by_model: Counter[str] = field(default_factory=Counter[str])
    by_session: Counter[str] = field(default_factory=Counter[str])

    def add(self, day: str, model: str, session_id: str, *, amount: int) -> None:
        if amount:
            self.by_day[day] += amount
            self.by_model[model] += amount
        if amount and session_id:
            self.by_session[session_id] += amount

    @property
    def spending(self) -> Spending:
        return Spending(
            total_usd=dollars(self.by_day.total()),
            by_day=_in_dollars(dict(sorted(self.by_day.items(), reverse=True))),
            by_model=_in_dollars(dict(self.by_model.most_common())),
            by_session=_in_dollars(_costliest(self.by_session)),
        )


def _costliest(by_session: Counter[str]) -> dict[str, int]:
    """The sessions that cost most, and all others as one."""
    costliest = dict(by_session.most_common(_MOST_SESSIONS))
    if others := by_session.total() - sum(costliest.values()):
        costliest[OTHERS] = others
    return costliest


def _in_dollars(amounts: Mapping[str, int]) -> dict[str, Decimal]:
    return {name: dollars(amount) for name, amount in amounts.items()}
