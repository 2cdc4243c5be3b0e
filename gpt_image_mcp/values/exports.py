"""What an export wrote."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedFile:
    """A file that an export wrote; the pixel size of an ico is that of the largest picture in it."""

    file_path: Path
    size_bytes: int
    sha256: str
    mime_type: str
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportResult:
    """The outcome of an export.

    Attributes:
        source: The image that was converted, as messages call it.
        folder: Where the files are.
        preset: The set they are; empty for a single file.
        html: The lines for the head of a page that shows a favicon set; ``manifest`` the web app manifest.
        manifest_path: The file that has the manifest.
        background: The colours that transparency and bars were filled with, as ``#rrggbb``.
    """

    source: str
    folder: Path
    preset: str
    files: tuple[ExportedFile, ...]
    notes: tuple[str, ...] = ()
    html: str = ""
    manifest: str = ""
    manifest_path: Path | None = None
    background: str = ""
