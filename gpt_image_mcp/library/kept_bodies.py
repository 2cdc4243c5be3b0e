"""What the API answered, kept until its images are stored.

An answer is paid for when it arrives. So it is on disk before anything reads it, and whatever goes wrong
afterwards, the picture in it can still be had.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import platformdirs

from gpt_image_mcp.folders import APP

if TYPE_CHECKING:
    from pathlib import Path

_ONLY_THE_USER = 0o600


def keep_body(call_id: str, body: bytes) -> Path | None:
    """Writes an answer to a file that only the user can read; gives its path, or None if that fails."""
    path = _path(call_id)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _ONLY_THE_USER), "wb") as file:
            file.write(body)
    except OSError:
        return None
    return path


def discard_body(call_id: str) -> None:
    """Deletes the answer of a call whose images are stored.

    Raises:
        OSError: If it cannot be deleted.
    """
    _path(call_id).unlink(missing_ok=True)


def _path(call_id: str) -> Path:
    return platformdirs.user_data_path(APP, appauthor=False) / "answers" / f"{call_id}.body"
