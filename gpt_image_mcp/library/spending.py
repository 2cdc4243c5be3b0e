"""What the images that a search finds cost together, by day, model and session."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import func

from gpt_image_mcp.library.matching import groups, is_common, is_whole_days, lacking, matching
from gpt_image_mcp.library.tables import dollars, search_entries, search_groups
from gpt_image_mcp.money import OTHERS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from sqlalchemy import ColumnElement, Connection, Select

    from gpt_image_mcp.library.matching import Search

_ENTRY, _GROUP = search_entries.c, search_groups.c
_MOST_SESSIONS = 100
_KEYS = (_GROUP.day, _GROUP.model, _GROUP.session_id)
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


def sum_up(connection: Connection, search: Search) -> tuple[int, Spending]:
    """How many images match, and what they cost together."""
    total = 0
    by_day, by_model, by_session = Counter[str](), Counter[str](), Counter[str]()
    rows: Sequence[Any] = connection.execute(_sums(connection, search)).all()
    for day, model, session_id, found, spent in rows:
        total += found
        if spent:
            by_day[day] += spent
            by_model[model] += spent
            by_session[session_id] += spent
    del by_session[""]
    costliest = dict(by_session.most_common(_MOST_SESSIONS))
    if others := by_session.total() - sum(costliest.values()):
        costliest[OTHERS] = others
    return int(total), Spending(
        total_usd=dollars(by_day.total()),
        by_day=_dollars(dict(sorted(by_day.items(), reverse=True))),
        by_model=_dollars(dict(by_model.most_common())),
        by_session=_dollars(costliest),
    )


def _sums(connection: Connection, search: Search) -> Select[Any]:
    """Number and cost of what matches, by day, model and session."""
    if is_whole_days(search):
        if not search.query.strip():
            return groups(search, [*_KEYS, _GROUP.images, _GROUP.spent_nanodollars])
        if is_common(connection, search):
            # Fewer entries lack the words: what all cost, less what these cost.
            lack = lacking(search, _COUNTED).group_by(_ENTRY.group_id).subquery()
            found = _GROUP.images - func.coalesce(lack.c.found, 0)
            spent = _GROUP.spent_nanodollars - func.coalesce(lack.c.spent, 0)
            return groups(search, [*_KEYS, found, spent]).outerjoin(lack, lack.c.group_id == _GROUP.id)
    have = matching(search, connection, _COUNTED).group_by(_ENTRY.group_id).subquery()
    # There are fewer groups than entries: which of them count is asked last.
    return groups(search, [*_KEYS, have.c.found, have.c.spent]).join(have, have.c.group_id == _GROUP.id)


def _dollars(amounts: dict[str, int]) -> dict[str, Decimal]:
    return {name: dollars(amount) for name, amount in amounts.items()}
