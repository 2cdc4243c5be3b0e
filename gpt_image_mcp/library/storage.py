"""The files of the library, wherever they are: in folders of this machine, or as objects of a store.

A path below ``object_paths.object_root`` stands for an object; with any other path these functions do what
those of ``atomic_files`` and ``regular_files`` do. An object is in the store before a function that writes it
returns, and every function raises ``StorageFailed`` if the store does not work.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import stat
import time
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING

from gpt_image_mcp import atomic_files, folders, regular_files
from gpt_image_mcp.errors import StorageFailed
from gpt_image_mcp.library import object_cache, object_store
from gpt_image_mcp.object_paths import is_object, location, object_path
from gpt_image_mcp.regular_files import MOST_BYTES, NotAFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime
    from pathlib import Path

# For how long a store that took, or refused, a file is believed to do the same with the next one.
_GOOD_FOR_SECONDS, _BAD_FOR_SECONDS = 60, 5
_PROBES = ".probes"
# Some stores say of everything new that it is there.
_MOST_NAMES = 1_000
_taken_at: dict[str, float] = {}
_refused_at: dict[str, tuple[float, StorageFailed]] = {}


def write_exclusive(folder: Path, names: Iterable[str], data: bytes) -> Path:
    """Writes a new file under the first free name; see ``atomic_files.write_exclusive``.

    Raises:
        OSError: If the folder cannot be written.
    """
    if not is_object(folder):
        return atomic_files.write_exclusive(folder, names, data)
    for path in map(folder.joinpath, islice(names, _MOST_NAMES)):
        if _put(path, data, is_new=True):
            return path
    raise FileExistsError(errno.EEXIST, "every name is taken", location(folder))


def write_over(path: Path, data: bytes, *, durable: bool = True, follows_links: bool = False) -> Path:
    """Writes a file in place of the one that may be there; see ``atomic_files.write_over``.

    Raises:
        OSError: If it cannot be written.
    """
    if not is_object(path):
        return atomic_files.write_over(path, data, durable=durable, follows_links=follows_links)
    _put(path, data, is_new=False)
    return path


def read_saved(path: Path, sha256: str, *, max_bytes: int = MOST_BYTES) -> bytes:
    """The bytes of a file of our own; of an object from its copy on this machine, if that is whole.

    Raises:
        OSError: If it is gone, too large, or its digest is another.
    """
    if not is_object(path):
        return regular_files.read_unchanged(path, sha256, max_bytes=max_bytes)
    data = object_cache.find(path, sha256, max_bytes=max_bytes)
    if data is None:
        data = read(path, max_bytes=max_bytes)
        object_cache.forget(path)
        if hashlib.sha256(data).hexdigest() != sha256:
            raise NotAFile(None, "it was changed", location(path))
        object_cache.keep(path, data)
    return data


def read(path: Path, *, max_bytes: int = MOST_BYTES, within: Iterable[Path] | None = None) -> bytes:
    """The bytes of a file as it is now; an object is fetched, whatever copy there is.

    Raises:
        OSError: If it is gone or too large.
    """
    if not is_object(path):
        return regular_files.read_regular(path, max_bytes=max_bytes, within=within)
    try:
        return object_store.get(path, max_bytes=max_bytes)
    except FileNotFoundError:
        object_cache.forget(path)
        raise


def size(path: Path) -> int | None:
    """The size of a file in bytes; None if it is gone."""
    try:
        return object_store.size(path) if is_object(path) else path.stat().st_size
    except OSError:
        return None


def exists(path: Path) -> bool:
    """Whether a file is there; for an object, a copy of it is enough."""
    try:
        is_here = path.is_file()
    except OSError:  # no file of this machine can be called so
        is_here = False
    return is_here or (is_object(path) and size(path) is not None)


def require_deletable(path: Path) -> None:
    """Refuses to delete what is there in place of a file of ours: a link, a pipe, a folder.

    Raises:
        OSError: If that is so.
    """
    if not is_object(path) and os.path.lexists(path) and not stat.S_ISREG(path.lstat().st_mode):
        raise NotAFile(errno.EINVAL, "it is no regular file", str(path))


def delete(path: Path) -> None:
    """Deletes a file that may be there.

    Raises:
        OSError: If it cannot be deleted, or is something else by now.
    """
    require_deletable(path)
    if not is_object(path):
        path.unlink(missing_ok=True)
        return
    object_store.delete(path)
    object_cache.forget(path)


def objects_below(folder: Path) -> Iterator[tuple[Path, datetime]]:
    """The objects below a folder, and when each was written; none for a folder of this machine."""
    return object_store.objects_below(folder) if is_object(folder) else iter(())


def make_folder(parent: Path, name: str) -> Path:
    """A folder in another that was not there before; its name may be numbered.

    Raises:
        OSError: If it cannot be made.
    """
    folder, count = parent / name, 1
    while not _is_made(folder):
        count += 1
        folder = parent / f"{name}-{count}"
    return folder


def _is_made(folder: Path) -> bool:
    """Makes a folder, or in a store finds that nothing is there; false if something is."""
    if is_object(folder):
        return next(objects_below(folder), None) is None
    try:
        folder.mkdir()
    except FileExistsError:
        return False
    return True


def require_writable(folder: Path) -> Path:
    """The folder, after trying in it all that saving does, so that no call is paid in vain.

    A store that has just taken a file, or refused one, is not asked again.

    Raises:
        OutputRejected: If it cannot be written.
    """
    if not is_object(folder):
        return folders.require_writable(folder)
    bucket, now = object_store.bucket_of(folder), time.monotonic()
    refused_at, refusal = _refused_at.get(bucket, (0.0, None))
    if refusal and now - refused_at < _BAD_FOR_SECONDS:
        raise StorageFailed(refusal.message, next_step=refusal.next_step, retryable=True)
    if bucket not in _taken_at or now - _taken_at[bucket] >= _GOOD_FOR_SECONDS:
        _probe(folder)
    return folder


def check(storage: str) -> None:
    """Asks the store of a configuration for an object that is not there; nothing for ``file``."""
    if folder := object_path(storage):
        with suppress(FileNotFoundError):
            object_store.get(folder / _PROBES / "none", max_bytes=MOST_BYTES)


def _probe(folder: Path) -> None:
    path = folder / _PROBES / secrets.token_hex(8)
    _put(path, b"probe", is_new=True)
    delete(path)


def _put(path: Path, data: bytes, *, is_new: bool) -> bool:
    """Writes an object and the copy of it; false if it must be new and is not."""
    bucket = object_store.bucket_of(path)
    try:
        is_written = object_store.put(path, data, is_new=is_new)
    except StorageFailed as error:
        _refused_at[bucket] = (time.monotonic(), error)
        raise
    _taken_at[bucket] = time.monotonic()
    _refused_at.pop(bucket, None)
    if is_written:
        object_cache.keep(path, data)
    return is_written
