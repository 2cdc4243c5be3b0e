"""Names of image files, made from what the caller asked for and storable everywhere; names of models."""

from __future__ import annotations

import itertools
import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gpt_image_mcp.errors import OutputRejected, quoted
from gpt_image_mcp.visible_text import normalized, without_unseen

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gpt_image_mcp.values.images import Kind

LONGEST_LABEL = 60
# Of a label that a caller gives; what comes behind would be cut away.
_MOST_CHARACTERS = 1_000
# The limit of common file systems, less room for a number and an extension.
LONGEST_NAME_BYTES = 255 - 16
# Control characters beyond ASCII, and halves of characters, which UTF-8 cannot carry; pathvalidate lets them
# pass, or fails.
_NEVER_STORED = {"Cc", "Cs"}
_RUN_OF_DASHES = re.compile("-{2,}")
_SNAPSHOT_DATE = r"-\d{4}-\d{2}-\d{2}"
_KNOWN_EXTENSION = re.compile(r"\.(png|jpe?g|webp|svg|gif|bmp|tiff?|avif)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """How the files of one call are named.

    Attributes:
        label: Words of the caller's, put after the unique part of the name.
        filename: An exact name, which takes the place of all the rest.
        turn: The turn of a session; 0 for none.
        replaceable: The names under which a file may be replaced; any other is taken only if it is free.
    """

    kind: Kind
    label: str = ""
    filename: str = ""
    turn: int = 0
    replaceable: frozenset[str] = frozenset()


def is_of_model(name: str, model: str) -> bool:
    """Whether a name is that of a model or of one of its snapshots, whose names end with a date."""
    return bool(re.fullmatch(f"{re.escape(model)}({_SNAPSHOT_DATE})?", name, re.IGNORECASE | re.ASCII))


def file_names(naming: Naming, image_id: str, *, extension: str, number: int) -> Iterator[str]:
    """The names to try for a file, best first, without end.

    Args:
        naming: What the caller asked for.
        image_id: The image's id, unique by itself.
        extension: That of the bytes, without a dot.
        number: Which image of the call this is, from 1; 0 where there is only one.
    """
    if naming.filename:
        stem = numbered(naming.filename, number)
        # Who asks for .jpeg gets it, though our own files end with .jpg.
        extension = "jpeg" if extension == "jpg" and naming.filename.lower().endswith(".jpeg") else extension
    else:
        turn = f"-t{naming.turn}" if naming.turn else ""
        label = clean_label(naming.label)
        stem = f"{naming.kind}-{image_id}{turn}{f'-{label}' if label else ''}"
    others = (f"{stem}-{count}.{extension}" for count in itertools.count(2))
    return itertools.chain([f"{stem}.{extension}"], others)


def clean_label(text: str) -> str:
    """Letters and digits of any script, ``_`` and ``-``; everything else becomes a ``-``."""
    plain = normalized("NFC", without_unseen(text[:_MOST_CHARACTERS]).encode("utf-8", "ignore").decode())
    label = "".join(character if _is_kept(character) else "-" for character in plain)
    label = _RUN_OF_DASHES.sub("-", label).strip("-_")[:LONGEST_LABEL]
    return _cut(label, LONGEST_NAME_BYTES // 2).strip("-_")


def check_filename(filename: str) -> None:
    """Refuses an exact file name that is not a plain name which every system can store.

    Raises:
        OutputRejected: If it names a folder, is empty without its extension, or cannot be stored.
    """
    stem = without_extension(filename)
    if "/" in filename or "\\" in filename or not stem:
        message = f"filename is {quoted(filename)}, which is not a plain file name."
        raise OutputRejected(message, next_step="Pass a name without folders, and the folder as output_dir.")
    if not _is_storable(stem):
        message = f"filename is {quoted(filename)}, which not every file system can store."
        raise OutputRejected(message, next_step='Use letters, digits, blanks, "-", "_" and ".".')


def numbered(filename: str, number: int) -> str:
    """An exact name without its extension, cut to what fits, and with a number if there are several images.

    Args:
        filename: What the caller asked for; if it is empty without its extension, it stays as it is.
        number: Which of several this is, from 1; 0 where there is only one.
    """
    stem = without_extension(filename)
    ending = f"-{number}" if number else ""
    return _cut(stem, LONGEST_NAME_BYTES - len(ending)) + ending if stem else filename


def numbered_path(path: str, number: int) -> str:
    """An exact name or path with a number before its extension; unchanged if it ends with no name.

    Args:
        path: What the caller asked for, with slashes of either kind between folders.
        number: Which of several this is, from 1.
    """
    start = max(path.rfind("/"), path.rfind("\\")) + 1
    name, ending = path[start:], _KNOWN_EXTENSION.search(path)
    if not without_extension(name):
        return path
    return f"{path[:start]}{numbered(name, number)}{ending[0] if ending else ''}"


def without_extension(filename: str) -> str:
    """An exact name as it is seen, without the extension of an image format; other endings belong to it."""
    return _KNOWN_EXTENSION.sub("", without_unseen(filename).strip()).strip().rstrip(". ")


def _is_storable(stem: str) -> bool:
    """Whether Linux, macOS and Windows all take a name, once it is cut to what fits."""
    from pathvalidate import is_valid_filename

    if any(unicodedata.category(character) in _NEVER_STORED for character in stem):
        return False
    return is_valid_filename(_cut(stem, LONGEST_NAME_BYTES), platform="universal")


def _is_kept(character: str) -> bool:
    """Letters and digits, and the marks that many scripts write vowels with."""
    if character.isalnum() or character in "-_":
        return True
    return unicodedata.category(character) in {"Mn", "Mc"}


def _cut(text: str, max_bytes: int) -> str:
    # Halves of characters pass here; check_filename refuses them.
    encoded = text.encode("utf-8", "surrogatepass")
    return text if len(encoded) <= max_bytes else encoded[:max_bytes].decode(errors="ignore")
