"""Copies of objects on this machine, so that what was just made or seen need not be fetched again.

The folder can be deleted at any time, and nothing fails if it cannot be written. It is swept now and then.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from gpt_image_mcp.atomic_files import write_over
from gpt_image_mcp.object_paths import object_root
from gpt_image_mcp.regular_files import read_unchanged

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_BYTES = 1_000_000_000
# What may be in use just now.
YOUNG_SECONDS = 300
_SWEEP_EVERY_SECONDS = 60
_ONLY_THE_USER = 0o700
_sweeping = threading.Lock()
_swept_at = [0.0]


def keep(path: Path, data: bytes) -> None:
    """Writes the copy of an object; if that fails, there is none."""
    with contextlib.suppress(OSError):
        object_root().mkdir(mode=_ONLY_THE_USER, parents=True, exist_ok=True)
        forget(path)
        if _is_real(path.parent):
            write_over(path, data, durable=False)
    _sweep_now_and_then()


def find(path: Path, sha256: str, *, max_bytes: int) -> bytes | None:
    """The copy of an object, if there is one with this digest; it then counts as just used."""
    try:
        data = read_unchanged(path, sha256, max_bytes=max_bytes) if _is_real(path.parent) else None
    except OSError:
        return None
    with contextlib.suppress(OSError):
        os.utime(path)
    return data


def forget(path: Path) -> None:
    """Deletes the copy of an object."""
    with contextlib.suppress(OSError):
        if _is_real(path.parent):
            path.unlink(missing_ok=True)


def sweep(*, most_bytes: int = MOST_BYTES, young_seconds: float = YOUNG_SECONDS) -> None:
    """Deletes the copies that were not used for longest, until the others have no more than ``most_bytes``.

    Those used within ``young_seconds`` stay all the same.
    """
    left, young = most_bytes, time.time() - young_seconds
    for entry, status in sorted(_copies(object_root()), key=lambda copy: -copy[1].st_mtime):
        left -= status.st_size
        if left < 0 and status.st_mtime < young:
            with contextlib.suppress(OSError):
                Path(entry).unlink(missing_ok=True)


def _is_real(folder: Path) -> bool:
    """Whether no part of a path is a link, which could lead to what is not ours."""
    return os.path.realpath(folder) == str(folder)


def _copies(root: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Each file below a folder; links are not followed."""
    for folder, _, names in os.walk(root):
        for path in map(Path(folder).joinpath, names):
            with contextlib.suppress(OSError):
                yield str(path), path.lstat()


def _sweep_now_and_then() -> None:
    """Sweeps in a thread of its own, so that no call waits for it."""
    now = time.monotonic()
    if now - _swept_at[0] > _SWEEP_EVERY_SECONDS and _sweeping.acquire(blocking=False):
        _swept_at[0] = now
        threading.Thread(target=_sweep_once, name="object cache", daemon=True).start()


def _sweep_once() -> None:
    try:
        sweep()
    finally:
        _sweeping.release()
