"""Telling whether two calls are the same: same arguments, same inputs."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from gpt_image_mcp.library.folders import project_folder
from gpt_image_mcp.paths import local_path

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from gpt_image_mcp.settings import Settings

_ANYTHING = TypeAdapter(Any)


def fingerprint(*parts: object) -> str:
    """A digest of what makes up a call; the same parts give the same digest in every process."""
    return hashlib.sha256(_ANYTHING.dump_json(parts, fallback=repr)).hexdigest()


def identities(refs: Iterable[str], settings: Settings) -> list[str]:
    """What each image reference means at this moment. Blocking: looks at files, but does not read them."""
    base = project_folder(settings)
    return [_identity(ref, base) for ref in refs]


def _identity(ref: str, base: Path) -> str:
    """A file by path, size and time of change; anything else by its own text."""
    try:
        path = local_path(ref, base=base)
        status = path.stat()
    except (OSError, ValueError, RuntimeError):
        return ref
    return f"{path}|{status.st_size}|{status.st_mtime_ns}"
