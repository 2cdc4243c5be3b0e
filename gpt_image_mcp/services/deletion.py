"""Deleting one image of the library: its file, previews, metadata and entry. Blocking.

Only what this program made goes, and only as it was made: the recorded size and hash must be those of the
file. What the image cost stays in all sums, and the images made from it stay.
"""

from __future__ import annotations

import contextlib
import os
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from gpt_image_mcp.calls.stored_results import images_in
from gpt_image_mcp.errors import (
    InputRejected,
    InvalidArgument,
    NotFound,
    OutputRejected,
    StorageFailed,
    cut,
)
from gpt_image_mcp.folders import colleague_folder, is_own, require_allowed
from gpt_image_mcp.imaging.preview_cache import evict
from gpt_image_mcp.library import storage
from gpt_image_mcp.library.sidecars import metadata_path, write_metadata
from gpt_image_mcp.object_paths import is_object
from gpt_image_mcp.paths import real_path
from gpt_image_mcp.references import reference_to
from gpt_image_mcp.services.lineage import true_state
from gpt_image_mcp.services.references import find_file, image_of, not_there
from gpt_image_mcp.values.deletions import Deletion

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from gpt_image_mcp.library.store import Library
    from gpt_image_mcp.references import Reference
    from gpt_image_mcp.settings import Settings
    from gpt_image_mcp.values.history import FileState
    from gpt_image_mcp.values.images import StoredImage
    from gpt_image_mcp.values.sessions import SessionUse

_ANOTHER = "Pass the id or the path of an image from an earlier result; find_images lists them."
_NOT_OURS = "Only images of the library are deleted here; delete other files yourself."


def delete(text: str, library: Library, *, settings: Settings, is_confirmed: bool) -> Deletion:
    """Deletes an image, or says what would go; see ``Studio.delete``.

    Raises:
        RequestError: If it is none of ours, was changed, or may not be deleted now; all is as it was.
        StorageFailed: If a file cannot be deleted; all is as it was.
    """
    image = _image_of(text, library, settings)
    owner = image.provenance.owner
    if owner != library.images.owner.name:  # of somebody whose group shares
        settings = settings.model_copy(update={"output_dir": str(colleague_folder(settings, owner))})
    state = _require_unchanged(image, library)
    if state == "present":
        _require_described_by_us(image, settings)
    _require_reachable(image, settings)
    now = datetime.now(UTC)
    sessions = library.deletions.users_of(image.id)
    _require_idle(image, sessions)
    parents = tuple(known for known in image.provenance.parents if library.images.find_image(known))
    children = library.images.children_of(image.id)
    if is_confirmed:
        permit = partial(_remove_files, image, state)
        if is_object(image.file_path):  # which may take a while, and all others wait for a transaction
            permit(sessions)
            permit = partial(_require_idle, image)
        if not library.deletions.delete(image.id, now, permit=permit):
            image_of(image.id, library, settings=settings)  # raises: another call deleted it meanwhile
        with contextlib.suppress(StorageFailed):  # the image is gone; this is done again by the next one
            redact_emptied_results(library)
    return Deletion(
        image=image,
        file=state,
        parents=parents,
        children=children,
        as_returned=_as_returned(image, parents, library),
        sessions=sessions,
        is_done=is_confirmed,
    )


def _as_returned(image: StoredImage, parents: Sequence[str], library: Library) -> str:
    """The id of the picture as the API returned it, where the image was finished from it; else empty."""
    made_by = {known: library.images.find_image(known) for known in parents}
    call_id = image.provenance.call_id
    return next((known for known, made in made_by.items() if made and made.provenance.call_id == call_id), "")


def redact_emptied_results(library: Library) -> None:
    """Takes out of the calls the results of batches and joined calls whose images are all gone."""
    library = library.of_everybody()  # what is another's is not gone
    results = library.ledger.results_without_images()
    library.ledger.redact([call_id for call_id, result in results if _is_gone(result, library)])


def _is_gone(result_json: str, library: Library) -> bool:
    """Whether a result had images, and none is left in the library or on the disk."""
    images = images_in(result_json)
    known = (library.is_there(image) or library.images.find_image(image.id) for image in images)
    return bool(images) and not any(known)


def _image_of(text: str, library: Library, settings: Settings) -> StoredImage:
    """The image that is to go, named by its id, its address or its own path."""
    ref = reference_to(text, settings)
    if ref.kind in ("session", "job"):
        message = f"{ref.shown} is a {ref.kind}, and delete_image deletes one image."
        raise InvalidArgument(
            message, next_step=f"Pass the id of an image; get_image lists those of the {ref.kind}."
        )
    is_part = ref.kind == "image" and ref.text.rstrip("/").endswith(("/preview", "/metadata"))
    if is_part or ref.kind in ("data", "web", "address", "upload"):
        raise InvalidArgument(f"{ref.shown} is no image of the library.", next_step=_ANOTHER)
    if ref.kind == "path":
        return _image_at(ref, library, settings)
    return image_of(ref.text, library, settings=settings)


def _image_at(ref: Reference, library: Library, settings: Settings) -> StoredImage:
    """The image whose own file a path is: no link to it, and no copy of it."""
    path, _ = find_file(ref, settings)
    kind = "a link" if os.path.islink(path) else "a folder" if os.path.isdir(path) else ""
    if kind:
        raise InputRejected(f"{cut(path)} is {kind}, and was left alone.", next_step=_ANOTHER)
    found = library.identify(path)
    known = library.images.find_image(found.id) if found else None
    if known is None:
        if not os.path.exists(path):
            error = not_there(path, ref, settings)
            raise NotFound(error.message, next_step=error.next_step)
        raise InputRejected(
            f"{cut(path)} is no image of the library, and was left alone.", next_step=_NOT_OURS
        )
    if real_path(known.file_path) != real_path(path):
        message = f"{cut(path)} is a copy of image {known.id}, whose own file is {cut(known.file_path)}."
        step = f"Pass {known.id} to delete the image; delete the copy yourself."
        raise InputRejected(message, next_step=step)
    return known


def _require_unchanged(image: StoredImage, library: Library) -> FileState:
    """What is there of the file: nothing, or the bytes that were saved."""
    path = image.file_path
    if not is_object(path) and not os.path.lexists(path):
        return "missing"
    owner = library.images.find_by_path(path)
    if owner and owner.id != image.id:
        return "missing"  # another image of ours replaced it
    state = "changed" if not is_object(path) and path.is_symlink() else true_state(image, library)
    if state == "changed":
        message = (
            f"{cut(path)} is no longer the file of image {image.id} as it was saved, so nothing was deleted."
        )
        step = "If it is of no more use, delete or move it yourself; then this call deletes what is left."
        raise InputRejected(message, next_step=step)
    return state


def _require_described_by_us(image: StoredImage, settings: Settings) -> None:
    """Refuses a file that only a metadata file beside it calls ours: it may be the user's own."""
    if not is_own(metadata_path(image).parent.parent, settings):
        message = (
            f"Image {image.id} is known by a metadata file in {cut(image.file_path.parent)}, which "
            "others may have written, so nothing was deleted."
        )
        step = "If it is of no more use, delete or move the file yourself; then this call deletes the entry."
        raise InputRejected(message, next_step=step)


def _require_reachable(image: StoredImage, settings: Settings) -> None:
    """Refuses what lies where this server writes nothing."""
    if is_object(image.file_path):  # in the store of the library, whose owner was asked for
        return
    try:
        require_allowed(image.file_path, settings)
    except OutputRejected as error:
        step = "Delete it with the command line on that machine: gpt-image-mcp delete."
        raise OutputRejected(
            f"Image {image.id} cannot be deleted: {error.message}", next_step=step
        ) from error


def _require_idle(image: StoredImage, users: tuple[SessionUse, ...]) -> None:
    busy = next((session.id for session in users if session.is_busy), None)
    if busy:
        message = f"Edit session {busy} uses image {image.id} and is just making a turn; nothing was deleted."
        step = "Wait for the turn, or collect it with get_image; then delete the image."
        raise InvalidArgument(message, next_step=step, retryable=True)


def _remove_files(image: StoredImage, state: FileState, users: tuple[SessionUse, ...]) -> None:
    """Deletes previews, metadata file and image; if one cannot be deleted, all of them stay."""
    _require_idle(image, users)
    described = metadata_path(image)
    # In a folder that is a link, nothing is ours.
    files = [] if described.parent.is_symlink() else [described]
    files += [image.file_path] if state == "present" else []
    gone: list[Path] = []
    try:
        evict(image.sha256)
        for path in files:
            storage.delete(path)
            gone.append(path)
    except (OSError, StorageFailed) as error:
        if gone:
            with contextlib.suppress(OSError, StorageFailed, ValueError):
                write_metadata(image)
        reason = error.message if isinstance(error, StorageFailed) else error.strerror or str(error)
        message = f"Image {image.id} cannot be deleted: {reason.rstrip('.')}; it is as it was."
        step = "Check the permissions of its folder, and whether a program has it open; then call again."
        raise StorageFailed(message, next_step=step) from error
