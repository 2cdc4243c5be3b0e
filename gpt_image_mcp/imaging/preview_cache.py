"""Small versions of images, cached on disk by the hash of the file that they were made from.

Unpacking a PNG file of a large photograph takes longer than everything else about showing it. The cache only
saves that time: its folder can be deleted at any time, and nothing fails if it cannot be written.
"""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import platformdirs

from gpt_image_mcp.atomic_files import write_over
from gpt_image_mcp.folders import APP
from gpt_image_mcp.imaging.previews import View, make_preview, thumbnail

if TYPE_CHECKING:
    from pathlib import Path

    from gpt_image_mcp.values.images import StoredImage
    from gpt_image_mcp.values.views import InlineImage

# A usual square image is unpacked in 25 ms, one in 4K in 140.
_LARGE_PIXELS = 3_000_000
_LARGE_EDGE = 1280
_DIGEST_BYTES = 16


@dataclass(frozen=True, slots=True)
class PreviewCache:
    """A cache of small versions that are all made in one way.

    Attributes:
        kind: Names that way, so that a change of size or quality starts another folder.
    """

    kind: str

    @property
    def folder(self) -> Path:
        """The folder of this cache."""
        return _cache() / self.kind

    def get(self, sha256: str) -> bytes:
        """The small version of a file; empty if the cache has none, or a damaged one."""
        try:
            kept = self._path(sha256).read_bytes() if sha256.isalnum() else b""
        except OSError:
            return b""
        data = kept[_DIGEST_BYTES:]
        return data if kept.startswith(_digest(data)) else b""

    def put(self, sha256: str, data: bytes) -> None:
        """Stores the small version of a file; if that fails, it is made again the next time."""
        if not sha256.isalnum():
            return
        # A power cut may leave half of the file; its hash in front tells.
        with contextlib.suppress(OSError):
            write_over(self._path(sha256), _digest(data) + data, durable=False)

    def _path(self, sha256: str) -> Path:
        return self.folder / sha256


LARGE_PREVIEWS = PreviewCache(f"views-{_LARGE_EDGE}-srgb")


def preview_of(image: StoredImage, data: bytes, view: View) -> InlineImage:
    """A preview of an image of the library; CPU work for a worker thread.

    Args:
        image: What is known about it.
        data: Its file, as it is now.
        view: How to look at it.

    Raises:
        StorageFailed: If the file cannot be decoded.
    """
    may_be_small = view.crop is None and view.max_edge <= _LARGE_EDGE
    return make_preview(quick_file(image, data) if may_be_small else data, view)


def quick_file(image: StoredImage, data: bytes) -> bytes:
    """A file of the same picture that is quickly unpacked: for a large image a smaller one of 1280 pixels.

    Raises:
        StorageFailed: If the file cannot be decoded.
    """
    if image.width * image.height <= _LARGE_PIXELS:
        return data
    sha256 = hashlib.sha256(data).hexdigest()
    small = LARGE_PREVIEWS.get(sha256)
    if not small:
        small = thumbnail(data, _LARGE_EDGE)
        LARGE_PREVIEWS.put(sha256, small)
    return small


def evict(sha256: str) -> None:
    """Deletes the small versions of a file.

    Raises:
        OSError: If one cannot be deleted.
    """
    for path in _cache().glob(f"*/{sha256}") if sha256.isalnum() else ():
        path.unlink(missing_ok=True)


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()[:_DIGEST_BYTES]


def _cache() -> Path:
    return platformdirs.user_cache_path(APP, appauthor=False) / "previews"
