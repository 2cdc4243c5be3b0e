"""Adding up what images cost, by their groups and sessions.

SQLite finds what is to be added, but does not add it up, because it would sort it by group first.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from gpt_image_mcp.library.schema import (
    NO_SESSION,
    search_entries,
    search_groups,
    search_sessions,
    search_sums,
)
from gpt_image_mcp.library.search.columns import in_columns, read_columns
from gpt_image_mcp.library.search.matching import is_whole_days
from gpt_image_mcp.library.search.packs import read_latest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection, Select

    from gpt_image_mcp.library.search.conditions import Conditions
    from gpt_image_mcp.library.search.matching import Matching
    from gpt_image_mcp.library.search.packs import Entries, Packs

_ENTRY, _GROUP, _SUM = search_entries.c, search_groups.c, search_sums.c
# If a larger share of the newest than this have the words, the others are summed and taken from all.
_COMMON_SHARE = 0.6
# If a larger share than this have them, all packs are read; else the entries that have them are looked up.
_LARGE_SHARE = 0.05
_HIGHEST_GROUP = select(func.coalesce(func.max(_GROUP.id), 0))
_HIGHEST_SESSION = select(func.coalesce(func.max(search_sessions.c.number), 0))


class Sums:
    """Sums of images, while they are added up.

    Attributes:
        images: How many there are.
        by_group: Nano-dollars by the id of a group.
        by_session: Nano-dollars by the number of a session; that of ``NO_SESSION`` says nothing.
    """

    def __init__(self, connection: Connection, packs: Packs) -> None:
        self._connection, self._packs = connection, packs
        self.images = 0
        # Lists, because to count in a dictionary takes more than twice as long.
        self.by_group = [0] * (connection.execute(_HIGHEST_GROUP).scalar_one() + 1)
        self.by_session = [0] * (connection.execute(_HIGHEST_SESSION).scalar_one() + 1)

    def add(self, wanted: Matching) -> None:
        """Adds what matches a search, on the way that is the shortest."""
        conditions, is_by_days = wanted.conditions, is_whole_days(wanted.search)
        if is_by_days and not conditions.has_words:
            self._add_all(wanted)
            return
        # What is packed says no more of the time of an entry than its day.
        share = wanted.share(self._connection) if is_by_days and not conditions.of_session else 0
        if share > _COMMON_SHARE:
            self._add_all(wanted)
            for entries, numbers in self._entries_of(_of_those_lacking(conditions), wanted):
                self._add_entries(_negated(entries, numbers), numbers)
                self.images -= len(numbers)
        elif share > _LARGE_SHARE:
            for entries, numbers in self._entries_of(_of_those_having(conditions), wanted):
                self._add_entries(entries, numbers)
                self.images += len(numbers)
        else:
            self._add_candidates(wanted)

    def _add_all(self, wanted: Matching) -> None:
        """All images of the groups of a search."""
        conditions, values = wanted.conditions, wanted.values
        groups, spent, images = read_columns(self._connection, _of_groups(conditions), values)
        self.images += sum(images)
        _add(self.by_group, groups, spent)
        sessions, spent = read_columns(self._connection, _of_sessions(conditions), values)
        _add(self.by_session, sessions, spent)

    def _add_candidates(self, wanted: Matching) -> None:
        """The entries that match, each looked up: for searches that find few."""
        statement = _of_candidates(wanted.conditions)
        groups, sessions, spent = read_columns(self._connection, statement, wanted.values)
        self.images += len(groups)
        _add(self.by_group, groups, spent)
        _add(self.by_session, sessions, spent)

    def _add_entries(self, entries: Entries, numbers: list[int]) -> None:
        """What some entries cost; they are counted by the caller, who knows whether they come or go."""
        groups, sessions, spent = entries.groups, entries.sessions, entries.spent
        by_group, by_session = self.by_group, self.by_session
        for number in numbers:  # up to half of the library: every step counts
            amount = spent[number]
            by_group[groups[number]] += amount
            by_session[sessions[number]] += amount

    def _entries_of(
        self, statement: Select[*tuple[Any, ...]], wanted: Matching
    ) -> Iterator[tuple[Entries, list[int]]]:
        """Entries, and those of their numbers that are in the answer and in the groups of a search."""
        (numbers,) = read_columns(self._connection, statement, wanted.values)
        if not numbers:
            return
        numbers.sort()  # full-text search gives them in this order, but does not promise it
        others = self._other_groups(wanted)
        packed = self._packs.read(self._connection)
        end = len(packed.groups)
        middle = bisect_left(numbers, end)
        latest = read_latest(self._connection, first=end)
        for entries, some in ((packed, numbers[:middle]), (latest, numbers[middle:])):
            groups = entries.groups
            yield entries, [number for number in some if groups[number] not in others] if others else some

    def _other_groups(self, wanted: Matching) -> frozenset[int]:
        """The ids of the groups in which nothing matches, as far as their entries are where others match."""
        if not wanted.conditions.is_of_some_groups:
            return frozenset()
        (ids,) = read_columns(self._connection, _ids_of_others(wanted.conditions), wanted.values)
        return frozenset(ids)


def _add(sums: list[int], numbers: Sequence[int], amounts: Sequence[int]) -> None:
    for number, amount in zip(numbers, amounts, strict=True):
        sums[number] += amount


def _negated(entries: Entries, numbers: Sequence[int]) -> Entries:
    """Some entries, which cost less than nothing."""
    return replace(entries, spent={number: -entries.spent[number] for number in numbers})


@lru_cache
def _of_groups(conditions: Conditions) -> Select[*tuple[Any, ...]]:
    if conditions.of_session:
        return in_columns(conditions.sums((_SUM.group_id, _SUM.spent_nanodollars, _SUM.images)))
    return in_columns(conditions.groups((_GROUP.id, _GROUP.spent_nanodollars, _GROUP.images)))


@lru_cache
def _of_sessions(conditions: Conditions) -> Select[*tuple[Any, ...]]:
    sums = conditions.sums((_SUM.session_number, _SUM.spent_nanodollars))
    return in_columns(sums.where(_SUM.session_number != NO_SESSION))


@lru_cache
def _of_candidates(conditions: Conditions) -> Select[*tuple[Any, ...]]:
    return in_columns(
        conditions.candidates((_ENTRY.group_id, _ENTRY.session_number, _ENTRY.spent_nanodollars))
    )


@lru_cache
def _of_those_having(conditions: Conditions) -> Select[*tuple[Any, ...]]:
    return in_columns(conditions.numbers_having())


@lru_cache
def _of_those_lacking(conditions: Conditions) -> Select[*tuple[Any, ...]]:
    return in_columns(conditions.numbers_lacking())


@lru_cache
def _ids_of_others(conditions: Conditions) -> Select[*tuple[Any, ...]]:
    return in_columns(conditions.other_groups([_GROUP.id]))
