"""What the images that a search finds cost together, by day, model and session."""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, select

from gpt_image_mcp.library.schema import NO_SESSION, dollars, search_groups, search_sessions
from gpt_image_mcp.library.search.columns import in_columns, read_columns
from gpt_image_mcp.library.search.matching import parts_by_days
from gpt_image_mcp.library.search.sums import Sums
from gpt_image_mcp.money import OTHERS
from gpt_image_mcp.values.history import Spending

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from sqlalchemy import Connection

    from gpt_image_mcp.library.search.matching import Matching
    from gpt_image_mcp.library.search.packs import Packs

_GROUP, _SESSION = search_groups.c, search_sessions.c
_MOST_SESSIONS = 100
_NAMES_OF_GROUPS = in_columns(select(_GROUP.id, _GROUP.day, _GROUP.model))
_NAMES_OF_SESSIONS = select(_SESSION.number, _SESSION.session_id).where(
    _SESSION.number.in_(bindparam("numbers", expanding=True))
)


def sum_up(connection: Connection, wanted: Matching, packs: Packs) -> tuple[int, Spending]:
    """How many images match, and what they cost together."""
    sums = Sums(connection, packs)
    for part in parts_by_days(connection, wanted):
        sums.add(part)
    return sums.images, _spending(connection, sums)


def _spending(connection: Connection, sums: Sums) -> Spending:
    """In US dollars; what came to nothing is left out."""
    by_day, by_model = defaultdict[str, int](int), defaultdict[str, int](int)
    for group, day, model in zip(*read_columns(connection, _NAMES_OF_GROUPS), strict=True):
        if amount := sums.by_group[group]:
            by_day[day] += amount
            by_model[model] += amount
    return Spending(
        total_usd=dollars(sum(by_model.values())),
        by_day=_dollars(dict(sorted(by_day.items(), reverse=True))),
        by_model=_dollars(dict(Counter(by_model).most_common())),
        by_session=_dollars(_costliest(connection, sums.by_session)),
    )


def _costliest(connection: Connection, amounts: Sequence[int]) -> dict[str, int]:
    """Of amounts by the number of a session, those of the sessions that cost most, and the rest as one."""
    sessions = range(NO_SESSION + 1, len(amounts))
    dearest = heapq.nlargest(_MOST_SESSIONS, sessions, key=amounts.__getitem__)
    numbers = [number for number in dearest if amounts[number]]
    rows = connection.execute(_NAMES_OF_SESSIONS, {"numbers": numbers})
    names = {row.number: row.session_id for row in rows}
    costliest = {names[number]: amounts[number] for number in numbers}
    if others := sum(amounts[NO_SESSION + 1 :]) - sum(costliest.values()):
        costliest[OTHERS] = others
    return costliest


def _dollars(amounts: dict[str, int]) -> dict[str, Decimal]:
    return {name: dollars(amount) for name, amount in amounts.items()}
