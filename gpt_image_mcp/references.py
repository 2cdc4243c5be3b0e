"""What a caller may mean by a reference to an image of the library."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from gpt_image_mcp.errors import NotFound
from gpt_image_mcp.library.folders import project_folder

if TYPE_CHECKING:
    from gpt_image_mcp.library.store import Library
    from gpt_image_mcp.settings import Settings
    from gpt_image_mcp.values import StoredImage

_IMAGE_ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{6}")
_IMAGE_URI = re.compile(r"gpt-image://images/([^/]+)(/preview|/metadata)?", re.IGNORECASE)


def is_job_id(ref: str) -> bool:
    """Whether a reference names a job rather than an image."""
    return ref.startswith("job-")


def find_image(ref: str, library: Library, *, settings: Settings) -> StoredImage:
    """The image of the library that an id, a ``gpt-image://`` address, a path or ``file://`` URL means.

    Raises:
        NotFound: If the library has no such image.
    """
    image_id = _image_id(ref)
    found = library.catalogue.find_image(image_id) if image_id else None
    if found is None and not image_id and ref:
        found = library.identify(_path(ref, settings))
    if found is None:
        message = f"The library has no image {ref!r}."
        raise NotFound(
            message,
            next_step="Pass the id or file_path of an image from an earlier result, or a job id.",
        )
    if not found.file_path.is_file():
        message = f"The file of image {found.id} is no longer at {found.file_path}."
        raise NotFound(message, next_step="If it was moved, pass its new path as ref.")
    return found


def _image_id(ref: str) -> str:
    if matched := _IMAGE_URI.fullmatch(ref):
        return matched[1]
    return ref if _IMAGE_ID.fullmatch(ref) else ""


def _path(ref: str, settings: Settings) -> Path:
    if ref.lower().startswith("file:"):
        ref = unquote(urlsplit(ref).path)
    path = Path(ref).expanduser()
    return path if path.is_absolute() else project_folder(settings) / path
