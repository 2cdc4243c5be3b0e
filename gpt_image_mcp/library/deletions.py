"""Images that a user deleted: what they cost stays, and that they are gone is known."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import insert, select

from gpt_image_mcp.library.audit import note_deleted
from gpt_image_mcp.library.images import remove_image
from gpt_image_mcp.library.ownership import owned
from gpt_image_mcp.library.schema import deleted_images, images
from gpt_image_mcp.library.sessions import sessions_using
from gpt_image_mcp.values.owners import LOCAL, Owner

if TYPE_CHECKING:
    from collections.abc import Callable

    from gpt_image_mcp.library.database import Database
    from gpt_image_mcp.values.sessions import SessionUse

_KEPT = tuple(column.name for column in deleted_images.c if column.name != "deleted_at")


@dataclass(frozen=True, slots=True)
class Deletions:
    """The deleted images of a user. Every method raises ``StorageFailed`` if the database cannot be used."""

    database: Database
    owner: Owner = LOCAL

    def deleted_at(self, image_id: str) -> datetime | None:
        """When an image was deleted; None for one that was not."""
        query = select(deleted_images.c.deleted_at).where(
            deleted_images.c.id == image_id, owned(deleted_images, self.owner)
        )
        with self.database.reading() as connection:
            moment = connection.execute(query).scalar_one_or_none() if image_id.isascii() else None
            return None if moment is None else datetime.fromtimestamp(moment, UTC)

    def users_of(self, image_id: str) -> tuple[SessionUse, ...]:
        """The sessions that have an image as a result or a start image."""
        with self.database.reading() as connection:
            return sessions_using(connection, image_id)

    def delete(
        self, image_id: str, now: datetime, *, permit: Callable[[tuple[SessionUse, ...]], None]
    ) -> bool:
        """Forgets an image, except what it cost; with the last image of a call go its prompt and result.

        False for one that is not the user's, or that another call deleted meanwhile; then nothing is done.

        Args:
            image_id: The image.
            now: The time of the deletion.
            permit: Given the sessions that use the image, deletes its files, or raises to leave all as it is.
        """
        with self.database.writing() as connection:
            users = sessions_using(connection, image_id)
            mine = select(images.c.id).where(images.c.id == image_id, owned(images, self.owner))
            row = remove_image(connection, image_id) if connection.execute(mine).first() else None
            if row is None:
                return False
            kept = {name: getattr(row, name) for name in _KEPT}
            connection.execute(insert(deleted_images), {**kept, "deleted_at": now.timestamp()})
            if self.owner.name:
                note_deleted(connection, row, owner=self.owner)
            permit(users)
            return True
