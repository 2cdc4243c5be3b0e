"""Reading files that somebody else named: only regular ones, of a bounded size, judged when they are open.

A path can be a pipe that never answers, a device that never ends, or a link that was exchanged since somebody
looked at it. So what is judged is the open file, and nothing is read before.
"""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpt_image_mcp.paths import is_within, real_path

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable
    from io import BufferedReader

# Of a library file; what was made or sent is far smaller.
MOST_BYTES = 200_000_000
# Without waiting for the other end of a pipe; a terminal does not become ours. Windows has neither.
_AT_ONCE = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
# Their files look regular, and are views of the kernel and of other processes.
_VIEWS = (Path("/proc"), Path("/sys"))


class NotAFile(OSError):
    """What a path leads to is no regular file: a folder, a pipe, a device, or a link where none may be."""


class OutsideFolders(OSError):
    """The file is outside the folders that it must be in."""


class TooManyBytes(OSError):
    """The file is larger than may be read.

    Attributes:
        size_bytes: Its size.
    """

    def __init__(self, path: Path, size_bytes: int) -> None:
        super().__init__(None, f"it has {size_bytes:,} bytes", str(path))
        self.size_bytes = size_bytes


def open_regular(
    path: Path, *, within: Iterable[Path] | None = None, follows_links: bool = True
) -> BufferedReader:
    """A regular file, open for reading; nothing of it is read yet.

    Args:
        path: Where it is looked for.
        within: The folders that the open file must be in, wherever links led; None for any.
        follows_links: Whether the path may be a link itself; folders on the way may always be.

    Raises:
        NotAFile: If it is something else.
        OutsideFolders: If it is elsewhere.
        OSError: If it is not there or cannot be opened.
    """
    # Opening a device can already do something, so the first look is before.
    _require_regular(path.stat() if follows_links else path.lstat(), path)
    stream = os.fdopen(os.open(path, os.O_RDONLY | _AT_ONCE | (0 if follows_links else _NO_LINK)), "rb")
    try:
        _require_regular(os.fstat(stream.fileno()), path)
        _require_place(_place_of(stream.fileno(), path), path, within)
    except OSError:
        stream.close()
        raise
    return stream


def read_regular(
    path: Path, *, max_bytes: int, within: Iterable[Path] | None = None, follows_links: bool = True
) -> bytes:
    """The bytes of a regular file; see ``open_regular``.

    Raises:
        TooManyBytes: If it has more than ``max_bytes``; then nothing was read.
        NotAFile: If it is something else.
        OutsideFolders: If it is elsewhere.
        OSError: If it is not there or cannot be read.
    """
    with open_regular(path, within=within, follows_links=follows_links) as stream:
        size_bytes = os.fstat(stream.fileno()).st_size
        data = b"" if size_bytes > max_bytes else stream.read(max_bytes + 1)
        if max(size_bytes, len(data)) > max_bytes:  # it may have grown meanwhile
            raise TooManyBytes(path, max(size_bytes, len(data)))
        return data


def read_unchanged(path: Path, sha256: str, *, max_bytes: int = MOST_BYTES) -> bytes:
    """The bytes of a file of our own; ``OSError`` if it is a link, too large, or its digest is another."""
    data = read_regular(path, max_bytes=min(max_bytes, MOST_BYTES), follows_links=False)
    if hashlib.sha256(data).hexdigest() != sha256:
        raise NotAFile(None, "it was changed", str(path))
    return data


def scan_folder(path: Path, *, within: Iterable[Path] | None) -> Generator[os.DirEntry[str]]:
    """What is in a folder, judged when it is open; an entry can be asked only until the next comes."""
    is_windows = os.scandir not in os.supports_fd
    opened: Any = path if is_windows else os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _require_place(path if is_windows else _place_of(opened, path), path, within)
        with os.scandir(opened) as entries:
            yield from entries
    finally:
        if not is_windows:
            os.close(opened)


def _require_regular(found: os.stat_result, path: Path) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise NotAFile(None, "it is no regular file", str(path))


def _require_place(real: Path, path: Path, within: Iterable[Path] | None) -> None:
    if not is_within(real, within):
        raise OutsideFolders(None, "it is outside the allowed folders", str(path))
    if is_within(real, _VIEWS):
        raise NotAFile(None, "it is a view of the system, no file", str(path))


def _place_of(descriptor: int, path: Path) -> Path:
    """Where an open file really is; where the system does not tell, where its path leads now."""
    try:
        return Path(f"/proc/self/fd/{descriptor}").readlink()
    except OSError:
        real = real_path(path)
        if not os.path.samestat(real.stat(), os.fstat(descriptor)):
            raise OutsideFolders(None, "it was exchanged while it was opened", str(path)) from None
        return real
