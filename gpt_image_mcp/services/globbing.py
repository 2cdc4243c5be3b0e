"""Globbing: folders and patterns become the image files that they stand for."""

from __future__ import annotations

import glob
import re
from pathlib import Path
from typing import TYPE_CHECKING

from gpt_image_mcp.errors import InvalidArgument
from gpt_image_mcp.paths import is_file_url, is_within, local_path, unquoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MOST_FILES = 100
# How image files are named; what a file really is shows when it is read.
_IMAGE_NAME = re.compile(
    r"[^.].*\.(png|jpe?g|jfif|webp|gif|bmp|tiff?|avif|heic|heif|mpo)$", re.IGNORECASE | re.DOTALL
)
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
_DRIVE_LENGTH = 2


def expand(refs: Sequence[str], *, base: Path, roots: tuple[Path, ...] | None = None) -> tuple[str, ...]:
    """Image references with each folder and glob replaced by its files, in the order of their names.

    Args:
        refs: Paths, folders, globs, addresses and ids; what is neither folder nor glob stays as it is.
        base: What a relative path starts from.
        roots: The only folders that are looked into; None for any. A folder or glob elsewhere stays as it is,
            and is refused when it is read.

    Raises:
        InvalidArgument: If there are none, or more than 100 in all.
    """
    found = tuple(name for ref in refs for name in _files(unquoted(ref), base, roots))
    if not found:
        message = (
            f"There is no image in {', '.join(refs)}." if refs else "No images were given: images is empty."
        )
        raise InvalidArgument(
            message, next_step="Pass image files, folders with images, or globs such as *.png."
        )
    if len(found) > MOST_FILES:
        message = f"The batch has {len(found)} images; at most {MOST_FILES} are allowed in one call."
        raise InvalidArgument(message, next_step="Split it into several calls.")
    return found


def _files(ref: str, base: Path, roots: tuple[Path, ...] | None) -> Iterable[str]:
    address = _ADDRESS.match(ref)
    if address and len(address[0]) > _DRIVE_LENGTH and not is_file_url(ref):
        return (ref,)
    try:
        path = local_path(ref, base=base)
        if roots is not None and not is_within(_without_pattern(path), roots):
            return (ref,)
        if path.is_dir():
            return [str(entry) for entry in sorted(path.iterdir()) if _is_image_name(entry)]
        if glob.has_magic(str(path)) and not path.exists():
            # The folder's own name is no pattern, even if it looks like one.
            pattern = str(local_path(ref, base=Path(glob.escape(str(base)))))
            matches = sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207 - Path.glob takes no absolute pattern
            # A pattern without a match stays, so that the caller hears of it.
            return [match for match in matches if Path(match).is_file()] or (ref,)
    except (OSError, ValueError, RuntimeError):
        return (ref,)
    return (ref,)


def _without_pattern(path: Path) -> Path:
    """The folder in which a glob looks; a plain path as it is."""
    while glob.has_magic(str(path)) and not path.exists():
        path = path.parent
    return path


def _is_image_name(path: Path) -> bool:
    return _IMAGE_NAME.match(path.name) is not None and path.is_file()
