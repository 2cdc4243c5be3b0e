"""Finding images by words of their prompts, model, session and time, and summing what they cost."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import time, timedelta
from typing import TYPE_CHECKING, Any, cast

from pydantic import TypeAdapter
from sqlalchemy import (
    and_,
    bindparam,
    delete,
    false,
    func,
    insert,
    literal,
    literal_column,
    or_,
    select,
    union_all,
    update,
)

from gpt_image_mcp.library.tables import (
    dollars,
    has_full_text,
    image_parents,
    images,
    nanodollars,
    search_entries,
    search_groups,
    search_words,
)
from gpt_image_mcp.library.words import indexed_words, wanted_words
from gpt_image_mcp.money import OTHERS
from gpt_image_mcp.values import StoredImage

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from decimal import Decimal

    from sqlalchemy import ColumnElement, Connection, Row, Select

    from gpt_image_mcp.library.database import Database

_IMAGE = TypeAdapter(StoredImage)
_ENTRY, _GROUP = search_entries.c, search_groups.c
_FULL_TEXT: ColumnElement[Any] = literal_column("search_words")
_SAME_CALL = (
    select(images.c.id)
    .where(images.c.id.in_(bindparam("parents", expanding=True)), images.c.call_id == bindparam("call_id"))
    .limit(1)
)
# Values go with the execution: building them into a statement takes SQLAlchemy longer than running it.
_NUMBER_OF = select(_ENTRY.number).where(_ENTRY.image_id == bindparam("id_of_image"))
_GROUP_OF = select(_GROUP.id).where(
    *(_GROUP[name] == bindparam(f"wanted_{name}") for name in ("owner", "day", "model", "session_id"))
)
_FORGET_WORDS = delete(search_words).where(search_words.c.rowid == bindparam("number"))
_MOST_SESSIONS = 100
_COUNT = (
    update(search_groups)
    .where(_GROUP.id == bindparam("group"))
    .values(
        images=_GROUP.images + bindparam("images_more"),
        spent_nanodollars=_GROUP.spent_nanodollars + bindparam("spent_more"),
    )
)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """One page of the images that match, newest first, with the number and the cost of all of them."""

    images: tuple[StoredImage, ...]
    total: int
    spending: Spending


@dataclass(frozen=True, slots=True)
class ImageSearch:
    """The images of a user. Every method raises ``StorageFailed`` if the database cannot be used."""

    database: Database

    def find(self, search: Search, *, limit: int, offset: int = 0) -> Findings:
        """The images that match, newest first."""
        with self.database.reading() as connection:
            documents = _newest(connection, search, limit=limit, offset=offset)
            total, spending = _spending(connection, search)
        return Findings(
            images=tuple(_IMAGE.validate_json(document) for document in documents),
            total=total,
            spending=spending,
        )

    def reindex(self) -> None:
        """Makes what is searched anew from the images."""
        with self.database.writing() as connection:
            index_all(connection)

    def children_of(self, image_id: str) -> tuple[str, ...]:
        """Ids of the images that were made from an image, oldest first."""
        children = select(images.c.id).join(image_parents, image_parents.c.child_id == images.c.id)
        query = children.where(image_parents.c.parent_id == image_id)
        with self.database.reading() as connection:
            return tuple(connection.execute(query.order_by(images.c.created_at, images.c.id)).scalars())

    def complete_ids(self, start: str, *, limit: int) -> tuple[str, ...]:
        """Ids of images that begin with a text, newest first."""
        query = select(images.c.id).where(images.c.id.startswith(start, autoescape=True))
        newest = query.order_by(images.c.created_at.desc(), images.c.id.desc()).limit(limit)
        with self.database.reading() as connection:
            return tuple(connection.execute(newest).scalars())


def index_image(connection: Connection, image: StoredImage) -> None:
    """Makes an image findable, inside the caller's transaction; or renews what it is found by."""
    number = _number_of(connection, image.id)
    if number is None:
        number = _add_entry(connection, image)
    else:
        connection.execute(_FORGET_WORDS, {"number": number})
    words = indexed_words(f"{image.provenance.prompt} {image.file_path.stem}")
    connection.execute(insert(search_words), {"rowid": number, "words": " ".join(["", *words])})


def forget_image(connection: Connection, image_id: str) -> None:
    """Takes an image out of what is searched and summed, inside the caller's transaction."""
    query = select(_ENTRY.number, _ENTRY.group_id, _ENTRY.spent_nanodollars)
    entry = connection.execute(query.where(_ENTRY.image_id == image_id)).one_or_none()
    if entry is not None:
        connection.execute(_FORGET_WORDS, {"number": entry.number})
        connection.execute(delete(search_entries).where(_ENTRY.number == entry.number))
        _count(connection, entry.group_id, images_more=-1, spent_more=-entry.spent_nanodollars)


def index_all(connection: Connection) -> None:
    """Makes findable what is in the database, in the order of time, inside the caller's transaction."""
    for table in (search_words, search_entries, search_groups):
        connection.execute(delete(table))
    query = select(images.c.document).order_by(images.c.created_at, images.c.id)
    for document in connection.execute(query).scalars():
        index_image(connection, _IMAGE.validate_json(document))


def _number_of(connection: Connection, image_id: str) -> int | None:
    return connection.execute(_NUMBER_OF, {"id_of_image": image_id}).scalar_one_or_none()


def _add_entry(connection: Connection, image: StoredImage) -> int:
    """Adds what an image is summed by; gives its number."""
    made = image.provenance
    is_free = made.sandbox or made.cost.usd is None or _is_counted(connection, image)
    spent = 0 if is_free or made.cost.usd is None else nanodollars(made.cost.usd)
    group_id = _group_of(connection, image)
    values = {
        "image_id": image.id,
        "group_id": group_id,
        "created_at": image.created_at.timestamp(),
        "spent_nanodollars": spent,
    }
    _count(connection, group_id, images_more=1, spent_more=spent)
    entry = connection.execute(insert(search_entries), values)
    return int(cast("Row[Any]", entry.inserted_primary_key)[0])


def _count(connection: Connection, group_id: int, *, images_more: int, spent_more: int) -> None:
    values = {"images_more": images_more, "spent_more": spent_more, "group": group_id}
    connection.execute(_COUNT, values)


def _group_of(connection: Connection, image: StoredImage) -> int:
    """The group of an image's day, model and session, made if it is the first."""
    made = image.provenance
    key = {
        "owner": made.owner,
        "day": _day(image.created_at),
        "model": made.model,
        "session_id": made.session_id,
    }
    wanted = {f"wanted_{name}": value for name, value in key.items()}
    found = connection.execute(_GROUP_OF, wanted).scalar_one_or_none()
    if found is None:
        found = cast("Row[Any]", connection.execute(insert(search_groups), key).inserted_primary_key)[0]
    return int(found)


def _is_counted(connection: Connection, image: StoredImage) -> bool:
    """Whether an image was made from another of the same call, which carries the cost already."""
    made = image.provenance
    if not made.parents or not made.call_id:
        return False
    values = {"parents": list(made.parents), "call_id": made.call_id}
    return connection.execute(_SAME_CALL, values).first() is not None


def _newest(connection: Connection, search: Search, *, limit: int, offset: int) -> Sequence[str]:
    """The documents of one page."""
    number = search_words.c.rowid if search.query.strip() else _ENTRY.number
    found = _matching(search, connection, [_ENTRY.image_id, number.label("number")])
    if not _is_narrow(search):
        # Not through the index of the groups: the newest are at hand unsorted.
        found = found.where((_ENTRY.group_id + 0).in_(_groups(search, [_GROUP.id])))
    page = found.order_by(number.desc()).limit(limit).offset(offset).subquery()
    documents = select(images.c.document).join(page, page.c.image_id == images.c.id)
    return connection.execute(documents.order_by(page.c.number.desc())).scalars().all()


def _spending(connection: Connection, search: Search) -> tuple[int, Spending]:
    """How many images match, and what they cost together."""
    # Summed up by the database: a large library has thousands of groups, and their rows take long to fetch.
    sums = _sums(connection, search).cte("sums")
    spent: ColumnElement[Any] = func.sum(sums.c.spent).label("spent")

    def by(column: ColumnElement[Any]) -> Select[Any]:
        columns = [literal(column.name).label("kind"), column.label("name"), spent, literal(0)]
        return select(*columns).where(column != "").group_by(column).having(spent > 0)

    costliest = by(sums.c.session_id).order_by(spent.desc()).limit(_MOST_SESSIONS).subquery()
    whole = select(literal(""), literal(""), spent, func.sum(sums.c.found))
    sessions = select(literal("sessions"), literal(""), spent, literal(0)).where(sums.c.session_id != "")
    query = union_all(whole, sessions, by(sums.c.day), by(sums.c.model), select(costliest))
    (_, _, total_spent, found), (_, _, spent_in_sessions, _), *rows = connection.execute(query).all()
    amounts = {kind: Counter[str]() for kind in ("day", "model", "session_id")}
    for kind, name, amount, _ in rows:
        amounts[kind][name] = amount
    by_session = dict(amounts["session_id"].most_common())
    if others := (spent_in_sessions or 0) - sum(by_session.values()):
        by_session[OTHERS] = others
    return found or 0, Spending(
        total_usd=dollars(total_spent or 0),
        by_day={day: dollars(amount) for day, amount in sorted(amounts["day"].items(), reverse=True)},
        by_model={model: dollars(amount) for model, amount in amounts["model"].most_common()},
        by_session={name: dollars(amount) for name, amount in by_session.items()},
    )


def _sums(connection: Connection, search: Search) -> Select[Any]:
    """Number and cost of what matches, by day, model and session."""
    keys = [_GROUP.day, _GROUP.model, _GROUP.session_id]
    if not search.query.strip() and _is_whole_days(search):
        own = [_GROUP.images.label("found"), _GROUP.spent_nanodollars.label("spent")]
        return _groups(search, [*keys, *own])
    counted = (func.count().label("found"), func.sum(_ENTRY.spent_nanodollars).label("spent"))
    found = _matching(search, connection, [_ENTRY.group_id, *counted]).group_by(_ENTRY.group_id).subquery()
    # There are fewer groups than entries: which of them count is asked last.
    return _groups(search, [*keys, found.c.found, found.c.spent]).join(found, found.c.group_id == _GROUP.id)


def _matching(search: Search, connection: Connection, columns: Sequence[ColumnElement[Any]]) -> Select[Any]:
    """Columns of the entries that match, where the search is wide in whatever group they are."""
    found = select(*columns)
    if search.query.strip():
        found = found.join(search_words, search_words.c.rowid == _ENTRY.number)
        found = found.where(_has_words(wanted_words(search.query), connection))
    if _is_narrow(search):
        found = found.where(_ENTRY.group_id.in_(_groups(search, [_GROUP.id])))
    if search.since:
        found = found.where(_ENTRY.created_at >= search.since.timestamp())
    if search.until:
        found = found.where(_ENTRY.created_at < search.until.timestamp())
    return found


def _is_narrow(search: Search) -> bool:
    """Whether few entries match, so that the index of the groups is the shortest way to them."""
    return bool(not search.query.strip() and (search.session_id or search.since or search.until))


def _groups(search: Search, columns: Sequence[ColumnElement[Any]]) -> Select[Any]:
    """Columns of the groups in which something can match."""
    found = select(*columns).where(_GROUP.owner == "")
    if search.model:
        name = search.model.strip().lower()
        found = found.where(or_(_GROUP.model == name, _GROUP.model.startswith(f"{name}-", autoescape=True)))
    if search.session_id:
        found = found.where(_GROUP.session_id == search.session_id)
    if search.since:
        found = found.where(_GROUP.day >= _day(search.since))
    if search.until:
        found = found.where(_GROUP.day <= _day(search.until - timedelta(microseconds=1)))
    return found


def _is_whole_days(search: Search) -> bool:
    """Whether the sums of days answer a search: it begins and ends at midnight, or is open."""
    ends = (search.since, search.until)
    return all(end is None or end.astimezone().time() == time.min for end in ends)


def _has_words(words: list[str], connection: Connection) -> ColumnElement[bool]:
    if not words:
        return false()  # a query of nothing but punctuation
    if has_full_text(connection):
        # Words hold only letters, digits and symbols, so that nothing needs escaping inside quotes.
        return _FULL_TEXT.bool_op("MATCH")(" ".join(f'"{word}"*' for word in words))
    return and_(*(search_words.c.words.contains(f" {word}", autoescape=True) for word in words))


def _day(moment: datetime) -> str:
    return moment.astimezone().date().isoformat()
