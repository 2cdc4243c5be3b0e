"""The metadata file of an image: all that is known about it, as JSON in a folder beside it.

The database can be rebuilt from these files, so they hold everything that it knows about images.
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
    """What a metadata file holds; keys that a later version added are ignored.

    The image's ``file_path`` is a name without a folder, so that a folder can be moved with its images.
    """

    model_config = ConfigDict(extra="ignore", serialize_by_alias=True)

    version: int = Field(default=SCHEMA, alias="schema")
    image: StoredImage


def metadata_path(image: StoredImage) -> Path:
    """The path of the metadata file of an image."""
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
    # The database holds the same, so the caller does not wait until the disk has it.
    write_over(metadata_path(image), document.encode(), durable=False)


def move_metadata(image: StoredImage, path: Path) -> None:
    """Moves the metadata file of an image whose file is now at this path.

    Nothing is done if a whole folder was moved, because the metadata file moved with it.

    Raises:
        OSError: If the new folder cannot be written; the metadata file then stays where it was.
        ValueError: If the new name is not valid Unicode.
    """
    old, moved = metadata_path(image), replace(image, file_path=path)
    if not old.is_file():
        return
    write_metadata(moved)
    if not metadata_path(moved).samefile(old):
        old.unlink()


def read_metadata(path: Path) -> StoredImage | None:
    """The image that a metadata file describes; None if the file is not a metadata file.

    The image's own file is looked for beside the ``.metadata`` folder, wherever that is now.

    Raises:
        OSError: If the file cannot be read.
    """
    try:
        image = _Document.model_validate_json(path.read_bytes()).image
    except ValidationError:
        return None
    return replace(image, file_path=path.absolute().parent.parent / image.file_path.name)
