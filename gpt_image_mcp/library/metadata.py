"""The metadata file of an image: everything known about it, as JSON beside it.

The database can be rebuilt from these files, so they hold all that it holds.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, ValidationError

from gpt_image_mcp.library.files import write_over
from gpt_image_mcp.values import StoredImage

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = ".metadata"
SCHEMA = 1


class _Document(BaseModel):
    """A metadata file; keys of later versions are tolerated."""

    model_config = ConfigDict(extra="ignore")

    schema_version: int = SCHEMA
    image: StoredImage


def metadata_path(image: StoredImage) -> Path:
    """Where the metadata of an image belongs."""
    return image.file_path.parent / FOLDER / f"{image.id}.json"


def write_metadata(image: StoredImage) -> None:
    """Writes, or renews, the metadata file of an image.

    Raises:
        OSError: If the folder cannot be written.
    """
    document = _Document(image=image).model_dump_json(indent=1)
    write_over(metadata_path(image), document.encode())


def read_metadata(path: Path) -> StoredImage | None:
    """The image that a metadata file describes; None if it is not such a file.

    The folder may have been moved: the image is looked for beside the ``.metadata`` folder.

    Raises:
        OSError: If the file cannot be read.
    """
    try:
        image = _Document.model_validate_json(path.read_bytes()).image
    except ValidationError:
        return None
    moved = path.parent.parent / image.file_path.name
    return replace(image, file_path=moved)
