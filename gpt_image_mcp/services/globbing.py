"""Globbing: folders and patterns become the image files that they stand for."""

from __future__ import annotations

import glob
import os
import re
from typing import TYPE_CHECKING

from gpt_image_mcp.errors import InvalidArgument
from gpt_image_mcp.folder_walks import Walk, find_spelled
from gpt_image_mcp.paths import is_within, named_path
from gpt_image_mcp.references import classify

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

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
        InvalidArgument: If there are none, more than 100 in all, or too much was to be looked through.
    """
    walk = Walk(roots)
    found = tuple(name for ref in refs for name in _files(classify(ref), base, walk))
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


def _files(ref: Reference, base: Path, walk: Walk) -> Iterable[str]:
    walk.step()
    if ref.kind != "path":
        return (ref.text,)
    try:
        path = named_path(ref.text, base=base, within=walk.within)
        if is_within(path, walk.within) and glob.has_magic(str(path)) and not os.path.lexists(path):
            matching = sorted(map(str, walk.matches(path)))
            if matching:
                return matching
        found = find_spelled(path, within=walk.within)
        if len(found) == 1 and os.path.isdir(found[0]) and is_within(found[0], walk.within):
            names = sorted(entry.name for entry in walk.entries(found[0]) if _IMAGE_NAME.match(entry.name))
            images = [path for name in names if is_within(path := found[0] / name, walk.within)]
            return [str(image) for image in images if os.path.isfile(image)]
    except (OSError, ValueError, RuntimeError):
        return (ref.text,)
    return (ref.text,)  # a pattern without a match too, so that the caller hears of it
