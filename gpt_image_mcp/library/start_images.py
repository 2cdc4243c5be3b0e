"""Start images of edit sessions: copies of our own, as the files that callers named may change."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import platformdirs

from gpt_image_mcp.folders import APP
from gpt_image_mcp.library import storage
from gpt_image_mcp.object_paths import StoredPath, is_object

if TYPE_CHECKING:
    from pathlib import Path

    from gpt_image_mcp.values.requests import InputImage


@dataclass(frozen=True, slots=True, kw_only=True)
class StartImage:
    """A start image as it is sent; the file that it is made of is kept by us, as the original may change."""

    name: str
    file_path: StoredPath
    mime_type: str
    width: int
    height: int
    source: str
    image_id: str


def keep_start_image(image: InputImage, store: Path | None) -> StartImage:
    """Keeps the bytes of a start image in a file named by their hash, so that the same image is kept once.

    Raises:
        OSError: If they cannot be kept.
        StorageFailed: If the store does not take them.
    """
    digest = hashlib.sha256(image.as_passed).hexdigest()
    extension = image.name.rpartition(".")[2]
    folder = (store or platformdirs.user_data_path(APP, appauthor=False)) / "inputs"
    path = folder / f"{digest}.{extension}"
    if not is_object(folder):
        # Others may not look into the folder, so that no file in it is theirs to read, not even at first.
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
    try:
        storage.read_saved(path, digest)
    except OSError:
        storage.write_over(path, image.as_passed)
    if not is_object(path):
        path.chmod(0o600)
    return StartImage(
        name=image.name,
        file_path=path,
        mime_type=image.mime_type,
        width=image.width,
        height=image.height,
        source=image.source[:500],
        image_id=image.image_id,
    )
