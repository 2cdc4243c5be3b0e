"""Upkeep of the library: the database made anew from the files, and old images deleted. Blocking."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import platformdirs

from gpt_image_mcp.errors import InvalidArgument, OutputRejected, StorageFailed
from gpt_image_mcp.library.folders import APP, output_folder
from gpt_image_mcp.library.metadata import FOLDER, metadata_path, read_metadata
from gpt_image_mcp.periods import parse_since
from gpt_image_mcp.reductions import forget

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from gpt_image_mcp.library.store import Library
    from gpt_image_mcp.settings import Settings
    from gpt_image_mcp.values import StoredImage

_BYTES_PER_MB = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilt:
    """What a rebuild found.

    Attributes:
        images: How many images were read from their metadata files.
        folders: Where they were.
        unreadable: Metadata files that could not be used.
        set_aside: Where the damaged database is now; None if it was in order.
    """

    images: int
    folders: tuple[Path, ...]
    unreadable: tuple[Path, ...]
    set_aside: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """What was deleted, or would be.

    Attributes:
        images: Oldest first.
        kept: Images that were old enough and stay, each with the reason.
        freed_bytes: Of the files alone.
        is_done: Whether they are gone.
    """

    images: tuple[StoredImage, ...]
    kept: tuple[str, ...]
    freed_bytes: int
    is_done: bool


def rebuild(library: Library, named: Sequence[Path], *, settings: Settings) -> Rebuilt:
    """Makes the database anew from metadata files: in the folders named, the configured and the known ones.

    What the database knows besides (calls, sessions, images whose metadata is gone) stays, unless the
    database is damaged; then it is set aside.

    Raises:
        StorageFailed: If no database can be made, or another program holds it.
    """
    set_aside = _set_aside_if_damaged(library)
    known = {image.file_path.parent for image in library.catalogue.all_images()}
    folders = sorted(set(_folders_with_metadata([*named, *_usual_folders(settings)])) | known)
    read = 0
    unreadable: list[Path] = []
    for path in (path for folder in folders for path in sorted((folder / FOLDER).glob("*.json"))):
        image = _read(path)
        if image is None:
            unreadable.append(path)
        else:
            library.catalogue.add_image(_at_its_place(image, library))
            read += 1
    library.search.reindex()
    return Rebuilt(images=read, folders=tuple(folders), unreadable=tuple(unreadable), set_aside=set_aside)


def prune(
    library: Library, *, older_than: str, keep_mb: float | None, is_confirmed: bool, settings: Settings
) -> Pruned:
    """Deletes old images, or says which it would.

    Raises:
        InvalidArgument: If no limit is given.
    """
    before = parse_since(older_than, datetime.now(UTC))
    if before is None and keep_mb is None:
        message = "No limit was given, so nothing was deleted."
        raise InvalidArgument(message, next_step="Pass --older-than, such as 90d, or --keep-mb.")
    kept: list[str] = []
    candidates = _beyond(tuple(library.catalogue.all_images()), before=before, keep_mb=keep_mb)
    in_use = _open_sessions(library, settings)
    chosen = tuple(image for image in candidates if _may_go(image, library, in_use, kept=kept))
    if is_confirmed:
        for image in chosen:
            _delete(image, library)
    return Pruned(
        images=chosen,
        kept=tuple(kept),
        freed_bytes=sum(image.size_bytes for image in chosen),
        is_done=is_confirmed,
    )


def _set_aside_if_damaged(library: Library) -> Path | None:
    try:
        library.check()
    except StorageFailed as error:
        if error.retryable:
            raise
        return library.set_database_aside()
    return None


def _usual_folders(settings: Settings) -> list[Path]:
    usual = [platformdirs.user_config_path(APP, appauthor=False) / "output"]
    try:
        return [*usual, output_folder(settings, "")]
    except OutputRejected:
        return usual


def _folders_with_metadata(roots: Iterable[Path]) -> Iterator[Path]:
    """The folders at or below the given ones that hold metadata files."""
    for root in roots:
        for folder in root.expanduser().absolute().rglob(FOLDER):
            if folder.is_dir():
                yield folder.parent


def _read(path: Path) -> StoredImage | None:
    try:
        return read_metadata(path)
    except OSError:
        return None


def _at_its_place(image: StoredImage, library: Library) -> StoredImage:
    """The image with its file, which may have been renamed within its folder."""
    if image.file_path.exists():
        return image
    for path in image.file_path.parent.iterdir():
        if path.is_file() and path.stat().st_size == image.size_bytes:
            renamed = replace(image, file_path=path)
            if library.digest(renamed) == image.sha256:
                return renamed
    return image


def _beyond(
    images: Sequence[StoredImage], *, before: datetime | None, keep_mb: float | None
) -> list[StoredImage]:
    """Of images in the order of time, those that are too old or too much."""
    budget_bytes = None if keep_mb is None else keep_mb * _BYTES_PER_MB
    total_bytes = 0
    beyond: list[StoredImage] = []
    for image in reversed(images):
        total_bytes += image.size_bytes
        is_old = before is not None and image.created_at < before
        if is_old or (budget_bytes is not None and total_bytes > budget_bytes):
            beyond.append(image)
    return beyond[::-1]


def _open_sessions(library: Library, settings: Settings) -> set[str]:
    idle_since = datetime.now(UTC) - timedelta(milliseconds=settings.session_ttl_ms)
    listed = library.sessions.latest(most_open=settings.session_max, idle_since=idle_since)
    return {session.id for session in listed if session.status == "open"}


def _may_go(image: StoredImage, library: Library, in_use: set[str], *, kept: list[str]) -> bool:
    """Whether an image may be deleted; otherwise notes why not."""
    if image.provenance.session_id in in_use:
        kept.append(f"{image.id} belongs to the open session {image.provenance.session_id}")
        return False
    if image.file_path.exists() and library.digest(image) != image.sha256:
        kept.append(f"{image.file_path} was changed outside")
        return False
    return True


def _delete(image: StoredImage, library: Library) -> None:
    try:
        image.file_path.unlink(missing_ok=True)
        metadata_path(image).unlink(missing_ok=True)
        forget(image.sha256)
    except OSError as error:
        message = f"{image.file_path} cannot be deleted: {error.strerror or error}."
        raise StorageFailed(
            message, next_step="Check who may write into its folder, then run it again."
        ) from error
    library.catalogue.remove_image(image.id)
