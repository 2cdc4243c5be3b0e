"""Writes a client's configuration file: atomically, and with a backup of the old file beside it."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from gpt_image_mcp.atomic_files import sync
from gpt_image_mcp.cli.client_config.merging import Unmergeable, environment_in, merged
from gpt_image_mcp.errors import OutputRejected, StorageFailed

if TYPE_CHECKING:
    from gpt_image_mcp.cli.client_config.blocks import Block
    from gpt_image_mcp.cli.client_config.merging import SettingsTree

# Such files hold keys: a new one is for its owner alone.
_PRIVATE = 0o600


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
    path = Path(os.path.realpath(path))
    try:
        old = path.read_bytes() if path.exists() else None
        text = _merged(path, old or b"", block)
        new, environment = text.encode(), environment_in(text, block)
        if new == old:
            return WriteReport(path=path, changed=False, environment=environment)
        path.parent.mkdir(parents=True, exist_ok=True)
        mode = _PRIVATE if old is None else stat.S_IMODE(path.stat().st_mode)
        backup = None if old is None else _back_up(path, old, mode)
        _replace(path, new, mode)
    except OSError as error:
        message = f"The file {path} cannot be changed: {error.strerror or error}."
        raise StorageFailed(
            message, next_step="Put the block there yourself; without --write it is printed."
        ) from error
    return WriteReport(path=path, changed=True, environment=environment, backup=backup)


def _merged(path: Path, old: bytes, block: Block) -> str:
    try:
        return merged(old.decode(), block)
    except (Unmergeable, UnicodeDecodeError) as error:
        reason = "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else error
        message = f"The file {path} cannot be merged into: {reason}."
        raise OutputRejected(
            message, next_step="Correct it, or put the block there yourself; without --write it is printed."
        ) from error


def _back_up(path: Path, data: bytes, mode: int) -> Path:
    stamp = f"{datetime.now().astimezone():%Y%m%d-%H%M%S}"
    for number in count(1):
        backup = path.with_name(f"{path.name}.bak-{stamp}" + (f"-{number}" if number > 1 else ""))
        with contextlib.suppress(FileExistsError):
            _write_new(backup, data, mode)
            return backup
    raise AssertionError  # pragma: no cover - the numbers do not end


def _replace(path: Path, data: bytes, mode: int) -> None:
    temporary = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        _write_new(temporary, data, mode)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _write_new(path: Path, data: bytes, mode: int) -> None:
    """Creates a file that nobody else can read until its mode is set.

    Raises:
        OSError: If it exists or cannot be written.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), _PRIVATE)
    with open(descriptor, "wb") as stream:  # noqa: PTH123 - a descriptor is no path
        stream.write(data)
        sync(stream)
    path.chmod(mode)
