"""What the images that a search finds cost together, by day, model and session."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import case, func, literal, select, union_all

from gpt_image_mcp.library.matching import groups, is_common, is_whole_days, lacking, matching
from gpt_image_mcp.library.tables import dollars, search_entries, search_groups
from gpt_image_mcp.money import OTHERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from decimal import Decimal

    from sqlalchemy import ColumnElement, Connection, Select

    from gpt_image_mcp.library.matching import Search

_ENTRY, _GROUP = search_entries.c, search_groups.c
_MOST_SESSIONS = 100
# By group: how many entries, and what they cost.
_COUNTED: tuple[ColumnElement[Any], ...] = (
    _ENTRY.group_id,
    func.count().label("found"),
    func.sum(_ENTRY.spent_nanodollars).label("spent"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """What images cost; the sandbox is free.

    Attributes:
        by_day: US dollars by local day, latest first.
        by_model: Highest first.
        by_session: The 100 that cost most, highest first, and if there are more these as ``OTHERS``.
    """

    total_usd: Decimal
    by_day: dict[str, Decimal]
    by_model: dict[str, Decimal]
    by_session: dict[str, Decimal]


@dataclass(frozen=True, slots=True)
class _Sums:
    """What to select from the groups: how many entries of a group match, and what these cost.

    Attributes:
        of: Columns of the groups in which something can match.
    """

    of: Callable[[Sequence[ColumnElement[Any]]], Select[Any]]
    found: ColumnElement[Any]
    spent: ColumnElement[Any]


def sum_up(connection: Connection, search: Search) -> tuple[int, Spending]:
    """How many images match, and what they cost together."""
    # Summed up by the database: a large library has thousands of groups, and their rows take long to fetch.
    sums = _sums(connection, search)
    found, spent = func.sum(sums.found), func.sum(sums.spent).label("spent")
    in_sessions = func.sum(case((_GROUP.session_id != "", sums.spent), else_=0))

    def by(column: ColumnElement[Any], *more: ColumnElement[Any]) -> Select[Any]:
        more = more or (literal(0), literal(0))
        kind = literal(column.name).label("kind")
        return sums.of([kind, column.label("name"), spent, *more]).group_by(column).having(found > 0)

    sessions = by(_GROUP.session_id).where(_GROUP.session_id != "").order_by(spent.desc())
    costliest = sessions.limit(_MOST_SESSIONS).subquery()
    query = union_all(by(_GROUP.day, found, in_sessions), by(_GROUP.model), select(costliest))
    return _added_up(connection.execute(query).all())


def _added_up(rows: Iterable[Any]) -> tuple[int, Spending]:
    """Number and cost from the sums of days, of models and of the costliest sessions."""
    total = spent_in_sessions = 0
    amounts = {column.name: Counter[str]() for column in (_GROUP.day, _GROUP.model, _GROUP.session_id)}
    for kind, name, spent, found, in_sessions in rows:
        amounts[kind][name] = spent
        total += found
        spent_in_sessions += in_sessions
    by_day, by_model, by_session = amounts.values()
    if others := spent_in_sessions - by_session.total():
        by_session[OTHERS] = others
    return int(total), Spending(
        total_usd=dollars(by_day.total()),
        by_day=_dollars(sorted(by_day.items(), reverse=True)),
        by_model=_dollars(by_model.most_common()),
        by_session=_dollars(by_session.items()),
    )


def _dollars(amounts: Iterable[tuple[str, int]]) -> dict[str, Decimal]:
    return {name: dollars(amount) for name, amount in amounts if amount}


def _sums(connection: Connection, search: Search) -> _Sums:
    """Number and cost of what matches."""
    if is_whole_days(search):
        if not search.query.strip():
            return _Sums(partial(groups, search), _GROUP.images, _GROUP.spent_nanodollars)
        if is_common(connection, search):
            # Fewer entries lack the words: what all cost, less what these cost.
            lack = lacking(search, _COUNTED).group_by(_ENTRY.group_id).cte("lack")
            found = _GROUP.images - func.coalesce(lack.c.found, 0)
            spent = _GROUP.spent_nanodollars - func.coalesce(lack.c.spent, 0)
            return _Sums(
                lambda columns: groups(search, columns).outerjoin(lack, lack.c.group_id == _GROUP.id),
                found,
                spent,
            )
    have = matching(search, connection, _COUNTED).group_by(_ENTRY.group_id).cte("have")
    # There are fewer groups than entries: which of them count is asked last.
    return _Sums(
        lambda columns: groups(search, columns).join(have, have.c.group_id == _GROUP.id),
        have.c.found,
        have.c.spent,
    )
