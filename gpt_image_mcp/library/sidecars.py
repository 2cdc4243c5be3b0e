"""The metadata file of an image: everything known about it, as JSON beside it.

The database can be rebuilt from these files, so they hold all that it holds.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gpt_image_mcp.atomic_files import write_over
from gpt_image_mcp.values.images import StoredImage

FOLDER = ".metadata"
SCHEMA = 1


class _Document(BaseModel):
    """A metadata file; keys of later versions are tolerated.

    The image's ``file_path`` is only a name, so that the folder can be moved as a whole.
    """

    model_config = ConfigDict(extra="ignore", serialize_by_alias=True)

    version: int = Field(default=SCHEMA, alias="schema")
    image: StoredImage


def metadata_path(image: StoredImage) -> Path:
    """Where the metadata of an image belongs."""
    return image.file_path.parent / FOLDER / f"{image.id}.json"


def write_metadata(image: StoredImage) -> None:
    """Writes, or renews, the metadata file of an image.

    Raises:
        OSError: If the folder cannot be written.
        ValueError: If a text of the image is not valid Unicode.
    """
    portable = replace(
        image, file_path=Path(image.file_path.name), created_at=image.created_at.astimezone(UTC)
    )
    document = _Document(image=portable).model_dump_json(indent=1)
    # The database holds the same, so the caller need not wait for the disk.
    write_over(metadata_path(image), document.encode(), durable=False)


def move_metadata(image: StoredImage, path: Path) -> None:
    """Lets the metadata file follow an image's file, which is now at this path.

    Where a whole folder was moved, the metadata file came along and is not there any more.

    Raises:
        OSError: If the new folder cannot be written; the metadata are then where they were.
        ValueError: If the new name is not valid Unicode.
    """
    old, moved = metadata_path(image), replace(image, file_path=path)
    if not old.is_file():
        return
    write_metadata(moved)
    if not metadata_path(moved).samefile(old):
        old.unlink()


def read_metadata(path: Path) -> StoredImage | None:
    """The image that a metadata file describes; None if it is not such a file.

    The image's path is beside the ``.metadata`` folder, wherever that is now.

    Raises:
        OSError: If the file cannot be read.
    """
    try:
        image = _Document.model_validate_json(path.read_bytes()).image
    except ValidationError:
        return None
    return replace(image, file_path=path.absolute().parent.parent / image.file_path.name)
