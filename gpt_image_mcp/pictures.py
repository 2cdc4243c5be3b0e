"""What a file's bytes are: the format and pixel size, read from the header without decoding."""

from __future__ import annotations

import importlib
import io
import re
import threading
import warnings
from typing import NamedTuple

from gpt_image_mcp.values import Picture

_RIFF_HEADER_BYTES = 8


class _Format(NamedTuple):
    """A format this package handles.

    Attributes:
        signature: What its files begin with.
        plugin: Pillow's module for it. Pillow would otherwise import all of its forty.
    """

    name: str
    signature: re.Pattern[bytes]
    plugin: str
    extension: str


_FORMATS = (
    _Format("png", re.compile(rb"\x89PNG\r\n\x1a\n"), "PngImagePlugin", "png"),
    _Format("jpeg", re.compile(rb"\xff\xd8\xff"), "JpegImagePlugin", "jpg"),
    _Format("webp", re.compile(rb"RIFF....WEBP", re.DOTALL), "WebPImagePlugin", "webp"),
    _Format("gif", re.compile(rb"GIF8[79]a"), "GifImagePlugin", "gif"),
    _Format("bmp", re.compile(rb"BM"), "BmpImagePlugin", "bmp"),
    _Format("tiff", re.compile(rb"II[*+]\0|MM\0[*+]"), "TiffImagePlugin", "tif"),
    _Format("avif", re.compile(rb"....ftyp(avif|avis|mif1|msf1)", re.DOTALL), "AvifImagePlugin", "avif"),
)
# Python's switch for warnings is one for all threads, so only one of ours may turn it at a time.
_QUIET = threading.Lock()


def read_picture(data: bytes) -> Picture | None:
    """What the bytes are; None if they are no image of a kind that this package handles."""
    for known in _FORMATS:
        if known.signature.match(data):
            size = _read_size(data, known)
            return None if size is None else _picture(known, size)
    return None


def is_complete(data: bytes, picture: Picture) -> bool:
    """Whether the file has its end, as far as the format marks one; a cut file does not."""
    if picture.format == "png":
        return b"IEND" in data[-32:]
    if picture.format == "jpeg":
        return b"\xff\xd9" in data[-64:]
    if picture.format == "webp":
        return len(data) >= int.from_bytes(data[4:8], "little") + _RIFF_HEADER_BYTES
    return True


def _read_size(data: bytes, known: _Format) -> tuple[int, int] | None:
    """Width and height in pixels; None if the header is damaged."""
    from PIL import Image

    importlib.import_module(f"PIL.{known.plugin}")
    with _QUIET, warnings.catch_warnings():
        # Only the header is read here; whoever decodes decides how large is too large.
        warnings.simplefilter("ignore")
        try:
            with Image.open(io.BytesIO(data), formats=(known.name,)) as image:
                return image.size
        except Exception:  # noqa: BLE001 - Pillow raises nearly anything on a damaged header
            return None


def _picture(known: _Format, size: tuple[int, int]) -> Picture:
    return Picture(
        format=known.name,
        mime_type=f"image/{known.name}",
        extension=known.extension,
        width=size[0],
        height=size[1],
    )
