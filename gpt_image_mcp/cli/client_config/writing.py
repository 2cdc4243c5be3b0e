"""Writes a client's configuration file: atomically, and with a backup of the old file beside it."""

from __future__ import annotations

import codecs
import contextlib
import errno
import os
import secrets
import stat
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from typing import TYPE_CHECKING

from gpt_image_mcp.atomic_files import resemble, sync
from gpt_image_mcp.cli.client_config.merging import environment_in, merged
from gpt_image_mcp.errors import OutputRejected, StorageFailed
from gpt_image_mcp.paths import real_path
from gpt_image_mcp.regular_files import open_regular

if TYPE_CHECKING:
    from pathlib import Path

    from gpt_image_mcp.cli.client_config.blocks import Block, SettingsTree

# Such files hold keys: a new one is for its owner alone.
_MOST_BYTES = 50_000_000
_PRIVATE = 0o600
_ATTEMPTS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteReport:
    """What happened to a client's file.

    Attributes:
        changed: Whether it was written. It is not if it had the block already.
        environment: The environment variables of the server in it.
        backup: Where the old file is; None if there was none, or nothing changed.
    """

    path: Path
    changed: bool
    environment: SettingsTree
    backup: Path | None = None


def write_block(path: Path, block: Block) -> WriteReport:
    """Merges the block into a client's file; a missing file is created.

    Raises:
        OutputRejected: If the file is malformed; it stays as it is.
        StorageFailed: If it cannot be read or written.
    """
    # Dotfiles are often symbolic links; the target is replaced, so that the link stays.
    path = real_path(path)
    try:
        for _ in range(_ATTEMPTS):
            if report := _write_once(path, block):
                return report
        reason = "another program keeps changing it"
    except OSError as error:
        reason = error.strerror or str(error)
    message = f"The file {path} cannot be changed: {reason}."
    raise StorageFailed(message, next_step="Put the block there yourself; without --write it is printed.")


def _write_once(path: Path, block: Block) -> WriteReport | None:
    """Merges the block into the file as it is now; None if another program changed it meanwhile."""
    old, status = _read(path) or (None, None)
    text = _merged(path, old or b"", block)
    # A lone surrogate can only stand in a text between quotes, where its escape means the same.
    new = text.encode(errors="backslashreplace")
    if new == old:
        return WriteReport(path=path, changed=False, environment=environment_in(text, block))
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        _write_new(temporary, new, old_path=path, old=status)
        # Read back as the client will, before it takes the old one's place: so that has never to be put back.
        environment = environment_in(temporary.read_bytes().decode(), block)
        if (_read(path) or (None,))[0] != old:
            return None
        backup = None if old is None else _back_up(path, old, status)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return WriteReport(path=path, changed=True, environment=environment, backup=backup)


def _read(path: Path) -> tuple[bytes, os.stat_result] | None:
    """The bytes of a file that may be changed, and whose it is; None if there is none."""
    if not os.path.lexists(path):
        return None
    with open_regular(path) as stream:
        status = os.fstat(stream.fileno())
        if not status.st_mode & stat.S_IWUSR:
            raise PermissionError(errno.EACCES, "it is read-only")
        if status.st_size > _MOST_BYTES:
            raise OSError(errno.EFBIG, f"it has {status.st_size:,} bytes, which is no file of settings")
        return stream.read(_MOST_BYTES), status


def _merged(path: Path, old: bytes, block: Block) -> str:
    # Windows PowerShell and Notepad write UTF-16, or UTF-8 with a byte order mark: no client reads those.
    encoding = "utf-16" if old.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    try:
        return merged(old.decode(encoding), block)
    except ValueError as error:
        message = f"The file {path} cannot be merged into: {error}."
        raise OutputRejected(
            message, next_step="Correct it, or put the block there yourself; without --write it is printed."
        ) from error


def _back_up(path: Path, data: bytes, status: os.stat_result | None) -> Path:
    stamp = f"{datetime.now().astimezone():%Y%m%d-%H%M%S}"
    for number in count(1):
        backup = path.with_name(f"{path.name}.bak-{stamp}" + (f"-{number}" if number > 1 else ""))
        with contextlib.suppress(FileExistsError):
            _write_new(backup, data, old_path=path, old=status)
            return backup
    raise AssertionError  # pragma: no cover - the numbers do not end


def _write_new(path: Path, data: bytes, *, old_path: Path, old: os.stat_result | None) -> None:
    """Creates a file that nobody else can read until it has the owner and the permissions of the old one."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), _PRIVATE)
    with open(descriptor, "wb") as stream:  # noqa: PTH123 - a descriptor is no path
        stream.write(data)
        sync(stream)
    if old:
        resemble(path, old_path, old)
