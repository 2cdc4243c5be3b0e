"""What the API answered, kept until its images are stored.

An answer is paid for when it arrives. So it is on disk before anything reads it, and whatever goes wrong
afterwards, the picture in it can still be had. Of a stream that broke, the previews are kept beside it.
"""

from __future__ import annotations

import contextlib
import os
import re
from typing import TYPE_CHECKING

import platformdirs

from gpt_image_mcp.errors import StorageFailed
from gpt_image_mcp.folders import APP
from gpt_image_mcp.ids import CALL_ID
from gpt_image_mcp.imaging.formats import read_picture
from gpt_image_mcp.library import storage
from gpt_image_mcp.open_files import when_one_is_free

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

_ONLY_THE_USER = 0o600
_KEPT = re.compile(rf"{CALL_ID}(\.body|-partial-[0-9]+\.[a-z]+)")
_ANSWERS = "answers"


def keep_body(call_id: str, body: bytes) -> Path | None:
    """Writes an answer to a file that only the user can read; gives its path, or None if that fails."""
    path = _body_path(call_id)
    return path if _is_written(path, body) else None


def kept_body(call_id: str) -> Path | None:
    """The file of the answer of a call, if there is one on this machine."""
    path = _body_path(call_id)
    return path if path.is_file() else None


def keep_partial_images(call_id: str, images: Sequence[bytes]) -> tuple[Path, ...]:
    """Writes previews of an image that never came to files that only the user can read; gives their paths."""
    kept: list[Path] = []
    for image in images:
        picture = read_picture(image)
        if picture is not None:
            path = _folder() / f"{call_id}-partial-{len(kept) + 1}.{picture.extension}"
            kept += [path] if _is_written(path, image) else []
    return tuple(kept)


def discard_body(call_id: str) -> None:
    """Deletes the answer of a call whose images are stored.

    Raises:
        OSError: If it cannot be deleted.
    """
    _body_path(call_id).unlink(missing_ok=True)


def hand_over(kept: Path, store: Path) -> Path:
    """Moves a kept file into a store; gives its path there, or the old one if the store does not take it."""
    try:
        moved = storage.write_over(store / _ANSWERS / kept.name, kept.read_bytes())
        kept.unlink()
    except (OSError, StorageFailed):
        return kept
    return moved


def kept_before(when: datetime, store: Path | None = None) -> tuple[Path, ...]:
    """The answers and previews that were written before a time, oldest first; those in a store too.

    What has another name, or is in a folder that is a link, is not ours.

    Raises:
        StorageFailed: If the store does not list them.
    """
    found: list[tuple[float, Path]] = []
    for path in () if _folder().is_symlink() else _folder().glob("*"):
        with contextlib.suppress(OSError):  # another process may be deleting them too
            found.append((path.lstat().st_mtime, path))
    if store is not None:
        found += [(at.timestamp(), path) for path, at in storage.objects_below(store / _ANSWERS)]
    ours = ((written, path) for written, path in sorted(found) if _KEPT.fullmatch(path.name))
    return tuple(path for written, path in ours if written < when.timestamp())


def _is_written(path: Path, content: bytes) -> bool:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        with os.fdopen(when_one_is_free(lambda: os.open(path, flags, _ONLY_THE_USER)), "wb") as file:
            file.write(content)
    except OSError:
        return False
    return True


def _body_path(call_id: str) -> Path:
    return _folder() / f"{call_id}.body"


def _folder() -> Path:
    return platformdirs.user_data_path(APP, appauthor=False) / _ANSWERS
