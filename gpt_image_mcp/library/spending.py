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
    of_candidates,
    of_groups,
    of_sessions,
    of_those_lacking,
)
from gpt_image_mcp.library.matching import is_whole_days, parts_by_days
from gpt_image_mcp.library.readers import Question
from gpt_image_mcp.library.tables import dollars, search_groups, search_sessions
from gpt_image_mcp.money import OTHERS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from sqlalchemy import Connection

    from gpt_image_mcp.library.matching import Matching
    from gpt_image_mcp.library.readers import Readers

_SESSION = search_sessions.c
_MOST_SESSIONS = 100
# If a larger share of the newest than this have the words, it is asked which lack them.
_COMMON_SHARE = 0.6
# If an answer has a larger share than this of the entries, halves are asked for at the same time.
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


@dataclass(frozen=True, slots=True)
class _Addend:
    """A question for amounts that are added, or taken away."""

    question: Question
    is_taken_away: bool = False


def sum_up(readers: Readers, wanted: Matching) -> tuple[int, Spending]:
    """How many images match, and what they cost together."""
    parts = parts_by_days(readers.first, wanted)
    addends = [addend for part in parts for addend in _addends(readers.first, part)]
    answers = readers.ask([addend.question for addend in addends], at_once=wanted.is_large)
    sums = _Sums(readers.first)
    for addend, answer in zip(addends, answers, strict=True):
        amounts = Amounts.of(answer)
        sums.add(-amounts if addend.is_taken_away else amounts)
    return sums.images, _spending(readers.first, sums)


def _addends(connection: Connection, wanted: Matching) -> list[_Addend]:
    """Whose sum is what matches."""
    conditions, values = wanted.conditions, wanted.values
    of_all = [_Addend(Question(of(conditions), values)) for of in (of_groups, of_sessions)]
    is_by_days = is_whole_days(wanted.search)
    if is_by_days and not conditions.has_words:
        return of_all
    share = wanted.share(connection)
    if is_by_days and share > _COMMON_SHARE:
        # Fewer entries lack the words: what all cost, less what these cost.
        parts = _parts(wanted, share=1 - share)
        lacking = [Question(of_those_lacking(part.conditions), part.values) for part in parts]
        return [*of_all, *(_Addend(question, is_taken_away=True) for question in lacking)]
    parts = _parts(wanted, share=share)
    return [_Addend(Question(of_candidates(part.conditions), part.values)) for part in parts]


def _parts(wanted: Matching, *, share: float) -> tuple[Matching, ...]:
    """What to ask for at the same time, if an answer has this share of the entries."""
    return wanted.halves() if wanted.is_large and share > _LARGE_SHARE else (wanted,)


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
