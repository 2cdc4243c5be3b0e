"""What a reference leads to on this machine: an image of the library, or any file."""

from __future__ import annotations

import difflib
import glob
import re
from typing import TYPE_CHECKING, NoReturn

from gpt_image_mcp.errors import InputNotFound, InputRejected, InvalidArgument, NotFound, RequestError, cut
from gpt_image_mcp.folder_walks import Walk, find_spelled
from gpt_image_mcp.folders import project_folder
from gpt_image_mcp.library.storage import exists
from gpt_image_mcp.paths import is_within, named_path
from gpt_image_mcp.references import reference_to

if TYPE_CHECKING:
    from pathlib import Path

    from gpt_image_mcp.library.store import Library
    from gpt_image_mcp.references import Reference
    from gpt_image_mcp.settings import Settings
    from gpt_image_mcp.values.images import StoredImage

_BESIDES_FILES = "an http address, a data URL or an image id."
_UPLOAD = (
    "Call create_upload_link, send the picture to the address that it gives, and pass its ref instead; or "
    f"pass {_BESIDES_FILES}"
)
_COMPARING_SECONDS = 0.3
# What to say besides of a path that is not there, because it looks like something else.
_HINTS = (
    (r"(//)?(www\.|([\w-]+\.)+(com|org|net|io|ai)[:/])", "A web address begins with https:// or http://."),
    (r"(file:/*)?[a-z]:[\\/]|\\\\", "Paths of Windows are read on Windows and, with a drive, inside WSL."),
    (r"file://[\w.-]+/.", "After file:// comes another machine; a path of this one has a third slash."),
    (r"(session|job)-", "Of sessions and jobs, get_image shows the images with their ids."),
)


def what_to_pass(settings: Settings) -> str:
    """The next step for whoever passed what is no image here."""
    if settings.is_of_person:
        return _UPLOAD if settings.takes_uploads else f"Pass {_BESIDES_FILES}"
    return f"Pass a file path, {_BESIDES_FILES}"


def find_image(text: str, library: Library, *, settings: Settings) -> StoredImage:
    """The image that a text means; its file is there. Blocking.

    Raises:
        NotFound: If the library has no such image, or its file is gone.
    """
    return with_file(image_of(text, library, settings=settings))


def image_of(text: str, library: Library, *, settings: Settings) -> StoredImage:
    """The image that an id, a ``gpt-image://`` address, a path or a ``file:`` URL means. Blocking.

    Its file may be gone.

    Raises:
        NotFound: If the library has no such image.
    """
    ref = reference_to(text, settings)
    try:
        image, _ = known_image(ref, library, settings=settings)
    except RequestError:  # what may not be looked at is as unknown as what is not there
        image = None
    return image or _unknown(ref, library)


def known_image(
    ref: Reference, library: Library, *, settings: Settings
) -> tuple[StoredImage | None, tuple[str, ...]]:
    """The image of an id or an object, or that of a file if the library knows it, with notes. Blocking.

    Raises:
        RequestError: If the library has no such id, or the path cannot be used.
    """
    if ref.kind == "image":
        return library.images.find_image(ref.image_id) or _unknown(ref, library), ()
    if ref.kind == "object":
        return library.find_object(ref.text) or _unknown(ref, library), ()
    path, notes = find_file(ref, settings)
    return library.identify(path), notes


def with_file(image: StoredImage) -> StoredImage:
    """The same image, after a look whether its file is there.

    Raises:
        NotFound: If its file is gone.
    """
    if not exists(image.file_path):
        message = f"The file of image {image.id} is no longer at {image.location}."
        raise NotFound(message, next_step="If it was moved, pass its new path as ref.")
    return image


def find_file(ref: Reference, settings: Settings) -> tuple[Path, tuple[str, ...]]:
    """The file that a path means, also if it is not there, and a note if it is spelled otherwise. Blocking.

    Raises:
        InvalidArgument: If the path is empty.
        InputNotFound: If no file system could have it.
        InputRejected: If it is none, is outside the folders of input files, or may mean several files.
    """
    asked = _path(ref, settings)
    _require_allowed(asked, ref, settings)
    found = find_spelled(asked, within=settings.input_roots)
    if len(found) > 1:
        named = ", ".join(path.name for path in found)
        message = (
            f"There is no {cut(asked)}; {len(found)} differ only in blanks or the form of letters: {named}."
        )
        raise InputRejected(message, next_step="Pass one of these names exactly, or rename the file.")
    if not found or found[0] == asked:
        return asked, ()
    _require_allowed(found[0], ref, settings)
    note = f"There is no {cut(asked)}; {cut(found[0])} was taken: only blanks or the form of letters differ."
    return found[0], (note,)


def not_there(path: Path, ref: Reference, settings: Settings) -> InputNotFound:
    """The error for a file that is not there, with what may have been meant."""
    if glob.has_magic(path.name) and not _hint(ref):
        step = "Pass a path; only a batch takes patterns, and there this one must match a file."
        return InputNotFound(f"No file has the name {cut(path)}.", next_step=step)
    return InputNotFound(f"There is no file {cut(path)}.", next_step=f"{_likely(path, settings)}{_hint(ref)}")


def _path(ref: Reference, settings: Settings) -> Path:
    if not ref.text:
        message = "An image reference is empty."
        raise InvalidArgument(message, next_step=what_to_pass(settings))
    if ref.kind in ("address", "data", "object", "web"):
        message = f"{ref.shown} is an address of a kind that is not read."
        raise InputRejected(message, next_step=what_to_pass(settings))
    try:
        base = project_folder(settings)
        try:
            return named_path(ref.text, base=base, within=settings.input_roots)
        except RuntimeError:  # no user is called that, so a name that begins with ~ is meant
            return base / ref.text
    except (ValueError, RequestError) as error:
        step = what_to_pass(settings)
        raise InputNotFound(f"{ref.shown!r} is not a path: {error}.", next_step=step) from error


def _require_allowed(path: Path, ref: Reference, settings: Settings) -> None:
    """Refuses a local file outside the configured folders, links followed."""
    roots = settings.input_roots
    if is_within(path, roots):
        return
    message = f"{ref.shown} is a local path, and this server reads no local files."
    step = what_to_pass(settings)
    if not settings.is_of_person:
        step = f"Pass {_BESIDES_FILES} Or name folders in GPT_IMAGE_INPUT_ROOTS."
    if roots:
        allowed = ", ".join(str(root) for root in roots)
        message = f"{cut(path)} is outside the folders that input files may come from ({allowed})."
        step = "Pass a file from there, or extend GPT_IMAGE_INPUT_ROOTS."
    raise InputRejected(message, next_step=f"{step}{_hint(ref)}")


def _hint(ref: Reference) -> str:
    return next((f" {said}" for pattern, said in _HINTS if re.match(pattern, ref.text, re.IGNORECASE)), "")


def _likely(path: Path, settings: Settings) -> str:
    """The next step for a missing file: similar names in its folder."""
    try:
        beside = Walk(settings.input_roots, seconds=_COMPARING_SECONDS).entries(path.parent)
        names = (entry.name for entry in beside if not entry.is_dir(follow_symlinks=False))
        close = difflib.get_close_matches(path.name, names, n=3, cutoff=0.6)
    except InvalidArgument:  # there are too many to compare
        close = []
    except OSError:
        return f"The folder {cut(path.parent)} cannot be read either; pass an absolute path."
    return f"Did you mean {', '.join(close)}?" if close else "Check the name, or pass an absolute path."


def _unknown(ref: Reference, library: Library) -> NoReturn:
    if when := library.deletions.deleted_at(ref.image_id):
        message = f"Image {ref.image_id} was deleted on {when.astimezone():%Y-%m-%d %H:%M}."
        raise NotFound(
            message, next_step="Make it again, or pass another; find_images lists those there are."
        )
    message = f"The library has no image {ref.image_id or ref.shown!r}."
    step = "Pass the id or the path of an image from an earlier result; the history lists them."
    raise NotFound(message, next_step=step)
