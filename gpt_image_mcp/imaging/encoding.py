"""Encoding: pixels become a file that says which colours its numbers mean, and whether AI made them."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from gpt_image_mcp.imaging.limits import MAX_EDGE
from gpt_image_mcp.imaging.source_type import source_type_packet

if TYPE_CHECKING:
    from PIL import Image

    from gpt_image_mcp.imaging.source_type import SourceType

# What libjpeg and libwebp write, and libavif reads (JPEG_MAX_DIMENSION, WEBP_MAX_DIMENSION,
# AVIF_DEFAULT_IMAGE_DIMENSION_LIMIT); others take any edge that is read.
_LONGEST_EDGES = {"jpeg": 65_500, "webp": 16_383, "avif": 32_768}
_PNG_KEYWORD = "XML:com.adobe.xmp"
_TAKING_XMP = ("JPEG", "WEBP", "AVIF")


def longest_edge(output_format: str) -> int:
    """How many pixels an edge may have in a file of this format."""
    return _LONGEST_EDGES.get(output_format, MAX_EDGE)


def encode(
    image: Image.Image, kind: str, *, profile: bytes = b"", source_type: SourceType = "", **options: object
) -> bytes:
    """The file of an image, in one of Pillow's formats, without the metadata of the file it came from.

    Args:
        image: The pixels.
        kind: Pillow's name of the format.
        profile: The ICC profile of the numbers; empty to write none, which means sRGB.
        source_type: How AI took part in the picture; an ICO has no place for it.
        **options: What Pillow should know of the format.
    """
    stream = io.BytesIO()
    image.info = {}
    if profile:
        options["icc_profile"] = profile
    if source_type:
        options |= _label(kind, source_type)
    image.save(stream, kind, **options)
    return stream.getvalue()


def _label(kind: str, source_type: SourceType) -> dict[str, object]:
    """What tells Pillow to write the source type."""
    packet = source_type_packet(source_type)
    if kind == "PNG":
        from PIL.PngImagePlugin import PngInfo

        chunks = PngInfo()
        chunks.add_itxt(_PNG_KEYWORD, packet.decode())
        return {"pnginfo": chunks}
    return {"xmp": packet} if kind in _TAKING_XMP else {}
