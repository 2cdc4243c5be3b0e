"""What the images that a search finds cost together, by day, model and session."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import JSON, func, select

from gpt_image_mcp.library.matching import cut_at_midnight, groups, is_whole_days, matching
from gpt_image_mcp.library.tables import dollars, search_entries, search_groups
from gpt_image_mcp.money import OTHERS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from sqlalchemy import ColumnElement, Connection, Select

    from gpt_image_mcp.library.matching import Matching

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


def sum_up(connection: Connection, wanted: Matching) -> tuple[int, Spending]:
    """How many images match, and what they cost together."""
    sums = _Sums()
    for part in cut_at_midnight(wanted.search):
        is_uncut = part == wanted.search
        sums.add_part(connection, wanted if is_uncut else matching(connection, part))
    return int(sums.images), sums.spending()


class _Sums:
    """Numbers of images and nano-dollars, while they are added up."""

    def __init__(self) -> None:
        self.images = 0
        self._by_day: defaultdict[str, int] = defaultdict(int)
        self._by_model: defaultdict[str, int] = defaultdict(int)
        self._by_session: defaultdict[str, int] = defaultdict(int)

    def add_part(self, connection: Connection, wanted: Matching) -> None:
        """Adds what matches an uncut search, or a part of one."""
        is_by_days = is_whole_days(wanted.search)
        if is_by_days and not wanted.has_words:
            self._add_groups(connection, wanted)
        elif is_by_days and wanted.is_common(connection):
            # Fewer entries lack the words: what all cost, less what these cost.
            self._add_groups(connection, wanted)
            self._add_entries(connection, wanted, wanted.lacking(_COUNTED), sign=-1)
        else:
            self._add_entries(connection, wanted, wanted.candidates(_COUNTED))

    def _add_groups(self, connection: Connection, wanted: Matching) -> None:
        """Adds all that the groups of a search hold."""
        if wanted.numbers:
            rows = groups(wanted.search, (*_KEYS, _GROUP.images, _GROUP.spent_nanodollars))
            self._add(_columns(connection, rows))
            return
        # All of them the database sums itself, in the order of an index for each key.
        images = connection.execute(groups(wanted.search, [func.sum(_GROUP.images)]))
        self.images += images.scalar_one() or 0
        spent = func.sum(_GROUP.spent_nanodollars)
        for key, sums in zip(_KEYS, (self._by_day, self._by_model, self._by_session), strict=True):
            names, amounts = _columns(connection, groups(wanted.search, [key, spent]).group_by(key))
            _add_up(sums, names, amounts)

    def _add_entries(
        self, connection: Connection, wanted: Matching, entries: Select[Any], *, sign: int = 1
    ) -> None:
        """Adds entries counted by group; as groups are fewer, which of them count is asked last."""
        counted = entries.group_by(_ENTRY.group_id).subquery()
        rows = groups(wanted.search, [*_KEYS, sign * counted.c.found, sign * counted.c.spent])
        self._add(_columns(connection, rows.join(counted, counted.c.group_id == _GROUP.id)))

    def _add(self, columns: Sequence[list[Any]]) -> None:
        """Adds days, models, sessions, numbers of images and nano-dollars."""
        days, models, session_ids, found, spent = columns
        self.images += sum(found)
        _add_up(self._by_day, days, spent)
        _add_up(self._by_model, models, spent)
        _add_up(self._by_session, session_ids, spent)

    def spending(self) -> Spending:
        """What was added, in US dollars; what came to nothing is left out."""
        by_day = {day: amount for day, amount in self._by_day.items() if amount}
        return Spending(
            total_usd=dollars(sum(by_day.values())),
            by_day=_dollars(dict(sorted(by_day.items(), reverse=True))),
            by_model=_dollars(_highest_first(self._by_model)),
            by_session=_dollars(_costliest(self._by_session)),
        )


def _columns(connection: Connection, rows: Select[Any]) -> Sequence[list[Any]]:
    """The columns of a result, each as one JSON value: to hand over rows takes longer than to find them."""
    of = func.json_agg if connection.dialect.name == "postgresql" else func.json_group_array
    columns = connection.execute(select(*(of(column, type_=JSON) for column in rows.subquery().c))).one()
    return [column or [] for column in columns]


def _add_up(sums: dict[str, int], names: list[str], amounts: list[int]) -> None:
    for name, amount in zip(names, amounts, strict=True):
        sums[name] += amount


def _highest_first(amounts: dict[str, int]) -> dict[str, int]:
    return {name: amount for name, amount in Counter(amounts).most_common() if amount}


def _costliest(sessions: dict[str, int]) -> dict[str, int]:
    """Of images in sessions, the sessions that cost most, and the rest as one."""
    amounts = _highest_first({name: amount for name, amount in sessions.items() if name})
    costliest = dict(itertools.islice(amounts.items(), _MOST_SESSIONS))
    if others := sum(amounts.values()) - sum(costliest.values()):
        costliest[OTHERS] = others
    return costliest


def _dollars(amounts: dict[str, int]) -> dict[str, Decimal]:
    return {name: dollars(amount) for name, amount in amounts.items()}
