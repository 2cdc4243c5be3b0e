"""Writing files in one step, so that nobody ever sees half of one, and none replaces another by chance."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
import sys
from typing import TYPE_CHECKING

from gpt_image_mcp.open_files import when_one_is_free
from gpt_image_mcp.paths import real_path
from gpt_image_mcp.regular_files import NotAFile

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable
    from pathlib import Path
    from typing import IO

# What fsync answers on a drive that does not know it, as some network drives and USB sticks: the file is
# written all the same, only nobody says when it has arrived. A full or broken disk answers something else.
_WITHOUT_FSYNC = frozenset({errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP})
# The access control list of a file (acl(5)), as Linux keeps it beside the permissions.
_ACCESS_LIST = "system.posix_acl_access"


def write_exclusive(folder: Path, names: Iterable[str], data: bytes) -> Path:
    """Writes a new file under the first free name, also if others write into the folder at the same time.

    Args:
        folder: Made if it is not there.
        names: Candidates, best first; must not end while names are taken.
        data: The whole file.

    Raises:
        OSError: If the folder cannot be written. Nothing is left behind.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _temporary(folder, data) as temporary:
        for name in names:
            path = folder / name
            with contextlib.suppress(FileExistsError):
                _claim(temporary, path)
                return path
    raise FileExistsError(errno.EEXIST, "every name is taken", str(folder))


def write_over(path: Path, data: bytes, *, durable: bool = True, follows_links: bool = False) -> Path:
    """Writes a file in place of the one that may be there, in one step; gives its path.

    Args:
        path: The file; its folder is made if it is not there.
        data: The whole file.
        durable: Whether to wait until the disk has it; without, a power cut may lose it.
        follows_links: Whether it may be a link, whose target of the same ending is then written.

    Raises:
        OSError: If it cannot be written; the old file is then untouched.
    """
    if follows_links and path.is_symlink() and (target := real_path(path)).name.endswith(path.suffix):
        path = target
    old = path.lstat() if os.path.lexists(path) else None
    if old and not (stat.S_ISREG(old.st_mode) or stat.S_ISDIR(old.st_mode)):  # no folder can be replaced
        raise NotAFile(errno.EINVAL, "it is no regular file", str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    with _temporary(path.parent, data, durable=durable) as temporary:
        if old:
            resemble(temporary, path, old)
        return temporary.replace(path)


def resemble(path: Path, old_path: Path, old: os.stat_result) -> None:
    """Gives a file the owner and the permissions of the one that it replaces.

    Raises:
        PermissionError: If that one is another user's, to whom we may give nothing.
    """
    new = path.stat()
    if old.st_gid != new.st_gid:
        with contextlib.suppress(PermissionError):  # of groups only members may do that
            os.chown(path, -1, old.st_gid)
    if old.st_uid != new.st_uid:
        os.chown(path, old.st_uid, -1)
    path.chmod(stat.S_IMODE(old.st_mode))
    if sys.platform == "linux":
        _copy_access_list(old_path, path)


def _copy_access_list(old: Path, new: Path) -> None:
    """With a list, the group's permissions are what anybody on it may at most. A folder can give one, too."""
    kept = _access_list(old)
    if kept:
        os.setxattr(new, _ACCESS_LIST, kept)
    elif _access_list(new):
        os.removexattr(new, _ACCESS_LIST)


def _access_list(path: Path) -> bytes:
    with contextlib.suppress(OSError):  # it has none, or its drive knows none
        return os.getxattr(path, _ACCESS_LIST)
    return b""


def try_writing(folder: Path, data: bytes) -> None:
    """Makes the folder and does in it all that the functions above do; nothing is left of it.

    Raises:
        OSError: If one of them would fail there.
    """
    path = write_exclusive(folder, [f".{secrets.token_hex(8)}.probe"], data)
    try:
        write_over(path, data, durable=False)
    finally:
        path.unlink(missing_ok=True)


def sync(stream: IO[bytes]) -> None:
    """Waits until the disk has what was written to a file, as far as its drive can tell.

    Raises:
        OSError: If the disk could not take it.
    """
    stream.flush()
    try:
        os.fsync(stream.fileno())
    except OSError as error:
        if error.errno not in _WITHOUT_FSYNC:
            raise


@contextlib.contextmanager
def _temporary(folder: Path, data: bytes, *, durable: bool = True) -> Generator[Path]:
    """A finished file under a name of its own; whatever is left of it is deleted at the end."""
    path = folder / f".{secrets.token_hex(8)}.part"
    try:
        with when_one_is_free(lambda: path.open("xb")) as stream:
            stream.write(data)
            if durable:
                sync(stream)
        yield path
    finally:
        path.unlink(missing_ok=True)


def _claim(temporary: Path, path: Path) -> None:
    """Gives the finished file its name, if that is free.

    Raises:
        FileExistsError: If it is not.
    """
    try:
        path.hardlink_to(temporary)
    except FileExistsError:
        raise
    except OSError:
        # A file system without hard links can fail in many ways. If it was another fault, this fails too.
        _claim_without_link(temporary, path)


def _claim_without_link(temporary: Path, path: Path) -> None:
    """Takes the name with an empty file first, which the whole one then replaces."""
    path.touch(exist_ok=False)
    try:
        temporary.replace(path)
    except OSError:
        path.unlink(missing_ok=True)
        raise
