"""Admission control: whether the limits leave enough for a call, and what is left of each.

Everything here happens inside the caller's transaction: what a writing one has summed up, nobody changes
before its reservation is made.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import case, func, select

from gpt_image_mcp.errors import BudgetExceeded
from gpt_image_mcp.library.naming import is_of_model
from gpt_image_mcp.library.schema import NANO, calls, dollars, nanodollars
from gpt_image_mcp.library.spending import zone_of
from gpt_image_mcp.values.budgets import Limit, Standing

if TYPE_CHECKING:
    from collections.abc import Iterable
    from decimal import Decimal

    from sqlalchemy import ColumnElement, Connection

    from gpt_image_mcp.values.budgets import Period

_COST, _RESERVED = calls.c.cost_nanodollars, calls.c.reserved_nanodollars
_SUMS = (
    func.coalesce(func.sum(_COST), 0).label("spent"),
    func.coalesce(func.sum(case((_COST.is_(None), _RESERVED), else_=0)), 0).label("reserved"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """A call that wants to reserve money.

    Attributes:
        usd: The most it may cost; None if nobody knows.
        day: That of the library on which it began.
        call_id: The call that has reserved less already; empty for a new one.
    """

    model: str
    usd: Decimal | None
    day: str
    call_id: str = ""


def refusal(connection: Connection, charge: Charge, limits: Iterable[Limit]) -> BudgetExceeded | None:
    """Why a call may not be made; None if every limit leaves enough, or it costs nothing."""
    if charge.usd == 0:
        return None
    for limit in limits:
        if charge.usd is None:  # it may be one of the model, by a name that nobody told us
            return _of_unknown_price(charge.model)
        if not counts(limit, charge.model):
            continue
        if limit.period == "call":
            if charge.usd > limit.usd:
                return _over_call_limit(charge.usd, limit)
            continue
        standing = standing_of(connection, limit, charge.day, without=charge.call_id)
        used = nanodollars(standing.spent_usd + standing.reserved_usd)
        if used + nanodollars(charge.usd) > limit.usd * NANO:
            return _over_budget(charge.usd, standing)
    return None


def counts(limit: Limit, model: str) -> bool:
    """Whether calls of a model count: of the limit's own, by any of its names, or of a snapshot of it."""
    return not limit.model or any(is_of_model(model, name) for name in (limit.model, *limit.model_names))


def standing_of(connection: Connection, limit: Limit, day: str, *, without: str = "") -> Standing:
    """How far a limit of a day or a month is used up.

    Args:
        connection: Of a transaction.
        limit: Not one for each call.
        day: In the time zone of the library.
        without: The id of a call that does not count.
    """
    first, last = (day, day) if limit.period == "day" else (f"{day[:7]}-01", f"{day[:7]}-31")
    conditions = [calls.c.day.between(first, last), calls.c.sandbox.is_(False), *_payer(limit)]
    if without:
        conditions.append(calls.c.id != without)
    query = select(*_SUMS).where(*conditions)
    if limit.model:
        query = query.add_columns(calls.c.model).group_by(calls.c.model)
    sums = [row for row in connection.execute(query) if not limit.model or counts(limit, row.model)]
    return Standing(
        limit=limit,
        spent_usd=dollars(sum(int(row.spent) for row in sums)),
        reserved_usd=dollars(sum(int(row.reserved) for row in sums)),
        begins_anew=f"{_end_of(limit.period, day)} 00:00 ({zone_of(connection)})",
    )


def _payer(limit: Limit) -> list[ColumnElement[bool]]:
    """Whose calls count."""
    columns = {"person": calls.c.owner, "group": calls.c.group_name}
    return [columns[limit.payer] == limit.name] if limit.payer in columns else []


def _end_of(period: Period, day: str) -> date:
    """The first day that a period does not have any more."""
    first = date.fromisoformat(day)
    if period == "day":
        return first + timedelta(days=1)
    return (first.replace(day=1) + timedelta(days=31)).replace(day=1)


def _of_unknown_price(model: str) -> BudgetExceeded:
    message = f"What {model} costs is not known, and a budget is set."
    return BudgetExceeded(
        message, next_step="Use a model with known prices (see the models command), or have the limit lifted."
    )


def _over_call_limit(quoted: Decimal, limit: Limit) -> BudgetExceeded:
    message = (
        f"The call may cost ${quoted:.4f}; the limit for one call is ${limit.usd:.4f} ({limit.setting})."
    )
    return BudgetExceeded(
        message, next_step="Use a lower quality, a smaller size or fewer images; estimate_cost compares them."
    )


def _over_budget(quoted: Decimal, standing: Standing) -> BudgetExceeded:
    limit = standing.limit
    setting = f" ({limit.setting})" if limit.setting else ""
    message = (
        f"The call may cost ${quoted:.4f}; of the ${limit.usd:.4f} of {limit.title}{setting}, "
        f"${standing.spent_usd:.4f} is spent, ${standing.reserved_usd:.4f} is reserved and "
        f"${standing.left_usd:.4f} is left. The budget begins anew at {standing.begins_anew}."
    )
    return BudgetExceeded(
        message,
        next_step="Use a lower quality or smaller size (estimate_cost compares them), or wait until then.",
    )
