"""Moving images of this machine into the store: those that it did not take when they were made. Blocking."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gpt_image_mcp.folders import default_folder, local_root, person_folder
from gpt_image_mcp.library.sidecars import metadata_path, write_metadata
from gpt_image_mcp.library.storage import read_saved, write_exclusive
from gpt_image_mcp.object_paths import is_object, object_path
from gpt_image_mcp.paths import is_within
from gpt_image_mcp.steps import step

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gpt_image_mcp.library.store import Library
    from gpt_image_mcp.settings import Settings
    from gpt_image_mcp.values.images import StoredImage


def move_in(library: Library, settings: Settings) -> int:
    """Moves all images in the default folders of this machine into the store, if there is one.

    Gives how many were moved. One whose file is gone or was changed stays where it is.

    Raises:
        StorageFailed: If the store does not take one; those before it are moved.
    """
    if object_path(settings.storage) is None:
        return 0
    here = [image for image in library.images.all_images() if _is_ours(image)]
    return sum(_is_moved(image, library, settings) for image in reversed(here))


def _is_ours(image: StoredImage) -> bool:
    return not is_object(image.file_path) and is_within(image.file_path, (local_root(),))


def _is_moved(image: StoredImage, library: Library, settings: Settings) -> bool:
    step()
    owner, old = image.provenance.owner, image.file_path
    folder = person_folder(settings, owner) if owner else default_folder(settings)
    try:
        data = read_saved(old, image.sha256)
        path = write_exclusive(folder, _names(image), data)
        moved = replace(image, file_path=path, home_folder=None)
        write_metadata(moved)
        library.images.add_image(moved)
        metadata_path(image).unlink(missing_ok=True)
        old.unlink()
    except (OSError, ValueError):
        return False
    return True


def _names(image: StoredImage) -> Iterator[str]:
    """Its own name, or if another image has that by now, one with its id."""
    yield image.file_path.name
    yield f"{image.file_path.stem}-{image.id}{image.file_path.suffix}"
