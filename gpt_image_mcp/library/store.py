"""Keeping images: file, metadata and database row of each, in the order in which they must not get lost."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from gpt_image_mcp.errors import NotFound, StorageFailed
from gpt_image_mcp.library.catalogue import Catalogue
from gpt_image_mcp.library.files import write_exclusive
from gpt_image_mcp.library.folders import fallback_folders
from gpt_image_mcp.library.metadata import write_metadata
from gpt_image_mcp.library.names import Naming, file_names, new_image_id
from gpt_image_mcp.pictures import read_picture
from gpt_image_mcp.values import Picture, Provenance, StoredImage

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from gpt_image_mcp.settings import Settings

_UNKNOWN = Picture(format="unknown", mime_type="application/octet-stream", extension="bin", width=0, height=0)


class Library:
    """All images of a user, for one configuration."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.catalogue = Catalogue(settings.database_url.get_secret_value())

    def close(self) -> None:
        """Closes the database."""
        self.catalogue.close()

    def save(
        self, images: Sequence[bytes], *, provenance: Provenance, naming: Naming, folder: Path
    ) -> tuple[tuple[StoredImage, ...], tuple[str, ...]]:
        """Saves paid images, whatever it takes; gives them with notes about what went wrong.

        Raises:
            StorageFailed: If an image could not be written to any folder.
        """
        notes: dict[str, None] = {}
        stored: list[StoredImage] = []
        for number, data in enumerate(images, start=1):
            image = self._write(
                data, provenance, naming=naming, folder=folder, number=number if len(images) > 1 else 0
            )
            if image.file_path.parent != folder:
                notes[f"{folder} could not be written; the image is in {image.file_path.parent}."] = None
            notes.update(dict.fromkeys(self._record(image)))
            stored.append(image)
        return tuple(stored), tuple(notes)

    def read(self, image: StoredImage) -> bytes:
        """The bytes of an image's file.

        Raises:
            NotFound: If the file is gone or cannot be read.
        """
        try:
            return image.file_path.read_bytes()
        except OSError as error:
            raise _gone(image) from error

    def identify(self, path: Path) -> StoredImage | None:
        """The image of a file: by its path, or by its bytes if it was moved or renamed."""
        known = self.catalogue.find_by_path(path.absolute())
        if known is not None:
            return known
        try:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
        except (OSError, ValueError):
            return None
        moved = self.catalogue.find_by_sha256(digest)
        return None if moved is None else replace(moved, file_path=path.absolute())

    def _write(
        self, data: bytes, provenance: Provenance, *, naming: Naming, folder: Path, number: int
    ) -> StoredImage:
        """Writes the file into the first folder that takes it."""
        now = datetime.now().astimezone()
        image_id = new_image_id(now)
        picture = read_picture(data) or _UNKNOWN
        path = self._place(data, naming, image_id=image_id, picture=picture, folder=folder, number=number)
        return StoredImage(
            id=image_id,
            file_path=path,
            size_bytes=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
            mime_type=picture.mime_type,
            width=picture.width,
            height=picture.height,
            created_at=now,
            provenance=provenance,
        )

    def _place(
        self, data: bytes, naming: Naming, *, image_id: str, picture: Picture, folder: Path, number: int
    ) -> Path:
        failures: list[str] = []
        for candidate in dict.fromkeys((folder, *fallback_folders(self._settings))):
            names = file_names(naming, image_id, extension=picture.extension, number=number)
            try:
                return write_exclusive(candidate, names, data)
            except OSError as error:
                failures.append(f"{candidate}: {error.strerror}")
        message = f"The image was made and paid for, but no folder could be written ({'; '.join(failures)})."
        raise StorageFailed(message, next_step="Free some space or fix the folders before the next call.")

    def _record(self, image: StoredImage) -> list[str]:
        """Metadata file and database row; a failure is a note, because the image itself is safe."""
        notes: list[str] = []
        try:
            write_metadata(image)
        except OSError as error:
            notes.append(f"The metadata file of {image.id} could not be written: {error.strerror}.")
        try:
            self.catalogue.add_image(image)
        except StorageFailed as error:
            notes.append(f"{image.id} is saved but not in the history: {error.message}")
        return notes


def _gone(image: StoredImage) -> NotFound:
    message = f"The file of image {image.id} is no longer at {image.file_path}."
    return NotFound(message, next_step="If it was moved, pass its new path as ref.")
