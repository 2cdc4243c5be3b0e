"""Keeping images: the file first, because it was paid for; then its metadata file and its database row."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from gpt_image_mcp import regular_files
from gpt_image_mcp.errors import NotFound, OutputRejected, StorageFailed, cut
from gpt_image_mcp.folders import fallback_folders, require_allowed, require_target
from gpt_image_mcp.ids import new_image_id
from gpt_image_mcp.imaging.formats import read_picture
from gpt_image_mcp.imaging.xmp import NOT_EMBEDDED, NOT_EMBEDDED_C2PA, embed, has_c2pa, metadata_of
from gpt_image_mcp.library import kept_bodies, storage
from gpt_image_mcp.library.audit import AuditLog
from gpt_image_mcp.library.budgets import Budgets
from gpt_image_mcp.library.database import Database
from gpt_image_mcp.library.deletions import Deletions
from gpt_image_mcp.library.images import Images
from gpt_image_mcp.library.ledger import Ledger
from gpt_image_mcp.library.naming import Naming, file_names, numbered, without_extension
from gpt_image_mcp.library.route_memo import RouteMemo
from gpt_image_mcp.library.search.query import ImageSearch
from gpt_image_mcp.library.sessions import Sessions
from gpt_image_mcp.library.sidecars import moved_to, write_metadata
from gpt_image_mcp.library.uploads import Uploads
from gpt_image_mcp.object_paths import is_object, location, object_path
from gpt_image_mcp.paths import real_path
from gpt_image_mcp.values.images import Picture, Provenance, StoredImage
from gpt_image_mcp.values.owners import EVERYBODY, LOCAL, Owner
from gpt_image_mcp.visible_text import without_unseen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from gpt_image_mcp.settings import Settings
    from gpt_image_mcp.values.budgets import Limit

_TRIED_AGAIN = (
    "It is tried again for an hour while this program runs; gpt-image-mcp history rebuild adds it too."
)
_log = logging.getLogger(__name__)
_UNKNOWN = Picture(format="unknown", mime_type="application/octet-stream", extension="bin", width=0, height=0)


class Library:
    """All images of a user, for one configuration.

    Args:
        settings: Where images and the database are.
        owner: Whose images they are.
        database: One that others use too, and that is closed by whoever opened it.
        budgets: Those of everybody, where others use them too.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        owner: Owner = LOCAL,
        database: Database | None = None,
        budgets: Budgets | None = None,
    ) -> None:
        self._settings = settings
        self._owner = owner
        self._budgets = budgets or Budgets(settings)
        self._is_shared = database is not None
        self._database = database or database_of(settings)
        self.images = Images(self._database, owner)
        self.search = ImageSearch(self._database, owner)
        self.ledger = Ledger(self._database, owner, keeps_prompts=settings.audit_prompts)
        self.audit = AuditLog(self._database)
        self._store = object_path(settings.storage)
        self.sessions = Sessions(self._database, owner, store=self._store)
        self.deletions = Deletions(self._database, owner)
        self.uploads = Uploads(self._database, owner)
        self.route_memo = RouteMemo(self._database)

    @property
    def owner(self) -> Owner:
        """Whose library it is."""
        return self._owner

    def of_everybody(self) -> Library:
        """The library of all owners, on the same database: for maintenance, which forgets nobody's things."""
        return Library(self._settings, owner=EVERYBODY, database=self._database, budgets=self._budgets)

    def limits(self) -> tuple[Limit, ...]:
        """What the user's calls may cost now. Blocking."""
        return self._budgets.limits_of(self._owner)

    def close(self) -> None:
        """Closes the database, unless others use it too."""
        if not self._is_shared:
            self._database.close()

    def check(self) -> None:
        """Opens the database and looks for damage.

        Raises:
            StorageFailed: If it is damaged or cannot be used.
        """
        self._database.check()

    def set_database_aside(self) -> Path:
        """Renames a damaged database and gives its new path; the next use makes a new one.

        Raises:
            StorageFailed: If the database is not a file, or cannot be renamed.
        """
        return self._database.set_aside()

    def save(
        self,
        images: Sequence[bytes],
        *,
        provenance: Provenance,
        naming: Naming,
        folder: Path,
        home: Path | None = None,
    ) -> tuple[tuple[StoredImage, ...], tuple[str, ...]]:
        """Saves paid images, if need be under another name or in another folder, and gives notes on that.

        Args:
            images: Whole files.
            provenance: How they came to be.
            naming: What they are called.
            folder: Where they go.
            home: Where their metadata go, if not beside them.

        Raises:
            StorageFailed: If no image could be written to any folder.
        """
        notes: list[str] = []
        stored: list[StoredImage] = []
        lost: list[StorageFailed] = []
        for number, data in enumerate(images, start=1):
            try:
                image, problems = self._write(
                    data,
                    provenance,
                    naming=naming,
                    folder=folder,
                    home=home or folder,
                    number=number if len(images) > 1 else 0,
                )
            except StorageFailed as error:
                lost.append(error)
                continue
            notes += [*problems, *self._record(image)]
            stored.append(image)
        if lost and not stored:
            raise lost[0]
        notes += [error.message for error in lost]
        return tuple(stored), tuple(dict.fromkeys(notes))

    def read(self, image: StoredImage) -> bytes:
        """The bytes of an image's file; see ``open``."""
        return self.open(image)[0]

    def open(self, image: StoredImage) -> tuple[bytes, tuple[str, ...]]:
        """The bytes of an image's file as saved; if it was changed, read as any input is, and a note on that.

        Raises:
            NotFound: If the file is gone.
            StorageFailed: If it was changed and may not be read, or the store does not give it.
        """
        path, roots = image.file_path, self._settings.input_roots
        most = int(self._settings.max_input_mb * 1_000_000)
        try:
            with contextlib.suppress(regular_files.NotAFile, regular_files.TooManyBytes):
                return storage.read_saved(path, image.sha256, max_bytes=image.size_bytes), ()
            data = storage.read(path, max_bytes=most, within=roots)
        except FileNotFoundError as error:
            raise _gone(image) from error
        except OSError as error:
            raise _unusable(image, error.strerror or str(error)) from error
        if _sha256(data) == image.sha256:
            return data, ()
        if read_picture(data) is None:
            raise _unusable(image, "it is no image that is known")
        return data, (f"The file of image {image.id} was changed since it was made; this is it now.",)

    def digest(self, image: StoredImage) -> str:
        """The SHA-256 of an image's file as it is now; empty if it cannot be read.

        Raises:
            StorageFailed: If the store does not give it.
        """
        try:
            if is_object(image.file_path):
                return _sha256(storage.read(image.file_path))
            return _file_sha256(image.file_path)
        except OSError:
            return ""

    def identify(self, path: Path) -> StoredImage | None:
        """The image of a file, by its path, or by its bytes if it was moved, renamed or copied.

        The new place of a moved file is remembered. A copy changes nothing, because the original is still
        where it was.
        """
        path = path.absolute()
        try:
            known = self.at(path)
            digest = "" if known else _file_sha256(path, within=self._settings.input_roots)
        except (OSError, ValueError):
            return None
        if known or not digest:
            return known
        original = self.images.find_by_sha256(digest)
        if original is None:
            return None
        return self.follow(original, path)

    def at(self, path: Path) -> StoredImage | None:
        """The image that was last known to be at an absolute path, also if that is through a link."""
        return self.images.find_by_path(path) or self.images.find_by_path(real_path(path))

    def find_object(self, address: str) -> StoredImage | None:
        """The image that is the object of an address in a store."""
        try:
            path = object_path(address)
        except ValueError:
            return None
        return self.images.find_by_path(path) if path else None

    def is_there(self, image: StoredImage) -> bool:
        """Whether the file of an image is there; of an object, whether the image was not deleted.

        The store is not asked, because nobody else deletes there: who opens the image learns the truth.
        """
        if is_object(image.file_path):
            return self.images.find_image(image.id) is not None
        return image.file_path.is_file()

    def hand_over(self, kept: Path) -> Path:
        """Moves what is kept of an answer into the store, where others can get at it; gives its new path.

        Without a store, or if it does not take it, the file stays where it is.
        """
        return kept_bodies.hand_over(kept, self._store) if self._store else kept

    def follow(self, image: StoredImage, path: Path) -> StoredImage:
        """The image with this path; remembers it, unless the file is still where it was too."""
        if is_object(image.file_path) or image.file_path.exists():
            return replace(image, file_path=path)
        moved = moved_to(image, real_path(path))
        self.images.add_image(moved)
        with contextlib.suppress(OSError, ValueError):
            write_metadata(moved)
        return replace(moved, file_path=path)

    def _write(
        self, data: bytes, provenance: Provenance, *, naming: Naming, folder: Path, home: Path, number: int
    ) -> tuple[StoredImage, list[str]]:
        """Writes one image into the first folder that takes it; gives it with notes on what went wrong."""
        now = datetime.now().astimezone()
        provenance = replace(provenance, owner=self._owner.name, group=self._owner.group)
        image_id = new_image_id(now)
        data, problems = self._embedded(data, image_id, now, provenance=provenance)
        picture = read_picture(data) or _UNKNOWN
        names = partial(file_names, image_id=image_id, extension=picture.extension, number=number)
        path, taken, notes = self._place(data, folder, naming=naming, names=names)
        image = StoredImage(
            id=image_id,
            file_path=path,
            size_bytes=len(data),
            sha256=_sha256(data),
            mime_type=picture.mime_type,
            width=picture.width,
            height=picture.height,
            created_at=now,
            provenance=provenance,
            c2pa=has_c2pa(data),
            home_folder=home if taken == folder != home else None,
        )
        return image, [*problems, *notes, *_on_name(path, naming, number)]

    def _embedded(
        self, data: bytes, image_id: str, now: datetime, *, provenance: Provenance
    ) -> tuple[bytes, list[str]]:
        """The bytes to write: as they came, or with metadata in them if that is wanted and possible."""
        if not self._settings.embed_metadata:
            return data, []
        if has_c2pa(data):
            return data, [NOT_EMBEDDED_C2PA]
        embedded = embed(data, metadata_of(image_id, now, provenance))
        return (data, [NOT_EMBEDDED]) if embedded is None else (embedded, [])

    def _place(
        self, data: bytes, folder: Path, *, naming: Naming, names: Callable[[Naming], Iterator[str]]
    ) -> tuple[Path, Path, list[str]]:
        """Writes a file; gives its path, the folder that took it, and notes on those that did not."""
        failures: dict[Path, str] = {}
        folders = [folder]  # the others are made when they are needed
        # The file system may refuse the caller's name, so the last attempts are without it.
        plain = replace(naming, label="", filename="")
        for attempt, candidate in ((a, c) for a in dict.fromkeys((naming, plain)) for c in folders):
            try:
                # The caller may replace a file in the folder asked for, not one of the same name elsewhere.
                replaceable = attempt.replaceable if candidate == folder else frozenset[str]()
                if candidate == folder:  # it may have been exchanged for a link meanwhile
                    require_allowed(folder, self._settings)
                path = self._written(data, candidate, names=partial(names, attempt), replaceable=replaceable)
            except (OSError, OutputRejected, StorageFailed) as error:
                folders[1:] = folders[1:] or fallback_folders(self._settings)
                failures.setdefault(candidate, getattr(error, "strerror", None) or str(error.args[0]))
            else:
                notes = [_on_failure(failed, why, path) for failed, why in failures.items()]
                return path, candidate, notes
        reasons = "; ".join(f"{location(failed)}: {why}" for failed, why in failures.items())
        message = f"An image was made and paid for, but no folder could be written ({reasons})."
        raise StorageFailed(message, next_step="Free some space or fix the folders before the next call.")

    def _written(
        self, data: bytes, folder: Path, *, names: Callable[[], Iterator[str]], replaceable: frozenset[str]
    ) -> Path:
        best = next(names())
        if best not in replaceable:
            return storage.write_exclusive(folder, names(), data)
        # There may be another thing now than before the call.
        require_target(folder / best, self._settings, overwrite=True)
        return storage.write_over(folder / best, data, follows_links=True)

    def _record(self, image: StoredImage) -> list[str]:
        """Writes metadata file and database row. A failure is only a note: the image itself is safe."""
        return [*_record_metadata(image), *self._record_row(image)]

    def _record_row(self, image: StoredImage) -> list[str]:
        try:
            self.images.database.write_eventually(lambda: self.images.add_image(image))
        except ValueError as error:
            return [f"{image.id} is saved but not in the history: {error}"]
        except StorageFailed as error:
            return [f"{image.id} is saved but not in the history: {error.message} {_TRIED_AGAIN}"]
        return []


def database_of(settings: Settings) -> Database:
    """The database of a configuration, which is opened when it is first used."""
    return Database(settings.database_url.get_secret_value())


def _on_failure(folder: Path, reason: str, path: Path) -> str:
    """A note on a folder that could not be written; it says if others cannot get at the image."""
    said = f"{location(folder)} could not be written ({reason.rstrip('.')}); the image is {location(path)}."
    if is_object(folder) and not is_object(path):
        said += (
            " It is on the server's own disk alone: when the store works, gpt-image-mcp history rebuild, run "
            "there, moves it into the store."
        )
        _log.warning("%s", said)
    return said


def _on_name(path: Path, naming: Naming, number: int) -> list[str]:
    """A note if a file is not named as the caller asked."""
    asked = without_unseen(naming.filename).strip()
    if not asked:
        return []
    if path.stem != numbered(asked, number):
        return [f"The name {cut(asked)} was taken or not possible; the image is {path.name}."]
    extension = asked.removeprefix(without_extension(asked))
    if extension and extension.lower() != path.suffix:
        return [f"The image is no {extension[1:]}, so it is called {path.name}."]
    return []


def _record_metadata(image: StoredImage) -> list[str]:
    try:
        write_metadata(image)
    except (OSError, StorageFailed, ValueError) as error:
        return [f"The metadata file of {image.id} could not be written: {error}."]
    return []


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _file_sha256(path: Path, *, within: tuple[Path, ...] | None = None) -> str:
    """The digest of a regular file; empty for one that is too large to be an image of the library."""
    with regular_files.open_regular(path, within=within) as stream:
        is_large = os.fstat(stream.fileno()).st_size > regular_files.MOST_BYTES
        return "" if is_large else hashlib.file_digest(stream, "sha256").hexdigest()


def _gone(image: StoredImage) -> NotFound:
    message = f"The file of image {image.id} is no longer at {image.location}."
    return NotFound(message, next_step="If it was moved, pass its new path as ref.")


def _unusable(image: StoredImage, reason: str) -> StorageFailed:
    message = f"The file of image {image.id} is not the one that was saved at {image.location}: {reason}."
    return StorageFailed(message, next_step="Put the saved file back, or pass another image.")
