"""What the images that a search finds cost together, by day, model and session."""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, func, select

from gpt_image_mcp.library.amounts import (
    GROUPS,
    Amounts,
    of_all,
    of_candidates,
    of_those_having,
    of_those_lacking,
)
from gpt_image_mcp.library.matching import is_whole_days, parts_by_days
from gpt_image_mcp.library.tables import NO_SESSION, dollars, search_groups, search_sessions
from gpt_image_mcp.money import OTHERS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from sqlalchemy import Connection

    from gpt_image_mcp.library.matching import Matching

_SESSION = search_sessions.c
_MOST_SESSIONS = 100
# If a larger share of the newest than this have the words, the others are summed and taken from all.
_COMMON_SHARE = 0.6
# If a larger share than this have them, all packs are read; else the entries that have them are looked up.
_LARGE_SHARE = 0.05
_HIGHEST_GROUP = select(func.coalesce(func.max(search_groups.c.id), 0))
_HIGHEST_SESSION = select(func.coalesce(func.max(_SESSION.number), 0))
_NAMES_OF_SESSIONS = select(_SESSION.number, _SESSION.session_id).where(
    _SESSION.number.in_(bindparam("numbers", expanding=True))
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


def sum_up(connection: Connection, wanted: Matching) -> tuple[int, Spending]:
    """How many images match, and what they cost together."""
    sums = _Sums(connection)
    for part in parts_by_days(connection, wanted):
        for amounts in _addends(connection, part):
            sums.add(amounts)
    return sums.images, _spending(connection, sums)


def _addends(connection: Connection, wanted: Matching) -> tuple[Amounts, ...]:
    """Amounts whose sum is that of what matches."""
    conditions = wanted.conditions
    is_by_days = is_whole_days(wanted.search)
    if is_by_days and not conditions.has_words:
        return of_all(connection, wanted)
    # What is packed says no more of the time of an entry than its day.
    share = wanted.share(connection) if is_by_days and not conditions.of_session else 0
    if share > _COMMON_SHARE:
        return *of_all(connection, wanted), -of_those_lacking(connection, wanted)
    if share > _LARGE_SHARE:
        return (of_those_having(connection, wanted),)
    return (of_candidates(connection, wanted),)


class _Sums:
    """Numbers of images, and nano-dollars by group and by session, while they are added up."""

    def __init__(self, connection: Connection) -> None:
        self.images = 0
        # Lists, because to count in a dictionary takes more than twice as long.
        self.by_group = [0] * (connection.execute(_HIGHEST_GROUP).scalar_one() + 1)
        self.by_session = [0] * (connection.execute(_HIGHEST_SESSION).scalar_one() + 1)

    def add(self, amounts: Amounts) -> None:
        """Adds amounts."""
        self.images += amounts.images
        _add(self.by_group, amounts.groups, amounts.spent)
        _add(self.by_session, amounts.sessions, amounts.spent_in_sessions)


def _add(sums: list[int], numbers: Sequence[int], amounts: Sequence[int]) -> None:
    for number, amount in zip(numbers, amounts, strict=True):
        sums[number] += amount


def _spending(connection: Connection, sums: _Sums) -> Spending:
    """In US dollars; what came to nothing is left out."""
    by_day, by_model = defaultdict[str, int](int), defaultdict[str, int](int)
    for group, day, model in zip(*_names_of_groups(connection), strict=True):
        if amount := sums.by_group[group]:
            by_day[day] += amount
            by_model[model] += amount
    return Spending(
        total_usd=dollars(sum(by_model.values())),
        by_day=_dollars(dict(sorted(by_day.items(), reverse=True))),
        by_model=_dollars(dict(Counter(by_model).most_common())),
        by_session=_dollars(_costliest(connection, sums.by_session)),
    )


def _names_of_groups(connection: Connection) -> tuple[list[int], list[str], list[str]]:
    """The ids, days and models of all groups."""
    ids, days, models = connection.execute(GROUPS).one()
    return ids or [], days or [], models or []


def _costliest(connection: Connection, amounts: Sequence[int]) -> dict[str, int]:
    """Of amounts by the number of a session, those of the sessions that cost most, and the rest as one."""
    amounts = [0, *amounts[NO_SESSION + 1 :]]
    least = min(heapq.nlargest(_MOST_SESSIONS, amounts))
    dear = [number for number, amount in enumerate(amounts) if amount and amount >= least]
    numbers = sorted(dear, key=amounts.__getitem__, reverse=True)[:_MOST_SESSIONS]
    rows = connection.execute(_NAMES_OF_SESSIONS, {"numbers": numbers})
    names = {row.number: row.session_id for row in rows}
    costliest = {names[number]: amounts[number] for number in numbers}
    if others := sum(amounts) - sum(costliest.values()):
        costliest[OTHERS] = others
    return costliest


def _dollars(amounts: dict[str, int]) -> dict[str, Decimal]:
    return {name: dollars(amount) for name, amount in amounts.items()}
