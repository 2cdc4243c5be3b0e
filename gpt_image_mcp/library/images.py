"""What the library knows about images."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter
from sqlalchemy import bindparam, delete, insert, select, update

from gpt_image_mcp.library.schema import image_parents, images, nanodollars
from gpt_image_mcp.library.search.indexing import forget_image, index_image
from gpt_image_mcp.values.images import StoredImage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import ColumnElement

    from gpt_image_mcp.library.database import Database

_IMAGE = TypeAdapter(StoredImage)
_AT_ONCE = 500
# Values go with the execution: building them into a statement takes SQLAlchemy longer than running it.
_RENEW_IMAGE = update(images).where(images.c.id == bindparam("image_id"))


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What is known about images. Every method raises ``StorageFailed`` if the database cannot be used."""

    database: Database

    def add_image(self, image: StoredImage) -> None:
        """Adds an image, or renews what is known about it.

        Raises:
            ValueError: If a text of it is not valid Unicode.
        """
        values = image_values(image)
        parents = [
            {"child_id": image.id, "parent_id": parent} for parent in dict.fromkeys(image.provenance.parents)
        ]
        with self.database.writing() as connection:
            if connection.execute(_RENEW_IMAGE, {**values, "image_id": image.id}).rowcount:
                connection.execute(delete(image_parents).where(image_parents.c.child_id == image.id))
            else:
                connection.execute(insert(images), values)
            if parents:
                connection.execute(insert(image_parents), parents)
            index_image(connection, image)

    def move_image(self, image_id: str, path: Path) -> None:
        """Notes that the file of an image is now at this absolute path."""
        image = self.find_image(image_id)
        if image is not None:
            self.add_image(replace(image, file_path=path))

    def remove_image(self, image_id: str) -> None:
        """Forgets an image; its children stay."""
        with self.database.writing() as connection:
            forget_image(connection, image_id)
            connection.execute(delete(images).where(images.c.id == image_id))

    def all_images(self) -> Iterator[StoredImage]:
        """Every image, oldest first."""
        query = select(images.c.document).order_by(images.c.created_at, images.c.id)
        few = query.execution_options(yield_per=_AT_ONCE)
        # The result is closed too: while a part is unread, SQLite would keep its moment for the next user.
        with self.database.reading() as connection, connection.execute(few) as rows:
            for document in rows.scalars():
                yield _IMAGE.validate_json(document)

    def newest(self, limit: int) -> tuple[StoredImage, ...]:
        """The newest images, newest first."""
        query = select(images.c.document).where(images.c.owner == "")
        newest = query.order_by(images.c.created_at.desc(), images.c.id.desc()).limit(limit)
        with self.database.reading() as connection:
            documents = connection.execute(newest).scalars().all()
        return tuple(_IMAGE.validate_json(document) for document in documents)

    def find_image(self, image_id: str) -> StoredImage | None:
        """The image of this id."""
        return self._one_image(images.c.id == image_id) if image_id.isascii() else None

    def find_by_path(self, path: Path) -> StoredImage | None:
        """The image that was last known to be at this absolute path."""
        return self._one_image(images.c.uri == path.as_uri())

    def find_by_sha256(self, digest: str) -> StoredImage | None:
        """The newest image with these bytes."""
        return self._one_image(images.c.sha256 == digest)

    def find_images_of_call(self, call_id: str) -> tuple[StoredImage, ...]:
        """The images that a call made, oldest first."""
        query = select(images.c.document).where(images.c.call_id == call_id)
        with self.database.reading() as connection:
            documents = connection.execute(query.order_by(images.c.created_at, images.c.id)).scalars().all()
        return tuple(_IMAGE.validate_json(document) for document in documents)

    def _one_image(self, condition: ColumnElement[bool]) -> StoredImage | None:
        query = select(images.c.document).where(condition).order_by(images.c.created_at.desc()).limit(1)
        with self.database.reading() as connection:
            document = connection.execute(query).scalar_one_or_none()
        return None if document is None else _IMAGE.validate_json(document)


def image_values(image: StoredImage) -> dict[str, Any]:
    """The row of an image."""
    made = image.provenance
    return {
        "id": image.id,
        "owner": made.owner,
        "uri": image.file_path.as_uri(),
        "sha256": image.sha256,
        "created_at": image.created_at.timestamp(),
        "model": made.model,
        "prompt": made.prompt,
        "session_id": made.session_id,
        "call_id": made.call_id,
        "project_dir": made.project_dir,
        "cost_nanodollars": None if made.cost.usd is None else nanodollars(made.cost.usd),
        "sandbox": made.sandbox,
        "document": _IMAGE.dump_json(image).decode(),
    }
