"""What a file's bytes are: the format and pixel size, read from the header without decoding."""

from __future__ import annotations

import io
import struct
import warnings

from gpt_image_mcp.values import Picture

_MIME_TYPES = {
    "png": "image/png",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "gif": "image/gif",
    "bmp": "image/bmp",
    "tiff": "image/tiff",
    "avif": "image/avif",
}
_EXTENSIONS = {"jpeg": "jpg", "tiff": "tif"}
_RIFF_HEADER_BYTES = 8


def read_picture(data: bytes) -> Picture | None:
    """What the bytes are; None if they are no image of a kind that this package handles."""
    from PIL import Image

    with warnings.catch_warnings():
        # Only the header is read here; whoever decodes decides how large is too large.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            with Image.open(io.BytesIO(data)) as image:
                name = (image.format or "").lower()
                width, height = image.size
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, struct.error):
            return None
    # Multi-picture JPEG files are JPEG files to everyone else.
    name = {"mpo": "jpeg"}.get(name, name)
    if name not in _MIME_TYPES:
        return None
    return Picture(
        format=name,
        mime_type=_MIME_TYPES[name],
        extension=_EXTENSIONS.get(name, name),
        width=width,
        height=height,
    )


def is_complete(data: bytes, picture: Picture) -> bool:
    """Whether the file has its end, as far as the format marks one; a cut file does not."""
    if picture.format == "png":
        return b"IEND" in data[-32:]
    if picture.format == "jpeg":
        return b"\xff\xd9" in data[-64:]
    if picture.format == "webp":
        return len(data) >= int.from_bytes(data[4:8], "little") + _RIFF_HEADER_BYTES
    return True
