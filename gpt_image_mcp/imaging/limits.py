"""How much work a picture may be, so that reading or decoding none takes longer than five seconds."""

from __future__ import annotations

import io
import re
import struct
from itertools import islice
from typing import TYPE_CHECKING

from gpt_image_mcp.imaging.containers import MOST_PARTS, heif, jpeg, png, tiff, webp
from gpt_image_mcp.pillow_errors import Oversized

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from PIL import Image

# Pillow's own limit, a gigabyte of decoded pixels: beyond it a file is taken for a decompression bomb.
MAX_PIXELS = 89_478_485
# As in JPEG. Rows cost memory and time of their own, so a column of 80 million is more than it seems.
MAX_EDGE = 65_535
_MOST_SCANNED_PIXELS = 2_500_000_000
# The start of a scan with one to four components: ITU-T T.81, B.2.3.
_SCANS = tuple(bytes((0xFF, 0xDA, 0, 6 + 2 * count, count)) for count in range(1, 5))
# The head of a frame whose coefficients are coded by arithmetic: B.2.2. Each of them takes time in each scan,
# even if nothing of it is in the file.
_ARITHMETIC = re.compile(rb"\xff[\xc9-\xcb]\0[\x0b\x0e\x11\x14]\x08")
_SCANS_PER_ARITHMETIC_ONE = 4
# Tiles reach beyond a picture that is narrower than they are.
_MOST_OF_SMALL_TILES, _MOST_PER_PIXEL = 16_000_000, 4
# About half a second; a GIF of 50 MB needs 400,000.
_MOST_READS, _MOST_VALUES = 500_000, 100_000
# A page has some dozens; each takes Pillow a tenth of a millisecond, also to pass over it.
_MOST_TAGS = 1_000
# What names metadata in a file, and how often at most. A JPEG has 64 kB of Exif each time, which Pillow puts
# together anew, to make an object of each value of the resolution in it; and it takes Photoshop's resources,
# of which there are some dozens, one by one in Python.
_METADATA = {"jpeg": ((b"Exif\0\0", 8), (b"8BIM", 10_000)), "avif": ((b"Exif", 64),)}
# What walks through the parts of a file, of which there are less than ``MOST_PARTS``.
_PARTS: dict[str, Callable[[bytes], Iterator[object]]] = {
    "jpeg": jpeg.parts,
    "png": png.chunks,
    "webp": webp.all_chunks,
}
# In five seconds their decoders read 50 MB; no photo comes near.
_MOST_BYTES = {"avif": 40_000_000, "heic": 40_000_000}
_ICON_SIZE, _LARGEST_ICON_EDGE = re.compile(rb"IHDR(.{8})", re.DOTALL), 1024
_TOO_MANY = "it is made of so many or such large parts that reading it would take too long"


class BoundedStream(io.BytesIO):
    """A file for Pillow, which walks through the parts of containers in Python and reads at each."""

    reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        """As usual.

        Raises:
            Oversized: If it was read from too often.
        """
        self.reads += 1
        if self.reads > _MOST_READS:
            raise Oversized(_TOO_MANY)
        return super().read(size)


def require_openable(data: bytes, format_name: str) -> None:
    """Refuses what takes long to open although it is read at once: Pillow decodes icons, and lists of strips.

    Raises:
        Oversized: If it holds such a part.
    """
    if len(data) > (most_bytes := _MOST_BYTES.get(format_name, len(data))):
        message = (
            f"it has {len(data) / 1e6:.1f} MB; of {format_name.upper()} at most {most_bytes / 1e6:g} are read"
        )
        raise Oversized(message)
    if _has_too_much(data, format_name):
        raise Oversized(_TOO_MANY)


def _has_too_much(data: bytes, format_name: str) -> bool:
    """Whether a file is made of too many parts, or of too large ones."""
    if format_name == "ico":
        sizes = _ICON_SIZE.findall(data)
        return any(max(struct.unpack(">II", size)) > _LARGEST_ICON_EDGE for size in sizes)
    if format_name == "tiff":
        return tiff.count_tags(data) > _MOST_TAGS or tiff.longest_list(data) > _MOST_VALUES
    if any(data.count(name) > most for name, most in _METADATA.get(format_name, ())):
        return True
    if format_name in ("avif", "heic"):
        return heif.takes_too_long(data)
    parts = _PARTS.get(format_name)
    return parts is not None and any(islice(parts(data), MOST_PARTS - 1, None))


def require_decodable(image: Image.Image, data: bytes) -> None:
    """Refuses an opened picture that would take long to decode.

    Raises:
        Oversized: If it has too many pixels, along an edge or in all, or too many scans.
    """
    pixels = image.width * image.height
    if pixels > MAX_PIXELS or max(image.size) > MAX_EDGE:
        message = (
            f"it has {image.width}x{image.height} pixels; at most {MAX_PIXELS:,} in all and {MAX_EDGE:,} "
            "along an edge are read"
        )
        raise Oversized(message)
    decoded = pixels
    if image.format == "TIFF":
        decoded = tiff.decoded_pixels(data, width=image.width, height=image.height)
        if decoded > max(_MOST_OF_SMALL_TILES, _MOST_PER_PIXEL * pixels):
            message = f"its tiles have {decoded:,} pixels, and it has {image.width}x{image.height} of them"
            raise Oversized(message)
    scans = _scans(image, data)
    if scans * decoded > _MOST_SCANNED_PIXELS:
        message = (
            f"it has {image.width}x{image.height} pixels in {scans:,.0f} scans, which would take too long"
        )
        raise Oversized(message)


def _scans(image: Image.Image, data: bytes) -> float:
    """How often each pixel is decoded, of JPEGs and of a TIFF that is made of them."""
    share = tiff.readings(data, width=image.width, height=image.height) if image.format == "TIFF" else 1
    if not share or image.format not in ("JPEG", "MPO", "TIFF"):
        return 1
    costs = _SCANS_PER_ARITHMETIC_ONE if _ARITHMETIC.search(data) else 1
    return share * costs * sum(map(data.count, _SCANS))
