"""What a search asks of the images, in the words of SQL."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import time, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, false, func, literal_column, or_, select

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
# Words are common if this share of a sample have them.
_SAMPLE, _COMMON_SHARE = 250, 0.6


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


def is_common(connection: Connection, search: Search) -> bool:
    """Whether most of the newest entries have the words, and it can be asked which do not."""
    words = wanted_words(search.query)
    if not words or not has_full_text(connection):
        return False
    number = search_words.c.rowid
    having = select(number).where(_has_words(words, connection)).order_by(number.desc())
    last = connection.execute(having.limit(1).offset(_SAMPLE - 1)).scalar_one_or_none()
    newest = connection.execute(select(func.max(_ENTRY.number))).scalar_one()
    return last is not None and _COMMON_SHARE * (newest - last) < _SAMPLE


def lacking(search: Search, columns: Sequence[ColumnElement[Any]]) -> Select[Any]:
    """Columns of the entries that lack a word; SQLite's full-text search finds them by what all have."""
    query = f'"{EVERY_ENTRY}" NOT ({_full_text_query(wanted_words(search.query))})'
    found = select(*columns).join(search_words, search_words.c.rowid == _ENTRY.number)
    return found.where(_FULL_TEXT.bool_op("MATCH")(query))


def matching(search: Search, connection: Connection, columns: Sequence[ColumnElement[Any]]) -> Select[Any]:
    """Columns of the entries that match, where the search is wide in whatever group they are."""
    found = select(*columns)
    if search.query.strip():
        found = found.join(search_words, search_words.c.rowid == _ENTRY.number)
        found = found.where(_has_words(wanted_words(search.query), connection))
    if is_narrow(search):
        found = found.where(_ENTRY.group_id.in_(groups(search, [_GROUP.id])))
    if search.since:
        found = found.where(_ENTRY.created_at >= search.since.timestamp())
    if search.until:
        found = found.where(_ENTRY.created_at < search.until.timestamp())
    return found


def is_narrow(search: Search) -> bool:
    """Whether few entries match, so that the index of the groups is the shortest way to them."""
    return bool(not search.query.strip() and (search.session_id or search.since or search.until))


def groups(search: Search, columns: Sequence[ColumnElement[Any]]) -> Select[Any]:
    """Columns of the groups in which something can match."""
    found = select(*columns).where(_GROUP.owner == "")
    if search.model:
        name = search.model.strip().lower()
        found = found.where(or_(_GROUP.model == name, _GROUP.model.startswith(f"{name}-", autoescape=True)))
    if search.session_id:
        found = found.where(_GROUP.session_id == search.session_id)
    if search.since:
        found = found.where(_GROUP.day >= local_day(search.since))
    if search.until:
        found = found.where(_GROUP.day <= local_day(search.until - timedelta(microseconds=1)))
    return found


def is_whole_days(search: Search) -> bool:
    """Whether the sums of days answer a search: it begins and ends at midnight, or is open."""
    ends = (search.since, search.until)
    return all(end is None or end.astimezone().time() == time.min for end in ends)


def local_day(moment: datetime) -> str:
    """The day of a moment where the user is, in ISO form."""
    return moment.astimezone().date().isoformat()


def _has_words(words: list[str], connection: Connection) -> ColumnElement[bool]:
    if not words:
        return false()  # a query of nothing but punctuation
    if has_full_text(connection):
        return _FULL_TEXT.bool_op("MATCH")(_full_text_query(words))
    return and_(*(search_words.c.words.contains(f" {word}", autoescape=True) for word in words))


def _full_text_query(words: list[str]) -> str:
    """Words hold only letters, digits and symbols, so that nothing needs escaping inside quotes."""
    return " ".join(f'"{word}"*' for word in words)
