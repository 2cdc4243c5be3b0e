"""Making images findable: the words, sums and times that searches go by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from pydantic import TypeAdapter
from sqlalchemy import bindparam, delete, func, insert, select, update

from gpt_image_mcp.dates import local_day
from gpt_image_mcp.library.schema import (
    NO_SESSION,
    images,
    nanodollars,
    search_entries,
    search_groups,
    search_packs,
    search_sessions,
    search_sums,
)
from gpt_image_mcp.library.search.fulltext import EVERY_ENTRY, forget_all_words, search_words
from gpt_image_mcp.library.search.packs import pack_before
from gpt_image_mcp.library.search.words import indexed_words
from gpt_image_mcp.values.images import StoredImage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection, Row, Table, Update

_IMAGE = TypeAdapter(StoredImage)
_ENTRY, _GROUP, _SESSION, _SUM = search_entries.c, search_groups.c, search_sessions.c, search_sums.c
_SAME_CALL = (
    select(images.c.id)
    .where(images.c.id.in_(bindparam("parents", expanding=True)), images.c.call_id == bindparam("call_id"))
    .limit(1)
)
# Values go with the execution: building them into a statement takes SQLAlchemy longer than running it.
_NUMBER_OF = select(_ENTRY.number).where(_ENTRY.image_id == bindparam("id_of_image"))
_GROUP_OF = select(_GROUP.id).where(
    *(_GROUP[name] == bindparam(f"wanted_{name}") for name in ("owner", "day", "model"))
)
_SESSION_OF = select(_SESSION.number).where(
    *(_SESSION[name] == bindparam(f"wanted_{name}") for name in ("owner", "session_id"))
)
_FORGET_WORDS = delete(search_words).where(search_words.c.rowid == bindparam("number"))


def _changed(table: Table) -> Update:
    """A row that has so many images and nano-dollars more, or less."""
    more = {name: table.c[name] + bindparam(f"more_{name}") for name in ("images", "spent_nanodollars")}
    return update(table).values(more)


_THE_GROUP = (_GROUP.id == bindparam("group"),)
_THE_SUM = (_SUM.group_id == bindparam("group"), _SUM.session_number == bindparam("session"))
_CHANGE_GROUP = _changed(search_groups).where(*_THE_GROUP)
_CHANGE_SUM = _changed(search_sums).where(*_THE_SUM)
_EXTEND_GROUP = _CHANGE_GROUP.values(
    first_number=func.coalesce(_GROUP.first_number, bindparam("entry")),
    last_number=bindparam("entry"),  # above all that there are
)
# The numbers of an empty group may be given out again, to others.
_FORGET_EMPTY = (
    delete(search_sums).where(*_THE_SUM, _SUM.images == 0),
    delete(search_groups).where(*_THE_GROUP, _GROUP.images == 0),
)


def index_image(connection: Connection, image: StoredImage) -> None:
    """Makes an image findable, inside the caller's transaction; or renews what it is found by."""
    number = _number_of(connection, image.id)
    if number is None:
        number = _add_entry(connection, image)
    else:
        connection.execute(_FORGET_WORDS, {"number": number})
    words = indexed_words(f"{image.provenance.prompt} {image.file_path.stem}")
    connection.execute(insert(search_words), {"rowid": number, "words": " ".join(["", EVERY_ENTRY, *words])})


def forget_image(connection: Connection, image_id: str) -> None:
    """Takes an image out of what is searched and summed, inside the caller's transaction."""
    entry = connection.execute(select(search_entries).where(_ENTRY.image_id == image_id)).one_or_none()
    if entry is None:
        return
    connection.execute(_FORGET_WORDS, {"number": entry.number})
    connection.execute(delete(search_entries).where(_ENTRY.number == entry.number))
    less = _more(-1, -entry.spent_nanodollars, group=entry.group_id, session=entry.session_number)
    for change in (_CHANGE_SUM, _CHANGE_GROUP, *_FORGET_EMPTY):
        connection.execute(change, less)


def index_all(connection: Connection) -> None:
    """Makes findable what is in the database, in the order of time, inside the caller's transaction."""
    forget_all_words(connection)
    for table in (search_packs, search_entries, search_sums, search_sessions, search_groups):
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
    group, session = _group_of(connection, image), _session_of(connection, image)
    values = {
        "image_id": image.id,
        "group_id": group,
        "session_number": session,
        "created_at": image.created_at.timestamp(),
        "spent_nanodollars": spent,
    }
    number = _added(connection, search_entries, values)
    pack_before(connection, number)
    more = _more(1, spent, group=group, session=session)
    connection.execute(_EXTEND_GROUP, {**more, "entry": number})
    if not connection.execute(_CHANGE_SUM, more).rowcount:
        first = {"group_id": group, "session_number": session, "images": 1, "spent_nanodollars": spent}
        connection.execute(insert(search_sums), first)
    return number


def _more(images: int, spent: int, *, group: int, session: int) -> dict[str, int]:
    """The parameters of a change to a group and its sum of a session."""
    return {"more_images": images, "more_spent_nanodollars": spent, "group": group, "session": session}


def _group_of(connection: Connection, image: StoredImage) -> int:
    """The group of an image's day and model, made if it is the first."""
    made = image.provenance
    key = {"owner": made.owner, "day": local_day(image.created_at).isoformat(), "model": made.model}
    found = connection.execute(_GROUP_OF, _wanted(key)).scalar_one_or_none()
    return _added(connection, search_groups, key) if found is None else int(found)


def _session_of(connection: Connection, image: StoredImage) -> int:
    """The number of an image's session, given out if it is the first."""
    made = image.provenance
    if not made.session_id:
        return NO_SESSION
    key = {"owner": made.owner, "session_id": made.session_id}
    found = connection.execute(_SESSION_OF, _wanted(key)).scalar_one_or_none()
    return _added(connection, search_sessions, key) if found is None else int(found)


def _wanted(key: dict[str, str]) -> dict[str, str]:
    return {f"wanted_{name}": value for name, value in key.items()}


def _added(connection: Connection, table: Table, values: Mapping[str, object]) -> int:
    """Adds a row; gives its number."""
    added = connection.execute(insert(table), values)
    return int(cast("Row[Any]", added.inserted_primary_key)[0])


def _is_counted(connection: Connection, image: StoredImage) -> bool:
    """Whether an image is ``paid_with`` another that is in the library."""
    made = image.provenance
    if not made.parents or not made.call_id:
        return False
    values = {"parents": list(made.parents), "call_id": made.call_id}
    return connection.execute(_SAME_CALL, values).first() is not None
