"""Pictures in and out of a served library, for clients that are elsewhere: what a signed link stands for."""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from gpt_image_mcp.errors import InputRejected, NotFound, StorageFailed
from gpt_image_mcp.folders import output_folder
from gpt_image_mcp.ids import new_upload_id
from gpt_image_mcp.imaging.formats import open_picture, read_picture, room_for
from gpt_image_mcp.imaging.normalise import damage_refused, require_whole
from gpt_image_mcp.imaging.svg import is_svg
from gpt_image_mcp.library import storage
from gpt_image_mcp.library.uploads import delete_upload, write_upload
from gpt_image_mcp.paths import is_within
from gpt_image_mcp.threads import in_database, in_drawing, in_folders
from gpt_image_mcp.values.downloads import Download

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from gpt_image_mcp.library.store import Library
    from gpt_image_mcp.settings import Settings

_FOLDER = "uploads"
_NOTHING = "There is no such picture."
_ANOTHER = "Pass another; find_images lists those there are."


@dataclass(frozen=True, slots=True)
class Transfers:
    """What comes in and goes out by link, for one person."""

    settings: Settings
    library: Library
    clock: Callable[[], datetime]

    async def begin_upload(self, *, ends_at: datetime) -> str:
        """Awaits a picture until a time, and gives the reference that it will have.

        What was sent by anybody and kept long enough is deleted on the way.
        """
        return await in_database(self._begin_upload, ends_at)

    async def is_awaited(self, upload_id: str) -> bool:
        """Whether a picture may still be sent."""
        return await in_database(self.library.uploads.is_awaited, upload_id, self.clock())

    async def receive(self, upload_id: str, file: IO[bytes]) -> bool:
        """Takes a picture that was sent; false if another was taken before, or the time is over.

        One that is refused uses nothing up.

        Args:
            upload_id: What it was sent as.
            file: All of it.

        Raises:
            InputRejected: If no edit and no export would take it.
            StorageFailed: If it cannot be kept.
        """
        data, extension = await in_drawing(_checked, upload_id, file)
        return await in_folders(self._keep, upload_id, data, extension)

    async def image(self, image_id: str) -> Download:
        """The file of an image, as it was saved.

        Raises:
            NotFound: If the person has no such image, or its file is another by now.
            StorageFailed: If it cannot be read.
        """
        return await in_folders(self._image, image_id)

    async def export(self, name: str) -> Download:
        """A file that an export wrote to the person's folder, by its SHA-256, a slash and its path in there.

        Raises:
            NotFound: If it is another by now, or is not in the folder.
            StorageFailed: If the store does not give it.
        """
        return await in_folders(self._export, name)

    def _begin_upload(self, ends_at: datetime) -> str:
        for path in self.library.uploads.forget_expired(self.clock()):
            _discard(path)
        upload_id = new_upload_id()
        self.library.uploads.begin(upload_id, ends_at=ends_at)
        return upload_id

    def _keep(self, upload_id: str, data: bytes, extension: str) -> bool:
        folder = output_folder(self.settings, "") / _FOLDER
        try:
            path = write_upload(folder, upload_id, data, extension=extension)
        except OSError as error:
            message = f"The upload could not be kept: {error.strerror or error}."
            raise StorageFailed(message, next_step="Send it again later.", retryable=True) from error
        if self.library.uploads.take(upload_id, path, self.clock()):
            return True
        _discard(path)
        return False

    def _image(self, image_id: str) -> Download:
        image = self.library.images.find_image(image_id)
        if image is None:
            raise NotFound(_NOTHING, next_step=_ANOTHER)
        data, changes = self.library.open(image)
        if changes:
            raise NotFound(_NOTHING, next_step=_ANOTHER)
        return Download(data, image.mime_type, image.file_path.name)

    def _export(self, name: str) -> Download:
        folder = output_folder(self.settings, "")
        sha256, _, name = name.partition("/")
        data = b""
        # Of an object only its name says where it is.
        if is_within(folder / name, (folder,)):
            with contextlib.suppress(OSError):
                data = storage.read(folder / name, within=(folder,))
        picture = read_picture(data)
        if picture is None or hashlib.sha256(data).hexdigest() != sha256:
            raise NotFound(_NOTHING, next_step=_ANOTHER)
        return Download(data, picture.mime_type, Path(name).name)


def _checked(upload_id: str, file: IO[bytes]) -> tuple[bytes, str]:
    """The bytes of a picture that an edit or an export takes, and their extension."""
    file.seek(0)
    data = file.read()
    if is_svg(data):  # whose other refusal advises to export it, which needs it here
        message = f"{upload_id} is an SVG, a vector drawing, and models take pictures of pixels."
        raise InputRejected(message, next_step="Convert it to PNG, and send that to the same address.")
    picture = require_whole(data, source=upload_id)
    # Its link takes no other, so that all of its pixels have to be there, and not only the end of the file.
    with damage_refused(upload_id), room_for(data), open_picture(data) as image:
        image.load()
    return data, picture.extension


def _discard(path: Path) -> None:
    """Deletes an upload that nobody can use; what cannot be deleted takes room and nothing else."""
    with contextlib.suppress(OSError, StorageFailed):
        delete_upload(path)
