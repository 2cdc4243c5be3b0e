"""What the images that a search finds cost together, by day, model and session."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import JSON, func, literal, null, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from gpt_image_mcp.library.matching import is_whole_days, parts_by_days
from gpt_image_mcp.library.readers import Question
from gpt_image_mcp.library.tables import dollars, search_entries, search_groups
from gpt_image_mcp.money import OTHERS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from sqlalchemy import ColumnElement, Connection, Select
    from sqlalchemy.sql.compiler import SQLCompiler

    from gpt_image_mcp.library.conditions import Conditions
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
    sums = _Sums()
    for columns in readers.ask(questions, at_once=wanted.is_large):
        sums.add([column or [] for column in columns])
    return sums.images, sums.spending()


def _questions(connection: Connection, wanted: Matching) -> list[Question]:
    """For rows of a day, a model, a session, and the images and nano-dollars that these add or take away.

    A row that is not about a day, a model or a session has nothing there.
    """
    is_by_days = is_whole_days(wanted.search)
    if is_by_days and not wanted.conditions.has_words:
        return _about_groups(wanted)
    share = wanted.share(connection)
    parts = wanted.halves() if wanted.is_large and share > _LARGE_SHARE else (wanted,)
    if is_by_days and share > _COMMON_SHARE:
        # Fewer entries lack the words: what all cost, less what these cost.
        lacking = [Question(_of_those_lacking(part.conditions), part.values) for part in parts]
        return [*lacking, *_about_groups(wanted)]
    return [Question(_of_candidates(part.conditions), part.values) for part in parts]


def _about_groups(wanted: Matching) -> list[Question]:
    """For all that the groups of a search hold."""
    # The groups of some days or models are fewer than those of all, which the database better sums itself.
    statements = _of_some_groups if wanted.numbers else _of_all_groups
    return [Question(statement, wanted.values) for statement in statements(wanted.conditions)]


@lru_cache
def _of_some_groups(conditions: Conditions) -> tuple[Select[Any], ...]:
    return (_as_columns(conditions.groups((*_KEYS, _GROUP.images, _GROUP.spent_nanodollars))),)


@lru_cache
def _of_all_groups(conditions: Conditions) -> tuple[Select[Any], ...]:
    """Each in the order of an index."""
    images, spent = func.sum(_GROUP.images), func.sum(_GROUP.spent_nanodollars)
    day, model, session_id = _KEYS
    nothing = null()
    return (
        _as_columns(conditions.groups([day, nothing, nothing, images, spent]).group_by(day)),
        _as_columns(conditions.groups([nothing, model, nothing, literal(0), spent]).group_by(model)),
        _as_columns(
            conditions.groups([nothing, nothing, session_id, literal(0), spent]).group_by(session_id)
        ),
    )


@lru_cache
def _of_candidates(conditions: Conditions) -> Select[Any]:
    return _of_entries(conditions, conditions.candidates(_COUNTED), sign=1)


@lru_cache
def _of_those_lacking(conditions: Conditions) -> Select[Any]:
    return _of_entries(conditions, conditions.lacking(_COUNTED), sign=-1)


def _of_entries(conditions: Conditions, entries: Select[Any], *, sign: int) -> Select[Any]:
    """For entries, counted by group; as groups are fewer, which of them count is asked last."""
    counted = entries.group_by(_ENTRY.group_id).subquery()
    rows = conditions.groups([*_KEYS, sign * counted.c.found, sign * counted.c.spent])
    return _as_columns(rows.join(counted, counted.c.group_id == _GROUP.id))


def _as_columns(rows: Select[Any]) -> Select[Any]:
    """The columns of rows, each as one JSON value: to hand over rows takes longer than to find them."""
    columns: list[ColumnElement[Any]] = [_ArrayOf(column) for column in rows.subquery().c]
    return select(*columns)


class _ArrayOf(FunctionElement[Any]):
    """All values of a column as a JSON array; null if there are none."""

    type = JSON()
    inherit_cache = True


@compiles(_ArrayOf)
def _array_of(element: _ArrayOf, compiler: SQLCompiler, **options: Any) -> str:
    name = "json_agg" if compiler.dialect.name == "postgresql" else "json_group_array"
    return f"{name}({compiler.process(element.clauses, **options)})"


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
