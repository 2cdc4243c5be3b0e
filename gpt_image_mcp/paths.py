"""Paths as people and models write them: quoted, with ``~``, as ``file://``, or from Windows inside WSL."""

from __future__ import annotations

import os
import platform
import re
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from gpt_image_mcp.object_paths import object_path

if TYPE_CHECKING:
    from collections.abc import Iterable

# A drive, or what Windows calls the files of a WSL system, whose first slashes are gone if it was a host.
_WINDOWS = re.compile(
    r"[\\/?]*(?:([a-z]):|wsl(?:\$|\.localhost)[\\/]+[^\\/]+)[\\/](.*)", re.IGNORECASE | re.DOTALL
)
_FILE_URL = re.compile(r"file:(//(localhost(?=[/\\]))?)?(?=[/\\~A-Za-z.])", re.IGNORECASE)
_PAIRS_OF_QUOTES = ('""', "''", "``", "\u201c\u201d", "\u2018\u2019")
# What comes along unseen: blanks, line breaks, byte order marks, and the marks of direction with which
# Windows begins a path in its dialogs.
_UNSEEN = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff" + "".join(
    map(chr, (*range(0x2000, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x206A)))
)
# Of Windows, which has the longest. Following the links of a much longer one takes minutes.
_LONGEST_PATH = 32_767
# Folders are made, and removed, one within the other by recursion.
_MOST_FOLDERS = 200
# How often a path is followed whose links somebody exchanges meanwhile.
_MOST_LOOKS = 10


def unquoted(text: str) -> str:
    """Without the blanks, invisible characters and quotes that come along when a text is copied."""
    text = text.strip(_UNSEEN)
    while len(text) > 1 and text[0] + text[-1] in _PAIRS_OF_QUOTES:
        text = text[1:-1].strip(_UNSEEN)
    return text


def local_path(text: str, *, base: Path, wsl: bool | None = None) -> Path:
    """The path that a text means; of an object's address the one that stands for it.

    Args:
        text: A path or ``file://`` address, in the notation of this system or, inside WSL, of Windows.
        base: What a relative path starts from.
        wsl: Whether drives of Windows are below ``/mnt``; None asks the system.

    Raises:
        ValueError: If no file system could have it.
        RuntimeError: If it begins with the home of a user who has none.
    """
    text = unquoted(text)
    if (stored := object_path(text)) is not None:
        return stored
    if text[:5].lower() == "file:":
        text = unquote(_FILE_URL.sub("", text, count=1))
        # file:///C:/x leaves a slash before the drive.
        text = text[1:] if _WINDOWS.match(text[1:]) else text
    windows = _WINDOWS.fullmatch(text)
    if windows and (_is_wsl() if wsl is None else wsl):
        rest = windows[2].replace("\\", "/")
        text = f"/mnt/{windows[1].lower()}/{rest}" if windows[1] else f"/{rest}"
    if "\0" in text or not 0 < len(text) <= _LONGEST_PATH:
        message = "it is empty, too long or holds a NUL character"
        raise ValueError(message)
    if sum(map(text.count, "/\\")) > _MOST_FOLDERS:
        message = f"it is more than {_MOST_FOLDERS} folders deep"
        raise ValueError(message)
    text.encode()
    try:
        # The home of another user is not looked up: that would tell who there is.
        path = Path(text).expanduser() if re.match(rf"~($|/|{re.escape(os.sep)})", text) else Path(text)
    except RuntimeError as error:
        message = "the home folder that it begins with is unknown"
        raise RuntimeError(message) from error
    return path if path.is_absolute() else base / path


def named_path(text: str, *, base: Path, within: Iterable[Path] | None) -> Path:
    """As ``local_path``; in some folders only, ``..`` is not followed on the disk."""
    path = local_path(text, base=base)
    return path if within is None else Path(os.path.normpath(path))


def real_path(path: Path) -> Path:
    """A path with all links followed; never fails, whether links lead in a circle or are being exchanged.

    What cannot be followed is taken as it is called, which newer Pythons do by themselves.
    """
    path = path.absolute()
    for _ in range(_MOST_LOOKS):
        with suppress(OSError):  # a link was there and then no longer
            return Path(os.path.realpath(path))
    return Path(os.path.normpath(real_path(path.parent) / path.name))


def is_within(path: Path, folders: Iterable[Path] | None) -> bool:
    """Whether a path is in one of these folders, also when links are followed; None allows every folder."""
    if folders is None:
        return True
    # Asking for the real path of a share of Windows logs in to the machine that the path names.
    drive = path.absolute().drive.lower()
    folders = [folder for folder in folders if folder.absolute().drive.lower() == drive]
    if not folders:
        return False
    real = real_path(path)
    return any(real.is_relative_to(real_path(folder)) for folder in folders)


@cache
def _is_wsl() -> bool:
    return "microsoft" in platform.uname().release.lower()
