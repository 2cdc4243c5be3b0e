"""What images add to the sums of their groups and sessions: asked of the database, as columns.

Columns are handed over as one JSON value each: to hand over rows takes longer than to find them. SQLite does
not add them up, because it would sort them by group first.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import compress
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from sqlalchemy import JSON, null, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from gpt_image_mcp.library.packs import read_entries
from gpt_image_mcp.library.tables import NO_SESSION, search_entries, search_groups, search_sums

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Select
    from sqlalchemy.sql.compiler import SQLCompiler

    from gpt_image_mcp.library.conditions import Conditions
    from gpt_image_mcp.library.matching import Matching

_ENTRY, _GROUP, _SUM = search_entries.c, search_groups.c, search_sums.c
_OF_ENTRY = (_ENTRY.group_id, _ENTRY.session_number, _ENTRY.spent_nanodollars)


class _ArrayOf(FunctionElement[Any]):
    """All values of a column as a JSON array; null if there are none."""

    type = JSON()
    inherit_cache = True


@compiles(_ArrayOf)
def _array_of(element: _ArrayOf, compiler: SQLCompiler, **options: Any) -> str:
    name = "json_agg" if compiler.dialect.name == "postgresql" else "json_group_array"
    return f"{name}({compiler.process(element.clauses, **options)})"


# The names of all groups, as columns: ids, days and models.
GROUPS = select(_ArrayOf(_GROUP.id), _ArrayOf(_GROUP.day), _ArrayOf(_GROUP.model))


@dataclass(frozen=True, slots=True, kw_only=True)
class Amounts:
    """Nano-dollars, by columns.

    Attributes:
        images: How many images they are of.
        groups: One id for each amount.
        spent: What is to be added to these groups.
        sessions: One number for each amount; ``NO_SESSION`` may be among them.
        spent_in_sessions: What is to be added to these sessions.
    """

    images: int
    groups: Sequence[int]
    spent: Sequence[int]
    sessions: Sequence[int]
    spent_in_sessions: Sequence[int]

    def __neg__(self) -> Amounts:
        """The same to take away."""
        return replace(
            self,
            images=-self.images,
            spent=[-amount for amount in self.spent],
            spent_in_sessions=[-amount for amount in self.spent_in_sessions],
        )


_NOTHING = Amounts(images=0, groups=(), spent=(), sessions=(), spent_in_sessions=())


def of_all(connection: Connection, wanted: Matching) -> tuple[Amounts, Amounts]:
    """All images of the groups of a search, as groups and as sessions."""
    of_groups, of_sessions = _of_groups(wanted.conditions), _of_sessions(wanted.conditions)
    return _asked(connection, of_groups, wanted), _asked(connection, of_sessions, wanted)


def of_candidates(connection: Connection, wanted: Matching) -> Amounts:
    """The entries that match, each looked up: for searches that find few."""
    return _asked(connection, _of_candidates(wanted.conditions), wanted)


def of_those_having(connection: Connection, wanted: Matching) -> Amounts:
    """The entries in the groups that have the words of a full-text query."""
    return _packed(connection, _of_those_having(wanted.conditions), wanted)


def of_those_lacking(connection: Connection, wanted: Matching) -> Amounts:
    """The entries in the groups that lack one of the words."""
    return _packed(connection, _of_those_lacking(wanted.conditions), wanted)


def _asked(connection: Connection, statement: Select[*tuple[Any, ...]], wanted: Matching) -> Amounts:
    """The answer of four columns, or five, if a row stands for more than one image."""
    answer = connection.execute(statement, wanted.values).one()
    columns: list[list[int]] = [column or [] for column in answer]
    groups, spent, sessions, spent_in_sessions, *images = columns
    return Amounts(
        images=sum(images[0]) if images else len(groups),
        groups=groups,
        spent=spent,
        sessions=sessions,
        spent_in_sessions=spent_in_sessions,
    )


def _packed(connection: Connection, statement: Select[Any], wanted: Matching) -> Amounts:
    """The entries whose numbers are the answer, if they are in the groups."""
    numbers: list[int] = connection.execute(statement, wanted.values).scalar_one() or []
    if not numbers:
        return _NOTHING
    entries = read_entries(connection)
    groups = _at(numbers, entries.groups)
    if wanted.conditions.is_of_some_groups:
        some = frozenset(connection.execute(_ids_of_groups(wanted.conditions), wanted.values).scalars())
        are_in = [group in some for group in groups]
        numbers, groups = list(compress(numbers, are_in)), list(compress(groups, are_in))
    spent = _at(numbers, entries.spent)
    return Amounts(
        images=len(numbers),
        groups=groups,
        spent=spent,
        sessions=_at(numbers, entries.sessions),
        spent_in_sessions=spent,
    )


def _at(numbers: Sequence[int], column: Sequence[int]) -> Sequence[int]:
    """The values at many places of a column."""
    if len(numbers) == 1:  # then itemgetter would give no tuple
        return (column[numbers[0]],)
    # In two thirds of the time that a comprehension takes.
    values: tuple[int, ...] = itemgetter(*numbers)(column) if numbers else ()
    return values


@lru_cache
def _of_groups(conditions: Conditions) -> Select[*tuple[Any, ...]]:
    if conditions.of_session:
        rows = conditions.sums((_SUM.group_id, _SUM.spent_nanodollars, _SUM.images))
    else:
        rows = conditions.groups((_GROUP.id, _GROUP.spent_nanodollars, _GROUP.images))
    group, spent, images = map(_ArrayOf, rows.subquery().c)
    return select(group, spent, null(), null(), images)


@lru_cache
def _of_sessions(conditions: Conditions) -> Select[*tuple[Any, ...]]:
    rows = conditions.sums((_SUM.session_number, _SUM.spent_nanodollars))
    session, spent = map(_ArrayOf, rows.where(_SUM.session_number != NO_SESSION).subquery().c)
    return select(null(), null(), session, spent, null())


@lru_cache
def _of_candidates(conditions: Conditions) -> Select[*tuple[Any, ...]]:
    group, session, spent = map(_ArrayOf, conditions.candidates(_OF_ENTRY).subquery().c)
    return select(group, spent, session, spent)


@lru_cache
def _of_those_having(conditions: Conditions) -> Select[Any]:
    (number,) = conditions.numbers_having().subquery().c
    return select(_ArrayOf(number))


@lru_cache
def _of_those_lacking(conditions: Conditions) -> Select[Any]:
    (number,) = conditions.numbers_lacking().subquery().c
    return select(_ArrayOf(number))


@lru_cache
def _ids_of_groups(conditions: Conditions) -> Select[Any]:
    return conditions.groups([_GROUP.id])
