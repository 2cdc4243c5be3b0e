"""Maintenance of the library: filling the database from metadata files, and deleting old images. Blocking."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from gpt_image_mcp.dates import parse_since
from gpt_image_mcp.errors import DatabaseDamaged, InvalidArgument, OutputRejected, StorageFailed
from gpt_image_mcp.folder_walks import folders_below
from gpt_image_mcp.folders import default_root, is_own, local_root, output_folder, temporary_folders
from gpt_image_mcp.imaging.formats import announced_format
from gpt_image_mcp.imaging.preview_cache import evict
from gpt_image_mcp.imaging.xmp import recovered_image
from gpt_image_mcp.library import storage
from gpt_image_mcp.library.kept_bodies import kept_before
from gpt_image_mcp.library.sidecars import FOLDER, metadata_path, read_metadata
from gpt_image_mcp.object_paths import is_object, location, object_path
from gpt_image_mcp.regular_files import MOST_BYTES, open_regular, read_regular
from gpt_image_mcp.services.deletion import redact_emptied_results
from gpt_image_mcp.services.moving_in import move_in
from gpt_image_mcp.steps import step

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from gpt_image_mcp.library.store import Library
    from gpt_image_mcp.settings import Settings
    from gpt_image_mcp.values.images import StoredImage

_BYTES_PER_MB = 1_000_000
# Where no age is given: by then, the usage page has long told what became of the call.
_ANSWERS_KEPT_FOR = timedelta(days=30)
_SIGNATURE_BYTES = 4096  # an SVG may begin with comments
_MOST_SESSIONS = 1_000_000
_EMBEDDING = (".png", ".jpg", ".jpeg", ".webp")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilt:
    """What a rebuild did.

    Attributes:
        images: How many images were added or renewed.
        folders: Where they were looked for.
        unreadable: Metadata files that could not be used, or tell otherwise of an image than the library.
        moved: How many images were moved from this machine into the store.
        set_aside: Where the damaged database is now; None if it was not damaged.
    """

    images: int
    folders: tuple[Path, ...]
    unreadable: tuple[Path, ...]
    moved: int = 0
    set_aside: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """What was deleted, or would be.

    Attributes:
        images: Oldest first.
        start_images: Copies of start images that no edit session can use any more.
        answers: Answers of the API, and previews in them, that were kept because no image could be stored.
        kept: Images that were old enough and stay, each with the reason.
        failed: What could not be deleted, each with the reason.
        freed_bytes: The size of all deleted files that were still there.
        is_done: Whether they were deleted; false if this is a plan.
    """

    images: tuple[StoredImage, ...]
    start_images: tuple[Path, ...]
    answers: tuple[Path, ...]
    kept: tuple[str, ...]
    failed: tuple[str, ...]
    freed_bytes: int
    is_done: bool


def rebuild(library: Library, named: Sequence[Path], *, settings: Settings) -> Rebuilt:
    """Fills the database from metadata files in the folders named, the configured one and those known so far.

    In the folders named, and in those of images that found no other, the metadata embedded in image files
    count too, for images that are not known otherwise. What the database knows besides (calls, sessions,
    images without a metadata file) stays, unless the database is damaged: then it is set aside, and a new one
    begins.

    Raises:
        InvalidArgument: If one of ``named`` is not a folder.
        StorageFailed: If the database cannot be used, but is not damaged, or none can be made.
    """
    roots = [_require_folder(path) for path in named]
    roots += temporary_folders()
    try:
        library.check()
        return _fill(library, roots, settings)
    except DatabaseDamaged:
        set_aside = library.set_database_aside()
        return replace(_fill(library, roots, settings), set_aside=set_aside)


def prune(
    library: Library, *, older_than: str, keep_mb: float | None, is_confirmed: bool, settings: Settings
) -> Pruned:
    """Deletes old images, or says which it would delete; see ``History.prune``.

    If one image cannot be deleted, the others still are.

    Raises:
        InvalidArgument: If no limit is given, or one is malformed.
    """
    now = datetime.now(UTC)
    before = parse_since(older_than, now, name="older_than")
    _require_limit(before, keep_mb)
    if is_confirmed:
        library.ledger.redact(())  # no file goes where nothing can be written about it
    kept: list[str] = []
    candidates = _over_limits(library.images.all_images(), before=before, keep_mb=keep_mb)
    in_use = _open_sessions(library, settings)
    ours = [image for image in candidates if _is_in_own_folder(image, settings, kept=kept)]
    chosen = [image for image in ours if _may_go(image, library, in_use, kept=kept)]
    deletion = _Deletion(library, is_real=is_confirmed)
    images = tuple([image for image in chosen if deletion.delete_image(image)])
    start_images = deletion.delete_leftovers({image.id for image in images}, in_use=in_use)
    answers = deletion.delete_answers(before or now - _ANSWERS_KEPT_FOR, object_path(settings.storage))
    deletion.redact_results()
    return Pruned(
        images=images,
        start_images=start_images,
        answers=answers,
        kept=tuple(kept),
        failed=tuple(deletion.failed),
        freed_bytes=deletion.freed_bytes,
        is_done=is_confirmed,
    )


def _require_folder(path: Path) -> Path:
    """The absolute path of a folder.

    Raises:
        InvalidArgument: If there is no such folder.
    """
    folder = path.expanduser().absolute()
    if not os.path.isdir(folder):
        message = f"{path} is {'a file' if os.path.exists(folder) else 'not there'}, so nothing was read."
        raise InvalidArgument(message, next_step="Pass folders that hold images, or none.")
    return folder


def _fill(library: Library, roots: Sequence[Path], settings: Settings) -> Rebuilt:
    known = {image.file_path.parent for image in library.images.all_images()}
    walked = (folder for root in [*roots, *_usual_folders(settings)] for folder, _ in folders_below(root))
    described = {folder.parent for folder in walked if folder.name == FOLDER}
    folders = sorted({*roots, *described, *(folder for folder in known if not is_object(folder))})
    real = [folder / FOLDER for folder in folders if not (folder / FOLDER).is_symlink()]
    files = [path for folder in real for path in sorted(folder.glob("*.json"))]
    objects = frozenset(path for path, _ in storage.objects_below(default_root(settings)))
    stored = sorted(path for path in objects if path.parent.name == FOLDER and path.suffix == ".json")
    read, unreadable = _add_described([*files, *stored], _Places(library, objects), settings)
    unreadable += [folder for folder in real if folder.is_dir() and not os.access(folder, os.R_OK | os.X_OK)]
    read += sum(_add_embedded(root, library, unreadable) for root in roots)
    library.images.reindex()
    folders += sorted({path.parent.parent for path in stored})
    moved = move_in(library, settings)
    return Rebuilt(images=read, folders=tuple(folders), unreadable=tuple(unreadable), moved=moved)


def _usual_folders(settings: Settings) -> list[Path]:
    usual = [local_root()]
    try:
        folder = output_folder(settings, "").absolute()
        return usual if is_object(folder) else [*usual, folder]
    except OutputRejected:
        return usual


def _add_described(files: Iterable[Path], places: _Places, settings: Settings) -> tuple[int, list[Path]]:
    """Adds the images that metadata files describe; gives their number, and the files that cannot be read."""
    read = 0
    unreadable: list[Path] = []
    for path in files:
        step()
        try:
            image = read_metadata(path)
            placed = places.at_its_place(image) if image and _may_tell(image, settings) else None
            placed = placed if placed and _may_be_ours(placed.file_path) else None
            is_added = placed is not None and places.library.images.add_image(placed)
        except (OSError, ValueError):  # the names of its folders may be no text
            is_added = False
        read += is_added
        unreadable += [] if is_added else [path]
    return read, unreadable


def _may_tell(image: StoredImage, settings: Settings) -> bool:
    """Whether a metadata file lies where only we write, if it tells of an image elsewhere."""
    return image.home_folder is None or is_own(image.home_folder, settings)


def _may_be_ours(path: Path) -> bool:
    """Whether a file begins as an image does, or is gone or an object; only we write such."""
    if is_object(path) or not path.exists():
        return True
    with open_regular(path, follows_links=False) as stream:
        return bool(announced_format(stream.read(_SIGNATURE_BYTES)))


@dataclass(frozen=True, slots=True)
class _Places:
    """Finds the files of images that were renamed or moved; each folder, and the store, is listed once."""

    library: Library
    objects: frozenset[Path]
    folders: dict[Path, dict[int, list[Path]]] = field(default_factory=dict[Path, dict[int, list[Path]]])

    def at_its_place(self, image: StoredImage) -> StoredImage | None:
        """The image with the present path of its file, as far as it is known or found in the same folder.

        A copy elsewhere changes nothing of an image that is still there; None if the copy is of another.
        """
        known = self.library.images.find_image(image.id)
        if known is not None and known.sha256 != image.sha256:
            return None
        if known is not None and self._is_there(known.file_path):
            is_beside = known.file_path.parent == image.file_path.parent
            return replace(image, file_path=known.file_path) if is_beside else known
        if is_object(image.file_path) or image.file_path.exists():
            return image
        candidates = (replace(image, file_path=path) for path in self._of_its_size(image))
        return next((found for found in candidates if self.library.digest(found) == image.sha256), image)

    def _is_there(self, path: Path) -> bool:
        return path in self.objects if is_object(path) else path.exists()

    def _of_its_size(self, image: StoredImage) -> list[Path]:
        folder = image.file_path.parent
        if folder not in self.folders:
            self.folders[folder] = _files_by_size(folder)
        return self.folders[folder].get(image.size_bytes, [])


def _files_by_size(folder: Path) -> dict[int, list[Path]]:
    found: dict[int, list[Path]] = {}
    _, names = next(folders_below(folder), (folder, list[str]()))
    for name in names:
        found.setdefault(_bytes_on_disk(folder / name), []).append(folder / name)
    return found


def _add_embedded(root: Path, library: Library, unreadable: list[Path]) -> int:
    """Adds unknown images from the metadata embedded in their files; gives their number."""
    read = 0
    paths = (folder / name for folder, names in folders_below(root) for name in names)
    for path in (path for path in paths if path.suffix.lower() in _EMBEDDING):
        try:
            read += _is_added(path, library)
        except (OSError, ValueError):
            unreadable.append(path)
    return read


def _is_added(path: Path, library: Library) -> bool:
    """Adds the image of a file if our metadata are embedded in it and it is unknown; whether it was added."""
    step()
    image = recovered_image(path, read_regular(path, max_bytes=MOST_BYTES, follows_links=False))
    return image is not None and not library.images.find_image(image.id) and library.images.add_image(image)


def _require_limit(before: datetime | None, keep_mb: float | None) -> None:
    if before is None and keep_mb is None:
        message = "No limit was given, so nothing was deleted."
        raise InvalidArgument(message, next_step="Pass --older-than, such as 90d, or --keep-mb.")
    if keep_mb is not None and not 0 <= keep_mb < math.inf:
        message = f"keep_mb is {keep_mb}, which is no number of megabytes; nothing was deleted."
        raise InvalidArgument(message, next_step="Pass 0 or more.")


def _over_limits(
    images: Iterable[StoredImage], *, before: datetime | None, keep_mb: float | None
) -> list[StoredImage]:
    """The images that are too old, or too much, oldest first; ``images`` are newest first."""
    budget_bytes = None if keep_mb is None else keep_mb * _BYTES_PER_MB
    total_bytes = 0
    over: list[StoredImage] = []
    for image in images:
        # Asking a store for the size of each takes long.
        is_stored = is_object(image.file_path)
        total_bytes += image.size_bytes if is_stored else _bytes_on_disk(image.file_path)
        is_old = before is not None and image.created_at < before
        if is_old or (budget_bytes is not None and total_bytes > budget_bytes):
            over.append(image)
    return over[::-1]


def _bytes_on_disk(path: Path) -> int:
    """The size of a file; 0 if it is gone."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _open_sessions(library: Library, settings: Settings) -> set[str]:
    idle_since = datetime.now(UTC) - timedelta(milliseconds=settings.session_ttl_ms)
    # How many are open counts for each person; of everybody's, those that are not idle are.
    most_open = _MOST_SESSIONS if settings.is_served else settings.session_max
    listed = library.sessions.latest(most_open=most_open, idle_since=idle_since)
    return {session.id for session in listed if session.status == "open"}


def _is_in_own_folder(image: StoredImage, settings: Settings, *, kept: list[str]) -> bool:
    """Whether an image lies where only we write: a metadata file may tell of a user's own picture."""
    is_ours = is_own(image.file_path.parent, settings)
    if not is_ours:
        kept.append(f"{image.location} is in a folder of your own")
    return is_ours


def _may_go(image: StoredImage, library: Library, in_use: set[str], *, kept: list[str]) -> bool:
    """Whether an image may be deleted; if not, the reason is added to ``kept``."""
    step()
    path = image.file_path
    if image.provenance.session_id in in_use:
        kept.append(f"{image.id} belongs to the open session {image.provenance.session_id}")
        return False
    is_there = storage.exists(path) if is_object(path) else os.path.lexists(path)
    is_same = library.digest(image) == image.sha256
    is_link = not is_object(path) and path.is_symlink()
    if is_link or (is_there and not is_same):
        kept.append(f"{location(path)} was changed outside")
        return False
    return True


@dataclass(slots=True)
class _Deletion:
    """Deletes one thing after the other and notes what fails; if not ``is_real``, it only adds up sizes."""

    library: Library
    is_real: bool
    freed_bytes: int = 0
    failed: list[str] = field(default_factory=list[str])

    def delete_image(self, image: StoredImage) -> bool:
        """Deletes an image with its metadata and history; whether that worked, or would."""
        described = metadata_path(image)  # in a folder that is a link, nothing is ours
        files = (image.file_path, *(() if described.parent.is_symlink() else (described,)))
        return self._delete(files, f"{image.location} ({image.id})", lambda: self._forget(image))

    def delete_leftovers(self, leaving: Collection[str], *, in_use: Collection[str]) -> tuple[Path, ...]:
        """Deletes sessions and start images that are of no more use; gives the start images."""
        leftovers = self.library.sessions.leftovers(leaving, in_use=in_use)
        if self.is_real:
            self.library.sessions.remove(leftovers.sessions)
        return tuple([path for path in leftovers.start_images if self._delete((path,), location(path))])

    def delete_answers(self, before: datetime, store: Path | None) -> tuple[Path, ...]:
        """Deletes kept answers that are older than a time; gives their files."""
        return tuple([path for path in kept_before(before, store) if self._delete((path,), location(path))])

    def redact_results(self) -> None:
        """Takes out of the calls the results of batches and joined calls whose images are all gone."""
        try:
            if self.is_real:
                redact_emptied_results(self.library)
        except StorageFailed as error:
            self.failed.append(f"Prompts of deleted images are still in some calls: {error.message}")

    def _delete(self, files: Sequence[Path], name: str, then: Callable[[], None] = lambda: None) -> bool:
        """Deletes files, then calls ``then``. Only the first file counts in ``freed_bytes``."""
        step()
        try:
            for path in files:
                storage.require_deletable(path)
            size_bytes = storage.size(files[0]) or 0
            if self.is_real:
                for path in files:
                    storage.delete(path)
                then()
        except (OSError, StorageFailed) as error:
            reason = error.message if isinstance(error, StorageFailed) else error.strerror or str(error)
            self.failed.append(f"{name} cannot be deleted: {reason}")
            return False
        self.freed_bytes += size_bytes
        return True

    def _forget(self, image: StoredImage) -> None:
        evict(image.sha256)
        self.library.images.remove_image(image.id)
