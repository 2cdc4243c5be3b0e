"""Pictures that people send from elsewhere: each is taken once, kept for a day, and its owner's alone."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import and_, delete, insert, select, update

from gpt_image_mcp.library import storage
from gpt_image_mcp.library.ownership import signed
from gpt_image_mcp.library.schema import uploads
from gpt_image_mcp.object_paths import is_object, location, object_path
from gpt_image_mcp.values.owners import LOCAL, Owner

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import ColumnElement

    from gpt_image_mcp.library.database import Database

KEPT_FOR = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Uploads:
    """The uploads of a user. Every method raises ``StorageFailed`` if the database cannot be used."""

    database: Database
    owner: Owner = LOCAL

    def begin(self, upload_id: str, *, ends_at: datetime) -> None:
        """Awaits a picture until a time."""
        values = {"id": upload_id, **signed(self.owner), "expires_at": ends_at.timestamp()}
        with self.database.writing() as connection:
            connection.execute(insert(uploads), values)

    def is_awaited(self, upload_id: str, now: datetime) -> bool:
        """Whether a picture may still come."""
        query = select(uploads.c.id).where(self._awaited(upload_id, now))
        with self.database.reading() as connection:
            return connection.execute(query).first() is not None

    def take(self, upload_id: str, path: Path, now: datetime) -> bool:
        """Notes the file of a picture that came; false if another came before, or it came too late."""
        values = {
            "received_at": now.timestamp(),
            "expires_at": (now + KEPT_FOR).timestamp(),
            "file_path": location(path),
        }
        # One statement, because another replica may be given the same picture at the same moment.
        taking = update(uploads).where(self._awaited(upload_id, now)).values(values)
        with self.database.writing() as connection:
            return connection.execute(taking).rowcount == 1

    def find(self, upload_id: str, now: datetime) -> Path | None:
        """The file of a picture that came; None if none did, or it was kept long enough."""
        query = select(uploads.c.file_path).where(
            self._own(upload_id), uploads.c.received_at.is_not(None), uploads.c.expires_at > now.timestamp()
        )
        with self.database.reading() as connection:
            found = connection.execute(query).scalar_one_or_none()
            return None if found is None else _path(found)

    def forget_expired(self, now: datetime, *, most: int = 100) -> tuple[Path, ...]:
        """Forgets uploads of everybody whose time is over; gives their files, which the caller deletes."""
        over = select(uploads.c.id, uploads.c.file_path).where(uploads.c.expires_at <= now.timestamp())
        with self.database.writing() as connection:
            rows = connection.execute(over.order_by(uploads.c.expires_at).limit(most)).all()
            connection.execute(delete(uploads).where(uploads.c.id.in_([row.id for row in rows])))
            return tuple(_path(row.file_path) for row in rows if row.file_path)

    def _awaited(self, upload_id: str, now: datetime) -> ColumnElement[bool]:
        is_open = and_(uploads.c.received_at.is_(None), uploads.c.expires_at > now.timestamp())
        return and_(self._own(upload_id), is_open)

    def _own(self, upload_id: str) -> ColumnElement[bool]:
        """The row of an id; groups share what they make, not what one of them sent."""
        return and_(uploads.c.id == upload_id, uploads.c.owner == self.owner.name)


def _path(kept: str) -> Path:
    """The path, on this machine, of a file as a row names it."""
    return object_path(kept) or Path(kept)


def write_upload(folder: Path, upload_id: str, data: bytes, *, extension: str) -> Path:
    """Writes a picture that came, to the store or to a file that the server's user alone can read.

    Raises:
        OSError: If it cannot be written.
        StorageFailed: If the store does not take it.
    """
    if not is_object(folder):
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
    # Two may come for one link at the same moment; the one that is not taken is deleted.
    path = storage.write_exclusive(folder, [f"{upload_id}-{secrets.token_hex(8)}.{extension}"], data)
    if not is_object(path):
        path.chmod(0o600)
    return path


def read_upload(path: Path, *, max_bytes: int) -> bytes:
    """The bytes of a picture that came.

    Raises:
        OSError: If it is not there, is a link to elsewhere, or is larger.
    """
    return storage.read(path, max_bytes=max_bytes, within=(path.parent,))


def delete_upload(path: Path) -> None:
    """Deletes the file of a picture that came.

    Raises:
        OSError: If it cannot be deleted.
        StorageFailed: If the store does not delete it.
    """
    storage.delete(path)
