"""Names: of images, of calls, and of the files they are saved in."""

from __future__ import annotations

import itertools
import re
import secrets
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from gpt_image_mcp.errors import OutputRejected

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gpt_image_mcp.values import Kind

LONGEST_LABEL = 60
# The limit of common file systems, less room for a number and an extension.
LONGEST_NAME_BYTES = 255 - 16
_NOT_IN_LABELS = re.compile(r"[^\w-]+")
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_FORBIDDEN = re.compile(r'[\x00-\x1f<>:"|?*]')
_KNOWN_EXTENSION = re.compile(r"\.(png|jpe?g|webp|gif|bmp|tiff?|avif)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """How the files of one call are called.

    Attributes:
        label: A caller's words, put after the unique part of the name.
        filename: An exact name instead.
        turn: The turn of a session; 0 for none.
    """

    kind: Kind
    label: str = ""
    filename: str = ""
    turn: int = 0


def new_image_id(now: datetime) -> str:
    """A unique id that sorts by time: ``20261121-150301-a1b2c3``."""
    return f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


def new_call_id() -> str:
    """A unique id of a call, under which its result can be collected."""
    return f"job-{new_image_id(datetime.now().astimezone())}"


def file_names(naming: Naming, image_id: str, *, extension: str, number: int) -> Iterator[str]:
    """The names to try for a file, best first.

    Args:
        naming: What the caller asked for.
        image_id: The image's id, unique by itself.
        extension: That of the bytes, without a dot.
        number: Which image of the call this is, from 1; 0 where there is only one.
    """
    if naming.filename:
        yield from _numbered(_stem(naming.filename, number), extension)
    turn = f"-t{naming.turn}" if naming.turn else ""
    label = clean_label(naming.label)
    yield from _numbered(f"{naming.kind}-{image_id}{turn}{f'-{label}' if label else ''}", extension)


def clean_label(text: str) -> str:
    """Letters and digits of any script, ``_`` and ``-``; everything else becomes a ``-``."""
    plain = unicodedata.normalize("NFC", text.encode("utf-8", "ignore").decode())
    label = _NOT_IN_LABELS.sub("-", plain).strip("-_")
    return _cut(label[:LONGEST_LABEL], LONGEST_NAME_BYTES // 2).strip("-_")


def check_filename(filename: str) -> None:
    """Refuses an exact file name that is more than a name.

    Raises:
        OutputRejected: If it has folders, characters that a file system refuses, or nothing left.
    """
    stem = _KNOWN_EXTENSION.sub("", filename)
    if "/" in filename or "\\" in filename or not stem.strip(". "):
        message = f"filename is {filename!r}, which is not a plain file name."
        raise OutputRejected(message, next_step="Pass a name without folders, and the folder as output_dir.")
    if _FORBIDDEN.search(filename) or _RESERVED.fullmatch(stem):
        message = f"filename is {filename!r}, which not every file system can store."
        raise OutputRejected(message, next_step='Use letters, digits, blanks, "-", "_" and ".".')


def _stem(filename: str, number: int) -> str:
    """An exact name without the extension of an image, and numbered where there are several."""
    stem = _cut(_KNOWN_EXTENSION.sub("", filename).rstrip(". "), LONGEST_NAME_BYTES)
    return f"{stem}-{number}" if number else stem


def _numbered(stem: str, extension: str) -> Iterator[str]:
    yield f"{stem}.{extension}"
    for count in itertools.count(2):
        yield f"{stem}-{count}.{extension}"


def _cut(text: str, max_bytes: int) -> str:
    return text.encode()[:max_bytes].decode(errors="ignore")
