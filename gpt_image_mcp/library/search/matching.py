"""How a search is done: on the way that is the shortest in this library."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, exists, func, select

from gpt_image_mcp.dates import local_day, midnight
from gpt_image_mcp.library.naming import is_of_model
from gpt_image_mcp.library.schema import (
    NO_SESSION,
    search_entries,
    search_groups,
    search_sessions,
    search_sums,
)
from gpt_image_mcp.library.search.conditions import Conditions
from gpt_image_mcp.library.search.fulltext import EVERY_ENTRY, full_text_query, has_full_text
from gpt_image_mcp.library.search.rarity import SAMPLE, leading_words, share_of_newest
from gpt_image_mcp.library.search.words import wanted_words

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection, Select

_GROUP, _SESSION = search_groups.c, search_sessions.c
_LAST_NUMBER = select(func.max(search_entries.c.number))
_HAS_OTHERS = select(exists().where(_GROUP.owner > ""))
_KNOWN_MODELS = select(_GROUP.model).where(_GROUP.owner == "").distinct()
_SESSION_NUMBER = select(_SESSION.number).where(
    _SESSION.owner == "", _SESSION.session_id == bindparam("session_id")
)
_NO_SUCH_SESSION = -1
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
    """A search, and what is known of this library that makes its way shorter.

    Attributes:
        words: What the entries must have.
        has_others: Whether there are images of others in the library.
        models: The names under which this library knows the model that is asked for.
        session_number: That of the session that is asked for.
        leading: The words that are looked up in an index; the others are read in what these lead to.
        last_number: The number of the newest entry of all.
        is_narrow: Whether few entries are in the groups, so that the index of the groups leads to them.
        numbers: The first and the last number to look between, if they are not all; a narrow search does not
            look at them.
    """

    search: Search
    words: tuple[str, ...]
    has_others: bool
    models: tuple[str, ...]
    session_number: int
    leading: tuple[str, ...]
    last_number: int
    is_narrow: bool = False
    numbers: tuple[int, int] | None = None

    @property
    def conditions(self) -> Conditions:
        """What the statements of this search are made of."""
        return Conditions(
            of_owner=self.has_others,
            of_models=bool(self.search.model),
            of_session=bool(self.search.session_id),
            is_since=self.search.since is not None,
            is_until=self.search.until is not None,
            has_words=bool(self.search.query.strip()),
            is_by_full_text=bool(self._looked_up),
            are_words_read=bool(self._read),
            is_narrow=self.is_narrow,
            is_between=self.numbers is not None and not self.is_narrow,
        )

    @property
    def values(self) -> dict[str, object]:
        """The parameters of its statements, and maybe more."""
        search, having = self.search, full_text_query(self._looked_up)
        values: dict[str, object] = {
            "models": self.models,
            "session_number": self.session_number,
            "having": having,
            "lacking": f'"{EVERY_ENTRY}" NOT ({having})',
            # Each word is kept with a space before it, so this finds beginnings too.
            "read": json.dumps([f" {word}" for word in self._read]),
        }
        if search.since:
            values |= {"since": search.since.timestamp(), "first_day": local_day(search.since).isoformat()}
        if search.until:
            last = search.until.astimezone() - timedelta(microseconds=1)
            values |= {"until": search.until.timestamp(), "last_day": local_day(last).isoformat()}
        if self.numbers:
            values |= dict(zip(("first_number", "last_number"), self.numbers, strict=True))
        return values

    @property
    def _looked_up(self) -> tuple[str, ...]:
        return () if self.is_narrow else self.leading

    @property
    def _read(self) -> tuple[str, ...]:
        looked_up = frozenset(self._looked_up)
        return tuple(word for word in self.words if word not in looked_up)

    def share(self, connection: Connection) -> float:
        """Which share of the newest entries have the words; 0 if few have, or no index knows it."""
        conditions = self.conditions
        if not conditions.is_by_full_text or conditions.are_words_read:
            return 0
        values = {**self.values, "offset": SAMPLE - 1}
        number = connection.execute(_nth_having(conditions), values).scalar_one_or_none()
        last = self.numbers[1] if self.numbers else self.last_number
        return share_of_newest(number, last_number=last)


def matching(connection: Connection, search: Search) -> Matching:
    """How a search is done in this library."""
    search = replace(search, model=search.model.strip())
    words = tuple(wanted_words(search.query))
    last_number = connection.execute(_LAST_NUMBER).scalar_one() or 0
    wanted = Matching(
        search=search,
        words=words,
        has_others=connection.execute(_HAS_OTHERS).scalar_one(),
        models=_models(connection, search.model),
        session_number=_session_number(connection, search.session_id),
        leading=words if has_full_text(connection) else (),
        last_number=last_number,
    )
    wanted = _limited(connection, wanted)
    if not wanted.conditions.is_by_full_text:
        return wanted
    return replace(wanted, leading=leading_words(connection, words, last_number=last_number))


def parts_by_days(connection: Connection, wanted: Matching) -> tuple[Matching, ...]:
    """What matches, cut at midnight, so that sums of days answer the longest part if it has whole days."""
    if is_whole_days(wanted.search):
        return (wanted,)
    parts = _cut_at_midnight(wanted.search)
    return tuple(_limited(connection, replace(wanted, search=part)) for part in parts)


def _models(connection: Connection, name: str) -> tuple[str, ...]:
    """A model and its snapshots, as far as there are images of them."""
    if not name:
        return ()
    known = connection.execute(_KNOWN_MODELS).scalars()
    return tuple(model for model in known if is_of_model(model, name))


def _session_number(connection: Connection, session_id: str) -> int:
    if not session_id:
        return NO_SESSION
    found = connection.execute(_SESSION_NUMBER, {"session_id": session_id}).scalar_one_or_none()
    return _NO_SUCH_SESSION if found is None else found


def _limited(connection: Connection, wanted: Matching) -> Matching:
    """The same with what its groups say of where entries are."""
    search = wanted.search
    if not (search.model or search.session_id or search.since or search.until):
        return replace(wanted, is_narrow=False, numbers=None)
    conditions = wanted.conditions
    reach = connection.execute(_reach(conditions), wanted.values).one()
    few = wanted.last_number * (_FEW_TO_READ if conditions.has_words else _FEW_TO_SORT)
    numbers = (reach.first or 0, reach.last or 0)
    return replace(wanted, is_narrow=(reach.inside or 0) <= few, numbers=numbers)


@lru_cache
def _reach(conditions: Conditions) -> Select[Any]:
    """How many images are in the groups, and the first and last number of these."""
    of_session = conditions.sums([func.sum(search_sums.c.images)]).scalar_subquery()
    inside = of_session if conditions.of_session else func.sum(_GROUP.images)
    first, last = func.min(_GROUP.first_number), func.max(_GROUP.last_number)
    return conditions.groups([inside.label("inside"), first.label("first"), last.label("last")])


@lru_cache
def _nth_having(conditions: Conditions) -> Select[Any]:
    """The number of the entry at an offset, counted from the newest, among those that have the words."""
    having = conditions.numbers_having().order_by(conditions.number.desc())
    return having.limit(1).offset(bindparam("offset"))


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
