"""The metadata file of an image: all that is known about it, as JSON in a folder beside it.

The database can be rebuilt from these files, so they hold everything that it knows about images.
"""

from __future__ import annotations

import errno
from dataclasses import replace
from datetime import UTC
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gpt_image_mcp.ids import are_ids
from gpt_image_mcp.library import storage
from gpt_image_mcp.object_paths import is_object
from gpt_image_mcp.regular_files import read_regular
from gpt_image_mcp.values.images import StoredImage

FOLDER = ".metadata"
SCHEMA = 1
# Ours have a few kilobytes: a prompt of at most 32,000 characters, and some hundred beside it.
_MOST_BYTES = 1_000_000


class _Document(BaseModel):
    """What a metadata file holds; keys that a later version added are ignored.

    The image's ``file_path`` is a name without a folder, so that a folder can be moved with its images; it is
    absolute for an image in a folder of the caller's own.
    """

    model_config = ConfigDict(extra="ignore", serialize_by_alias=True)

    version: int = Field(default=SCHEMA, alias="schema")
    image: StoredImage


def metadata_path(image: StoredImage) -> Path:
    """The path of the metadata file of an image."""
    return (image.home_folder or image.file_path.parent) / FOLDER / f"{image.id}.json"


def write_metadata(image: StoredImage) -> None:
    """Writes, or renews, the metadata file of an image.

    Raises:
        OSError: If the folder cannot be written, or is a link, which may lead to where nothing is ours.
        StorageFailed: If the store does not take it.
        ValueError: If a text of the image is not valid Unicode.
    """
    if metadata_path(image).parent.is_symlink():
        raise NotADirectoryError(errno.ENOTDIR, "it is a link", str(metadata_path(image).parent))
    place = image.file_path if image.home_folder else Path(image.file_path.name)
    portable = replace(image, file_path=place, home_folder=None, created_at=image.created_at.astimezone(UTC))
    document = _Document(image=portable).model_dump_json(indent=1)
    # The database holds the same, so the caller does not wait until the disk has it.
    storage.write_over(metadata_path(image), document.encode(), durable=False)


def moved_to(image: StoredImage, path: Path) -> StoredImage:
    """An image whose file is now at this absolute path. Its metadata file stays where it was.

    If a whole folder was moved, the metadata file moved with it.
    """
    moved = replace(image, file_path=path, home_folder=None)
    home = image.home_folder or image.file_path.parent
    return (
        moved if metadata_path(moved).is_file() or home == path.parent else replace(moved, home_folder=home)
    )


def read_metadata(path: Path) -> StoredImage | None:
    """The image that a metadata file describes; None if the file is not a metadata file of ours.

    The image's own file is looked for beside the ``.metadata`` folder, wherever that is now, unless the
    document has an absolute path.

    Raises:
        OSError: If the file cannot be read, is too large, or is a link, a pipe or the like.
        StorageFailed: If the store does not give it.
    """
    if is_object(path):
        data = storage.read(path, max_bytes=_MOST_BYTES)
    else:
        data = read_regular(path, max_bytes=_MOST_BYTES, follows_links=False)
    try:
        image = _Document.model_validate_json(data).image
    except ValidationError:
        return None
    named, made, home = image.file_path, image.provenance, path.absolute().parent.parent
    is_ours = path.name == f"{image.id}.json" and are_ids(made.call_id, made.session_id)
    if not is_ours or ".." in named.parts or not named.name:
        return None
    if named.is_absolute():
        return replace(image, home_folder=home)
    is_name = named.name == str(named)
    return replace(image, file_path=home / named, home_folder=None) if is_name else None
