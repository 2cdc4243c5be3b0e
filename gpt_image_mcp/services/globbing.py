"""Globbing: folders and patterns become the image files that they stand for."""

from __future__ import annotations

import glob
import re
from pathlib import Path
from typing import TYPE_CHECKING

from gpt_image_mcp.errors import InvalidArgument
from gpt_image_mcp.paths import find_spelled, is_within, local_path
from gpt_image_mcp.references import classify

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gpt_image_mcp.references import Reference

MOST_FILES = 100
# How image files are named; what a file really is shows when it is read.
_IMAGE_NAME = re.compile(
    r"[^.].*\.(png|jpe?g|jfif|webp|gif|bmp|tiff?|avif|heic|heif|mpo)$", re.IGNORECASE | re.DOTALL
)


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
    found = tuple(name for ref in refs for name in _files(classify(ref), base, roots))
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


def _files(ref: Reference, base: Path, roots: tuple[Path, ...] | None) -> Iterable[str]:
    if ref.kind != "path":
        return (ref.text,)
    try:
        path = local_path(ref.text, base=base)
        if not is_within(_without_pattern(path), roots):
            return (ref.text,)
        found = find_spelled(path, within=roots)
        if len(found) == 1 and found[0].is_dir() and is_within(found[0], roots):
            return [str(entry) for entry in sorted(found[0].iterdir()) if _is_image_name(entry)]
        if glob.has_magic(str(path)) and not found:
            # The folder's own name is no pattern, even if it looks like one.
            pattern = str(local_path(ref.text, base=Path(glob.escape(str(base)))))
            matches = sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207 - Path.glob takes no absolute pattern
            # A pattern without a match stays, so that the caller hears of it.
            return [match for match in matches if Path(match).is_file()] or (ref.text,)
    except (OSError, ValueError, RuntimeError):
        return (ref.text,)
    return (ref.text,)


def _without_pattern(path: Path) -> Path:
    """The folder in which a glob looks; a plain path as it is."""
    while glob.has_magic(str(path)) and not path.exists():
        path = path.parent
    return path


def _is_image_name(path: Path) -> bool:
    return _IMAGE_NAME.match(path.name) is not None and path.is_file()
