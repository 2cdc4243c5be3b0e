"""Making images findable: the words, sums and times that searches go by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from pydantic import TypeAdapter
from sqlalchemy import bindparam, delete, func, insert, select, update

from gpt_image_mcp.days import local_day
from gpt_image_mcp.library.fulltext import EVERY_ENTRY, forget_all_words, search_words
from gpt_image_mcp.library.tables import images, nanodollars, search_entries, search_groups
from gpt_image_mcp.library.words import indexed_words
from gpt_image_mcp.values import StoredImage

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row

_IMAGE = TypeAdapter(StoredImage)
_ENTRY, _GROUP = search_entries.c, search_groups.c
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
_THE_GROUP = update(search_groups).where(_GROUP.id == bindparam("group"))
_COUNT_IN = _THE_GROUP.values(
    images=_GROUP.images + 1,
    spent_nanodollars=_GROUP.spent_nanodollars + bindparam("spent"),
    first_number=func.coalesce(_GROUP.first_number, bindparam("entry")),
    last_number=bindparam("entry"),  # above all that there are
)
# The numbers of an empty group may be given out again, to others.
_FORGET_EMPTY = delete(search_groups).where(_GROUP.id == bindparam("group"), _GROUP.images == 0)
_COUNT_OUT = _THE_GROUP.values(
    images=_GROUP.images - 1,
    spent_nanodollars=_GROUP.spent_nanodollars - bindparam("spent"),
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
    query = select(_ENTRY.number, _ENTRY.group_id, _ENTRY.spent_nanodollars)
    entry = connection.execute(query.where(_ENTRY.image_id == image_id)).one_or_none()
    if entry is not None:
        connection.execute(_FORGET_WORDS, {"number": entry.number})
        connection.execute(delete(search_entries).where(_ENTRY.number == entry.number))
        connection.execute(_COUNT_OUT, {"group": entry.group_id, "spent": entry.spent_nanodollars})
        connection.execute(_FORGET_EMPTY, {"group": entry.group_id})


def index_all(connection: Connection) -> None:
    """Makes findable what is in the database, in the order of time, inside the caller's transaction."""
    forget_all_words(connection)
    for table in (search_entries, search_groups):
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
    entry = connection.execute(insert(search_entries), values)
    number = int(cast("Row[Any]", entry.inserted_primary_key)[0])
    connection.execute(_COUNT_IN, {"group": group_id, "spent": spent, "entry": number})
    return number


def _group_of(connection: Connection, image: StoredImage) -> int:
    """The group of an image's day, model and session, made if it is the first."""
    made = image.provenance
    key = {
        "owner": made.owner,
        "day": local_day(image.created_at).isoformat(),
        "model": made.model,
        "session_id": made.session_id,
    }
    wanted = {f"wanted_{name}": value for name, value in key.items()}
    found = connection.execute(_GROUP_OF, wanted).scalar_one_or_none()
    if found is None:
        found = cast("Row[Any]", connection.execute(insert(search_groups), key).inserted_primary_key)[0]
    return int(found)


def _is_counted(connection: Connection, image: StoredImage) -> bool:
    """Whether an image is ``paid_with`` another that is in the library."""
    made = image.provenance
    if not made.parents or not made.call_id:
        return False
    values = {"parents": list(made.parents), "call_id": made.call_id}
    return connection.execute(_SAME_CALL, values).first() is not None
