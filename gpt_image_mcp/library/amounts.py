"""What is asked about the cost of images: what they add to the sums of their groups and sessions.

Columns are handed over as one JSON value each: to hand over rows takes longer than to find them. SQLite does
not add them up, because it would sort them by group first.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import JSON, null, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from gpt_image_mcp.library.tables import NO_SESSION, search_entries, search_groups, search_sums

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Row, Select
    from sqlalchemy.sql.compiler import SQLCompiler

    from gpt_image_mcp.library.conditions import Conditions

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
        sessions: One number for each amount; what is in no session is not among them.
        spent_in_sessions: What is to be added to these sessions.
    """

    images: int
    groups: Sequence[int]
    spent: Sequence[int]
    sessions: Sequence[int]
    spent_in_sessions: Sequence[int]

    @classmethod
    def of(cls, answer: Row[Any]) -> Amounts:
        """The answer to one of the statements below."""
        columns: list[list[int]] = [column or [] for column in answer]
        groups, spent, sessions, spent_in_sessions, *images = columns
        return cls(
            images=sum(images[0]) if images else len(groups),
            groups=groups,
            spent=spent,
            sessions=sessions,
            spent_in_sessions=spent_in_sessions,
        )

    def __neg__(self) -> Amounts:
        """The same to take away."""
        return replace(
            self,
            images=-self.images,
            spent=[-amount for amount in self.spent],
            spent_in_sessions=[-amount for amount in self.spent_in_sessions],
        )


@lru_cache
def of_candidates(conditions: Conditions) -> Select[*tuple[Any, ...]]:
    """The amount of each entry that matches."""
    return _of_entries(conditions.candidates(_OF_ENTRY))


@lru_cache
def of_those_lacking(conditions: Conditions) -> Select[*tuple[Any, ...]]:
    """The amount of each entry that lacks a word."""
    return _of_entries(conditions.lacking(_OF_ENTRY))


@lru_cache
def of_groups(conditions: Conditions) -> Select[*tuple[Any, ...]]:
    """What all images of the groups cost."""
    if conditions.of_session:
        rows = conditions.sums((_SUM.group_id, _SUM.spent_nanodollars, _SUM.images))
    else:
        rows = conditions.groups((_GROUP.id, _GROUP.spent_nanodollars, _GROUP.images))
    group, spent, images = map(_ArrayOf, rows.subquery().c)
    return select(group, spent, null(), null(), images)


@lru_cache
def of_sessions(conditions: Conditions) -> Select[*tuple[Any, ...]]:
    """The same for the sessions of the groups."""
    rows = conditions.sums((_SUM.session_number, _SUM.spent_nanodollars))
    session, spent = map(_ArrayOf, rows.where(_SUM.session_number != NO_SESSION).subquery().c)
    return select(null(), null(), session, spent, null())


def _of_entries(entries: Select[Any]) -> Select[*tuple[Any, ...]]:
    group, session, spent = entries.subquery().c
    in_sessions = session != NO_SESSION
    return select(
        _ArrayOf(group),
        _ArrayOf(spent),
        _ArrayOf(session).filter(in_sessions),
        _ArrayOf(spent).filter(in_sessions),
    )
