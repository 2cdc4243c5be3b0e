"""References to images of the library: an id, an address, a path or a URL of a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpt_image_mcp.errors import NotFound
from gpt_image_mcp.folders import project_folder
from gpt_image_mcp.ids import image_id_in
from gpt_image_mcp.paths import is_within, local_path

if TYPE_CHECKING:
    from gpt_image_mcp.library.store import Library
    from gpt_image_mcp.settings import Settings
    from gpt_image_mcp.values.images import StoredImage


def find_image(ref: str, library: Library, *, settings: Settings) -> StoredImage:
    """The image that a reference means; its file is there.

    Raises:
        NotFound: If the library has no such image, or its file is gone.
    """
    return with_file(image_of(ref, library, settings=settings))


def with_file(image: StoredImage) -> StoredImage:
    """The same image, after a look whether its file is there.

    Raises:
        NotFound: If its file is gone.
    """
    if not image.file_path.is_file():
        message = f"The file of image {image.id} is no longer at {image.file_path}."
        raise NotFound(message, next_step="If it was moved, pass its new path as ref.")
    return image


def image_of(ref: str, library: Library, *, settings: Settings) -> StoredImage:
    """The image that an id, a ``gpt-image://`` address, a path or a ``file://`` URL means.

    Its file may be gone.

    Raises:
        NotFound: If the library has no such image.
    """
    found = known_image(ref, library, settings=settings)
    if found is None:
        message = f"The library has no image {ref!r}."
        raise NotFound(
            message,
            next_step="Pass the id or file_path of an image from an earlier result, or a job id; find_images "
            "searches.",
        )
    return found


def known_image(ref: str, library: Library, *, settings: Settings) -> StoredImage | None:
    """Like ``image_of``, but gives None if the library has no such image."""
    image_id = image_id_in(ref)
    if image_id:
        return library.images.find_image(image_id)
    return _by_path(ref, library, settings) if ref else None


def _by_path(ref: str, library: Library, settings: Settings) -> StoredImage | None:
    try:
        path = local_path(ref, base=project_folder(settings))
    except (ValueError, RuntimeError):
        return None
    # Not even a look at the file: the answer would tell whether it is there.
    if settings.input_roots is not None and not is_within(path, settings.input_roots):
        return None
    return library.identify(path)
