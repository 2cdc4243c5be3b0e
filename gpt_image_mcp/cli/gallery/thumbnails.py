"""Small pictures of the files, made side by side and kept for the next gallery.

Unpacking a PNG file of a photograph takes 25 ms or more, so a thousand take longer than anybody wants to
wait: what is not made within the time allowed is left for the next gallery, and the page shows the original
file instead.
"""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from gpt_image_mcp.errors import StorageFailed
from gpt_image_mcp.imaging.encoding import encode
from gpt_image_mcp.imaging.preview_cache import LARGE_PREVIEWS, PreviewCache
from gpt_image_mcp.imaging.previews import View, drawn
from gpt_image_mcp.library.storage import read, read_saved
from gpt_image_mcp.pillow_errors import DamagedImage
from gpt_image_mcp.services.image_search import file_state
from gpt_image_mcp.steps import step

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gpt_image_mcp.values.history import FileState
    from gpt_image_mcp.values.images import StoredImage

MIME_TYPE = "image/webp"
EDGE_PIXELS = 360
_QUALITY, _METHOD = 72, 0
KEPT = PreviewCache(f"thumbnails-{EDGE_PIXELS}-{_QUALITY}-srgb")


@dataclass(frozen=True, slots=True, kw_only=True)
class Thumbnail:
    """A small picture of an image, and what became of its file.

    Attributes:
        data: A WebP file; empty where there was no time, or the file cannot be decoded.
        decodable: Whether a browser may be able to show the file itself.
    """

    state: FileState
    data: bytes
    decodable: bool = True


def make_thumbnails(images: Sequence[StoredImage], *, allowed_seconds: float) -> list[Thumbnail]:
    """The thumbnails of images, in their order; blocks until they are made or the time is over."""
    deadline = time.monotonic() + allowed_seconds
    # Pillow lets other threads work while it decodes and encodes.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        made = list[Thumbnail]()
        for thumbnail in pool.map(partial(_thumbnail, deadline=deadline), images):
            step()
            made.append(thumbnail)
    return made


def _thumbnail(image: StoredImage, *, deadline: float) -> Thumbnail:
    state = file_state(image)
    data = b"" if state == "changed" else KEPT.get(image.sha256)
    if data or state == "missing" or time.monotonic() > deadline:
        return Thumbnail(state=state, data=data)
    file = (LARGE_PREVIEWS.get(image.sha256) or _saved(image)) if state == "present" else b""
    if not file:
        file = _as_it_is(image)
        state = "changed" if file else state
    data = _draw(file)
    if data and state != "changed":
        KEPT.put(image.sha256, data)
    return Thumbnail(state=state, data=data, decodable=bool(data))


def _saved(image: StoredImage) -> bytes:
    """The bytes of an image's file as they were saved; empty if they are others, or it cannot be read."""
    try:
        return read_saved(image.file_path, image.sha256, max_bytes=image.size_bytes)
    except (OSError, StorageFailed):
        return b""


def _as_it_is(image: StoredImage) -> bytes:
    """The bytes of a file that was changed; empty for a link, which may lead anywhere."""
    try:
        return read(image.file_path, within=(image.file_path.parent,))
    except (OSError, StorageFailed):
        return b""


def _draw(data: bytes) -> bytes:
    """The thumbnail of an image file; empty if it cannot be decoded."""
    try:
        seen = drawn(data, View(max_bytes=0, max_edge=EDGE_PIXELS))
        return encode(seen, "WEBP", quality=_QUALITY, method=_METHOD)
    except (DamagedImage, StorageFailed):
        return b""
