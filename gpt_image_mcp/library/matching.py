"""What a search asks of the images, in the words of SQL."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, exists, false, func, literal_column, select

from gpt_image_mcp.days import local_day, midnight
from gpt_image_mcp.library.names import is_of_model
from gpt_image_mcp.library.tables import (
    EVERY_ENTRY,
    has_full_text,
    search_entries,
    search_groups,
    search_words,
)
from gpt_image_mcp.library.words import wanted_words

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection, Select

_ENTRY, _GROUP = search_entries.c, search_groups.c
_FULL_TEXT: ColumnElement[Any] = literal_column("search_words")
# So many entries that have the words show how common these are.
_SAMPLE = 250
# A library with more entries than this is large.
_MANY_ENTRIES = 10_000
_REACH = (
    func.sum(_GROUP.images).label("inside"),
    func.min(_GROUP.first_number).label("first"),
    func.max(_GROUP.last_number).label("last"),
)
_LAST_NUMBER = select(func.max(_ENTRY.number))
# The images of some groups are few if they are less than this share of all: it is quicker then to read the
# words of each, or to sort them, than to go through all that have the words, or through all from the newest.
_FEW_TO_READ, _FEW_TO_SORT = 0.02, 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What to look for; what is empty does not narrow.

    Attributes:
        query: Words that the prompt or the file name must have, in any order.
        model: A model, with its snapshots.
        since: The first moment.
        until: The moment after the last.
    """

    query: str = ""
    model: str = ""
    session_id: str = ""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Matching:
    """The entries and groups that a search asks for, on the way that is the shortest in this library.

    Attributes:
        words: What the entries must have.
        models: The names under which this library knows the model that is asked for.
        has_full_text: Whether words are looked up in an index.
        last_number: The number of the newest entry of all.
        is_narrow: Whether few entries are in the groups, so that the index of the groups leads to them.
        numbers: The first and the last number to look between, if they are not all; a narrow search does not
            look at them.
    """

    search: Search
    words: tuple[str, ...]
    models: tuple[str, ...]
    has_full_text: bool
    last_number: int
    is_narrow: bool = False
    numbers: tuple[int, int] | None = None

    @property
    def is_large(self) -> bool:
        """Whether the library is so large that it pays to ask for parts of it at the same time."""
        return self.last_number > _MANY_ENTRIES

    @property
    def has_words(self) -> bool:
        """Whether entries are asked for by words, be it words that nothing has."""
        return bool(self.search.query.strip())

    def groups(self, columns: Sequence[ColumnElement[Any]]) -> Select[Any]:
        """Columns of the groups in which something can match."""
        found, search = select(*columns).where(_GROUP.owner == ""), self.search
        if search.model:
            found = found.where(_GROUP.model.in_(self.models))
        if search.session_id:
            found = found.where(_GROUP.session_id == search.session_id)
        if search.since:
            found = found.where(_GROUP.day >= local_day(search.since).isoformat())
        if search.until:
            last = search.until.astimezone() - timedelta(microseconds=1)
            found = found.where(_GROUP.day <= local_day(last).isoformat())
        return found

    def candidates(self, columns: Sequence[ColumnElement[Any]]) -> Select[Any]:
        """Columns of the entries of the words and times; only a narrow search looks at their groups."""
        found = self._between(self._select(columns))
        if self.has_words:
            found = found.where(self._have_words())
        if self.is_narrow:
            found = found.where(_ENTRY.group_id.in_(self.groups([_GROUP.id])))
        if self.search.since:
            found = found.where(_ENTRY.created_at >= self.search.since.timestamp())
        if self.search.until:
            found = found.where(_ENTRY.created_at < self.search.until.timestamp())
        return found

    def newest(self, columns: Sequence[ColumnElement[Any]]) -> Select[Any]:
        """Columns of the entries that match and their ``number``, newest first."""
        found = self.candidates([*columns, self._number.label("number")]).order_by(self._number.desc())
        if self.is_narrow:
            return found
        if self.search.model or self.search.session_id:
            # Many may be of others. Not through the index of the groups: the newest are at hand unsorted.
            return found.where((_ENTRY.group_id + 0).in_(self.groups([_GROUP.id])))
        return found.where(exists(self.groups([_GROUP.id]).where(_GROUP.id == _ENTRY.group_id)))

    def lacking(self, columns: Sequence[ColumnElement[Any]]) -> Select[Any]:
        """Columns of the entries that lack a word; full-text search finds them by what all have."""
        query = f'"{EVERY_ENTRY}" NOT ({_full_text_query(self.words)})'
        return self._between(self._select(columns)).where(_FULL_TEXT.bool_op("MATCH")(query))

    def share(self, connection: Connection) -> float:
        """Which share of the newest entries have the words; 0 if few have them, or no index knows it."""
        if not self._is_by_full_text:
            return 0
        having = self._between(select(self._number)).where(self._have_words()).order_by(self._number.desc())
        number = connection.execute(having.limit(1).offset(_SAMPLE - 1)).scalar_one_or_none()
        newest = self.numbers[1] if self.numbers else self.last_number
        return 0 if number is None else _SAMPLE / (newest - number + 1)

    def halves(self) -> tuple[Matching, Matching]:
        """The older and the newer half of the numbers, for a search that is not narrow."""
        first, last = self.numbers or (1, self.last_number)
        middle = (first + last) // 2
        return replace(self, numbers=(first, middle)), replace(self, numbers=(middle + 1, last))

    @property
    def _is_by_full_text(self) -> bool:
        return bool(self.words) and self.has_full_text and not self.is_narrow

    @property
    def _number(self) -> ColumnElement[int]:
        """Of the table that leads to the entries."""
        return search_words.c.rowid if self._is_by_full_text else _ENTRY.number

    def _select(self, columns: Sequence[ColumnElement[Any]]) -> Select[Any]:
        """Columns of all entries, with their words if words are asked for."""
        found = select(*columns)
        return found.join(search_words, search_words.c.rowid == _ENTRY.number) if self.has_words else found

    def _between(self, found: Select[Any]) -> Select[Any]:
        """Those between the numbers; the index of the groups is quicker if they are few."""
        if self.numbers and not self.is_narrow:
            return found.where(self._number.between(*self.numbers))
        return found

    def _have_words(self) -> ColumnElement[bool]:
        if not self.words:
            return false()  # a query of nothing but punctuation
        if self._is_by_full_text:
            return _FULL_TEXT.bool_op("MATCH")(_full_text_query(self.words))
        return and_(*(search_words.c.words.contains(f" {word}", autoescape=True) for word in self.words))


def matching(connection: Connection, search: Search) -> Matching:
    """How a search is done in this library."""
    search = replace(search, model=search.model.strip())
    wanted = Matching(
        search=search,
        words=tuple(wanted_words(search.query)),
        models=_models(connection, search.model),
        has_full_text=has_full_text(connection),
        last_number=connection.execute(_LAST_NUMBER).scalar_one() or 0,
    )
    return _limited(connection, wanted)


def parts_by_days(connection: Connection, wanted: Matching) -> tuple[Matching, ...]:
    """What matches, cut at midnight, so that sums of days answer the longest part if it has whole days."""
    parts = [replace(wanted, search=search) for search in _cut_at_midnight(wanted.search)]
    # The whole days are nearly all of it, and so are where they are.
    return tuple(part if is_whole_days(part.search) else _limited(connection, part) for part in parts)


def _models(connection: Connection, name: str) -> tuple[str, ...]:
    """A model and its snapshots, as far as there are images of them."""
    if not name:
        return ()
    known = connection.execute(select(_GROUP.model).where(_GROUP.owner == "").distinct()).scalars()
    return tuple(model for model in known if is_of_model(model, name))


def _limited(connection: Connection, wanted: Matching) -> Matching:
    """The same with what its groups say of where entries are."""
    search = wanted.search
    if not (search.model or search.session_id or search.since or search.until):
        return replace(wanted, is_narrow=False, numbers=None)
    reach = connection.execute(wanted.groups(_REACH)).one()
    few = wanted.last_number * (_FEW_TO_READ if wanted.has_words else _FEW_TO_SORT)
    numbers = (reach.first or 0, reach.last or 0)
    return replace(wanted, is_narrow=(reach.inside or 0) <= few, numbers=numbers)


def is_whole_days(search: Search) -> bool:
    """Whether the sums of days answer a search: it begins and ends at midnight, or is open."""
    return all(end is None or _is_midnight(end) for end in (search.since, search.until))


def _cut_at_midnight(search: Search) -> tuple[Search, ...]:
    first, last = search.since, search.until
    begin = first and (first if _is_midnight(first) else midnight(local_day(first) + timedelta(days=1)))
    end = last and midnight(local_day(last))
    if begin and end and begin >= end:
        return (search,)
    parts = (
        replace(search, until=begin) if begin != first else None,
        replace(search, since=begin, until=end),
        replace(search, since=end) if end != last else None,
    )
    return tuple(part for part in parts if part)


def _is_midnight(moment: datetime) -> bool:
    return moment == midnight(local_day(moment))


def _full_text_query(words: tuple[str, ...]) -> str:
    """Words hold only letters, digits and symbols, so that nothing needs escaping inside quotes."""
    return " ".join(f'"{word}"*' for word in words)
