"""What searches ask of groups and entries, in the words of SQL, without the values they ask for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import String, and_, bindparam, false, select

from gpt_image_mcp.library.schema import search_entries, search_groups, search_sums
from gpt_image_mcp.library.search.fulltext import HasEach, matches, search_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Select, Table

_ENTRY, _GROUP, _SUM = search_entries.c, search_groups.c, search_sums.c
_HAVING, _LACKING = (matches(bindparam(name, type_=String)) for name in ("having", "lacking"))
_READ = HasEach(search_words.c.words, bindparam("read", type_=String))


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """Which conditions a search has; equal conditions make equal statements, which can be kept.

    To build a statement takes SQLAlchemy longer than SQLite needs for most answers. So the values are
    parameters, by the names given here, and go with the execution.

    Attributes:
        of_owner: There are images of others, too.
        of_models: The model is one of ``models``.
        of_session: The session is that of ``session_number``.
        is_since: Made at ``since``, which is on ``first_day``, or later.
        is_until: Made before ``until``; the moment before is on ``last_day``.
        has_words: Words are asked for, be it words that nothing has.
        is_by_full_text: Words are those of a full-text query, ``having``; the entries that lack one are found
            by ``lacking``.
        are_words_read: Words are looked for in those of each entry, ``read``. Neither is so for a query of
            nothing but punctuation, which nothing has.
        is_narrow: Few entries are in the groups, so that the index of the groups leads to them.
        is_between: The numbers are ``first_number`` to ``last_number``.
    """

    of_owner: bool
    of_models: bool
    of_session: bool
    is_since: bool
    is_until: bool
    has_words: bool
    is_by_full_text: bool
    are_words_read: bool
    is_narrow: bool
    is_between: bool

    @property
    def number(self) -> ColumnElement[int]:
        """The number of an entry, of the table that leads to the entries."""
        return search_words.c.rowid if self.is_by_full_text else _ENTRY.number

    @property
    def is_of_some_groups(self) -> bool:
        """Whether something can match in some groups only."""
        return self.of_owner or self.of_models or self.of_session or self.is_since or self.is_until

    def groups(self, columns: Sequence[ColumnElement[Any]]) -> Select[Any]:
        """Columns of the groups in which something can match."""
        found = select(*columns).where(_GROUP.owner == "")
        if self.of_models:
            found = found.where(_GROUP.model.in_(bindparam("models", expanding=True)))
        if self.of_session:
            found = found.where(_GROUP.id.in_(select(_SUM.group_id).where(_is_of_session(search_sums))))
        if self.is_since:
            found = found.where(_GROUP.day >= bindparam("first_day"))
        if self.is_until:
            found = found.where(_GROUP.day <= bindparam("last_day"))
        return found

    def other_groups(self, columns: Sequence[ColumnElement[Any]]) -> Select[Any]:
        """Columns of the groups in which nothing can match, but that have entries between the numbers."""
        found = select(*columns).where(_GROUP.id.not_in(self.groups([_GROUP.id])))
        if self.is_between:
            begins = _GROUP.first_number <= bindparam("last_number")
            found = found.where(begins, _GROUP.last_number >= bindparam("first_number"))
        return found

    def sums(self, columns: Sequence[ColumnElement[Any]]) -> Select[Any]:
        """Columns of the sums of sessions in these groups."""
        found = select(*columns)
        if self.of_session:
            found = found.where(_is_of_session(search_sums))
        return found.where(_SUM.group_id.in_(self.groups([_GROUP.id]))) if self.is_of_some_groups else found

    def candidates(self, columns: Sequence[ColumnElement[Any]]) -> Select[Any]:
        """Columns of the entries that match."""
        found = self._in_groups(self._between(select(*columns)))
        if self.has_words:
            found = found.join(search_words, search_words.c.rowid == _ENTRY.number).where(self._have_words())
        if self.is_since:
            found = found.where(_ENTRY.created_at >= bindparam("since"))
        if self.is_until:
            found = found.where(_ENTRY.created_at < bindparam("until"))
        return found

    def newest(self, columns: Sequence[ColumnElement[Any]]) -> Select[Any]:
        """Columns of the entries that match and their ``number``, newest first."""
        return self.candidates([*columns, self.number.label("number")]).order_by(self.number.desc())

    def numbers_having(self) -> Select[tuple[int]]:
        """The numbers of the entries that have the words of a full-text query, in all groups."""
        return self._between(select(self.number)).where(self._have_words())

    def numbers_lacking(self) -> Select[tuple[int]]:
        """The numbers of those that lack one of the words."""
        return self._between(select(self.number)).where(_LACKING)

    def _in_groups(self, found: Select[Any]) -> Select[Any]:
        """Of entries, those in the groups."""
        if self.of_session:
            found = found.where(_is_of_session(search_entries))
        if self.is_narrow:
            return found.where(_ENTRY.group_id.in_(self.groups([_GROUP.id])))
        if self.is_of_some_groups:
            # Not through the index of the groups: the numbers are at hand, and sorted.
            return found.where((_ENTRY.group_id + 0).in_(self.groups([_GROUP.id])))
        return found

    def _between(self, found: Select[Any]) -> Select[Any]:
        if self.is_between:
            return found.where(self.number.between(bindparam("first_number"), bindparam("last_number")))
        return found

    def _have_words(self) -> ColumnElement[bool]:
        if self.is_by_full_text:
            return and_(_HAVING, _READ) if self.are_words_read else _HAVING
        return _READ if self.are_words_read else false()


def _is_of_session(table: Table) -> ColumnElement[bool]:
    return table.c.session_number == bindparam("session_number")
