"""The images that the library knows: added, moved, removed, and found by what identifies them."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import bindparam, delete, insert, select, union_all, update

from gpt_image_mcp.library.ledger import redact_call
from gpt_image_mcp.library.ownership import owned
from gpt_image_mcp.library.schema import deleted_images, image_parents, images, nanodollars
from gpt_image_mcp.library.search.fulltext import forget_all_words, forget_words, index_words
from gpt_image_mcp.library.spending import day_of
from gpt_image_mcp.object_paths import address_of
from gpt_image_mcp.steps import step
from gpt_image_mcp.values.images import StoredImage
from gpt_image_mcp.values.owners import LOCAL, Owner

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from sqlalchemy import ColumnElement, Connection, Row

    from gpt_image_mcp.library.database import Database

_IMAGE = TypeAdapter(StoredImage)
_AT_ONCE = 500
# Values go with the execution: building them into a statement takes SQLAlchemy longer than running it.
_NUMBER_OF = select(images.c.number).where(images.c.id == bindparam("image_id"))
_DOCUMENT_OF = select(images.c.document).where(images.c.number == bindparam("image_number"))
_DELETED = select(deleted_images.c.id).where(deleted_images.c.id == bindparam("image_id"))
_RENEW_IMAGE = update(images).where(images.c.number == bindparam("image_number"))
_PARENT_OF_SAME_CALL = union_all(
    *(
        select(table.c.id).where(
            table.c.id.in_(bindparam("parents", expanding=True)), table.c.call_id == bindparam("call_id")
        )
        for table in (images, deleted_images)
    )
)


@dataclass(frozen=True, slots=True)
class Images:
    """The images of a user. Every method raises ``StorageFailed`` if the database cannot be used.

    What is for maintenance says so, and goes over the images of everybody.
    """

    database: Database
    owner: Owner = LOCAL

    def add_image(self, image: StoredImage) -> bool:
        """Adds an image, or renews what is known about it; false for one that was deleted.

        Raises:
            ValueError: If a text of it is not valid Unicode.
        """
        with self.database.writing() as connection:
            return add_image(connection, image)

    def remove_image(self, image_id: str) -> None:
        """Forgets an image; its children stay. With the last image of a call go its prompt and result."""
        with self.database.writing() as connection:
            remove_image(connection, image_id)

    def reindex(self) -> None:
        """Makes anew what all images are searched and summed by; for 100,000 images that takes a minute."""
        with self.database.writing() as connection:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("REINDEX")  # one with a wrong bit leads to rows that are not there
            forget_all_words(connection)
            for number in connection.execute(select(images.c.number)).scalars().all():
                step()
                found = connection.execute(_DOCUMENT_OF, {"image_number": number}).scalars()
                for image in readable_images(found):
                    add_image(connection, image)

    def all_images(self) -> Iterator[StoredImage]:
        """Every image of everybody, newest first; for maintenance."""
        query = select(images.c.document).order_by(images.c.created_at.desc(), images.c.id.desc())
        few = query.execution_options(yield_per=_AT_ONCE)
        # The result is closed too: while a part is unread, SQLite would keep its moment for the next user.
        with self.database.reading() as connection, connection.execute(few) as rows:
            yield from readable_images(rows.scalars())

    def newest(self, limit: int) -> tuple[StoredImage, ...]:
        """The newest images, newest first."""
        query = select(images.c.document).where(owned(images, self.owner))
        newest = query.order_by(images.c.created_at.desc(), images.c.id.desc()).limit(limit)
        with self.database.reading() as connection:
            documents = connection.execute(newest).scalars().all()
        return tuple(readable_images(documents))

    def find_image(self, image_id: str) -> StoredImage | None:
        """The image of this id."""
        return self._one_image(images.c.id == image_id) if image_id.isascii() else None

    def find_by_path(self, path: Path) -> StoredImage | None:
        """The image that was last known to be at this absolute path."""
        return self._one_image(images.c.uri == address_of(path))

    def find_by_sha256(self, digest: str) -> StoredImage | None:
        """The newest image with these bytes."""
        return self._one_image(images.c.sha256 == digest)

    def find_images_of_call(self, call_id: str) -> tuple[StoredImage, ...]:
        """The images that a call made, oldest first."""
        query = select(images.c.document).where(images.c.call_id == call_id, owned(images, self.owner))
        with self.database.reading() as connection:
            documents = connection.execute(query.order_by(images.c.created_at, images.c.id)).scalars().all()
        return tuple(readable_images(documents))

    def children_of(self, image_id: str) -> tuple[str, ...]:
        """Ids of the images that were made from an image, oldest first."""
        children = select(images.c.id).join(image_parents, image_parents.c.child_id == images.c.id)
        query = children.where(image_parents.c.parent_id == image_id, owned(images, self.owner))
        with self.database.reading() as connection:
            return tuple(connection.execute(query.order_by(images.c.created_at, images.c.id)).scalars())

    def find_by_beginning(self, start: str, *, limit: int) -> tuple[StoredImage, ...]:
        """Images whose ids begin with a text, newest first."""
        beginning = images.c.id.startswith(start, autoescape=True)
        query = select(images.c.document).where(beginning, owned(images, self.owner))
        newest = query.order_by(images.c.created_at.desc(), images.c.id.desc()).limit(limit)
        with self.database.reading() as connection:
            documents = connection.execute(newest).scalars().all()
        return tuple(readable_images(documents))

    def _one_image(self, condition: ColumnElement[bool]) -> StoredImage | None:
        query = select(images.c.document).where(condition, owned(images, self.owner))
        query = query.order_by(images.c.created_at.desc()).limit(1)
        with self.database.reading() as connection:
            documents = connection.execute(query).scalars().all()
        return next(readable_images(documents), None)


def readable_images(documents: Iterable[str | None]) -> Iterator[StoredImage]:
    """The images of documents, without those in which the disk changed a bit, as if they were not there."""
    for document in documents:
        with contextlib.suppress(ValidationError):
            if document is not None:
                yield _IMAGE.validate_json(document)


def add_image(connection: Connection, image: StoredImage) -> bool:
    """Adds an image, or renews what is known about it, inside the caller's transaction.

    One that a user deleted does not come back: then nothing is done, and the answer is false.
    """
    if connection.execute(_DELETED, {"image_id": image.id}).first():
        return False
    values = _image_values(connection, image)
    number = connection.execute(_NUMBER_OF, {"image_id": image.id}).scalar_one_or_none()
    if number is None:
        added = connection.execute(insert(images), values).inserted_primary_key
        number = int(cast("Row[Any]", added)[0])
    else:
        connection.execute(_RENEW_IMAGE, {**values, "image_number": number})
        connection.execute(delete(image_parents).where(image_parents.c.child_id == image.id))
    if image.provenance.parents:
        parents = dict.fromkeys(image.provenance.parents)
        rows = [{"child_id": image.id, "parent_id": parent} for parent in parents]
        connection.execute(insert(image_parents), rows)
    index_words(connection, number, f"{image.provenance.prompt} {image.file_path.stem}")
    return True


def remove_image(connection: Connection, image_id: str) -> Row[Any] | None:
    """Forgets an image inside the caller's transaction; gives its row, or None if there was none."""
    image = connection.execute(select(images).where(images.c.id == image_id)).one_or_none()
    if image is None:
        return None
    forget_words(connection, image.number)
    connection.execute(delete(images).where(images.c.number == image.number))
    left = select(images.c.id).where(images.c.call_id == image.call_id).limit(1)
    if connection.execute(left).first() is None:
        redact_call(connection, image.call_id)
    return image


def _image_values(connection: Connection, image: StoredImage) -> dict[str, Any]:
    """The row of an image."""
    made = image.provenance
    return {
        "id": image.id,
        "owner": made.owner,
        "group_name": made.group,
        "uri": address_of(image.file_path),
        "sha256": image.sha256,
        "created_at": image.created_at.timestamp(),
        "day": day_of(connection, image.created_at),
        "model": made.model,
        "session_id": made.session_id,
        "call_id": made.call_id,
        "spent_nanodollars": _spent_nanodollars(connection, image),
        "document": _IMAGE.dump_json(image).decode(),
    }


def _spent_nanodollars(connection: Connection, image: StoredImage) -> int:
    """What an image adds to a sum: nothing where the image it was made from has the cost of their call.

    Of the sandbox it is negative: what it would have been.
    """
    made = image.provenance
    if made.cost.usd is None:
        return 0
    if made.parents and made.call_id:
        same = {"parents": list(made.parents), "call_id": made.call_id}
        if connection.execute(_PARENT_OF_SAME_CALL, same).first():
            return 0
    return nanodollars(-made.cost.usd if made.sandbox else made.cost.usd)
