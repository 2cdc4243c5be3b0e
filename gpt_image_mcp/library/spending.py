"""What the images that a search finds cost together, by day, model and session."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import JSON, func, literal, null, select

from gpt_image_mcp.library.matching import is_whole_days, parts_by_days
from gpt_image_mcp.library.tables import dollars, search_entries, search_groups
from gpt_image_mcp.money import OTHERS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from sqlalchemy import ColumnElement, Connection, Select

    from gpt_image_mcp.library.matching import Matching
    from gpt_image_mcp.library.readers import Readers

    _Amounts = defaultdict[str | None, int]

_ENTRY, _GROUP = search_entries.c, search_groups.c
_MOST_SESSIONS = 100
# If a larger share of the newest than this have the words, it is asked which lack them.
_COMMON_SHARE = 0.6
# If a larger share than this have them, halves are asked for at the same time.
_LARGE_SHARE = 0.05
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


def sum_up(readers: Readers, wanted: Matching) -> tuple[int, Spending]:
    """How many images match, and what they cost together."""
    parts = parts_by_days(readers.first, wanted)
    questions = [question for part in parts for question in _questions(readers.first, part)]
    answers = readers.ask(
        [_as_columns(readers.first, question) for question in questions], at_once=wanted.is_large
    )
    sums = _Sums()
    for columns in answers:
        sums.add([column or [] for column in columns])
    return sums.images, sums.spending()


def _questions(connection: Connection, wanted: Matching) -> list[Select[Any]]:
    """Rows of a day, a model, a session, and the images and nano-dollars that these add or take away.

    A row that is not about a day, a model or a session has nothing there.
    """
    is_by_days = is_whole_days(wanted.search)
    if is_by_days and not wanted.has_words:
        return _of_groups(wanted)
    share = wanted.share(connection)
    parts = wanted.halves() if wanted.is_large and share > _LARGE_SHARE else (wanted,)
    if is_by_days and share > _COMMON_SHARE:
        # Fewer entries lack the words: what all cost, less what these cost.
        return [*(_of_entries(part, part.lacking(_COUNTED), sign=-1) for part in parts), *_of_groups(wanted)]
    return [_of_entries(part, part.candidates(_COUNTED)) for part in parts]


def _of_groups(wanted: Matching) -> list[Select[Any]]:
    """For all that the groups of a search hold."""
    if wanted.numbers:
        return [wanted.groups((*_KEYS, _GROUP.images, _GROUP.spent_nanodollars))]
    # All of them the database sums itself, in the order of an index for each key.
    images, spent = func.sum(_GROUP.images), func.sum(_GROUP.spent_nanodollars)
    day, model, session_id = _KEYS
    nothing = null()
    return [
        wanted.groups([day, nothing, nothing, images, spent]).group_by(day),
        wanted.groups([nothing, model, nothing, literal(0), spent]).group_by(model),
        wanted.groups([nothing, nothing, session_id, literal(0), spent]).group_by(session_id),
    ]


def _of_entries(wanted: Matching, entries: Select[Any], *, sign: int = 1) -> Select[Any]:
    """For entries, counted by group; as groups are fewer, which of them count is asked last."""
    counted = entries.group_by(_ENTRY.group_id).subquery()
    rows = wanted.groups([*_KEYS, sign * counted.c.found, sign * counted.c.spent])
    return rows.join(counted, counted.c.group_id == _GROUP.id)


class _Sums:
    """Numbers of images and nano-dollars, while they are added up."""

    def __init__(self) -> None:
        self.images = 0
        self._by_day: _Amounts = defaultdict(int)
        self._by_model: _Amounts = defaultdict(int)
        self._by_session: _Amounts = defaultdict(int)

    def add(self, columns: Sequence[list[Any]]) -> None:
        """Adds the rows of a question, given by columns."""
        *names, images, spent = columns
        self.images += sum(images)
        for sums, keys in zip((self._by_day, self._by_model, self._by_session), names, strict=True):
            for key, amount in zip(keys, spent, strict=True):
                sums[key] += amount

    def spending(self) -> Spending:
        """What was added, in US dollars; what came to nothing is left out."""
        by_day = _named(self._by_day)
        return Spending(
            total_usd=dollars(sum(by_day.values())),
            by_day=_dollars(dict(sorted(by_day.items(), reverse=True))),
            by_model=_dollars(_highest_first(_named(self._by_model))),
            by_session=_dollars(_costliest(_named(self._by_session))),
        )


def _named(sums: _Amounts) -> dict[str, int]:
    return {name: amount for name, amount in sums.items() if name is not None and amount}


def _as_columns(connection: Connection, rows: Select[Any]) -> Select[Any]:
    """The columns of rows, each as one JSON value: to hand over rows takes longer than to find them."""
    of = func.json_agg if connection.dialect.name == "postgresql" else func.json_group_array
    columns: list[ColumnElement[Any]] = [of(column, type_=JSON) for column in rows.subquery().c]
    return select(*columns)


def _highest_first(amounts: dict[str, int]) -> dict[str, int]:
    return dict(Counter(amounts).most_common())


def _costliest(sessions: dict[str, int]) -> dict[str, int]:
    """Of images in sessions, the sessions that cost most, and the rest as one."""
    amounts = _highest_first({name: amount for name, amount in sessions.items() if name})
    costliest = dict(itertools.islice(amounts.items(), _MOST_SESSIONS))
    if others := sum(amounts.values()) - sum(costliest.values()):
        costliest[OTHERS] = others
    return costliest


def _dollars(amounts: dict[str, int]) -> dict[str, Decimal]:
    return {name: dollars(amount) for name, amount in amounts.items()}
