"""Encoding: pixels become a file that says which colours its numbers mean, and nothing private."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image


def encode(image: Image.Image, kind: str, *, profile: bytes = b"", **options: object) -> bytes:
    """The file of an image, in one of Pillow's formats, without the metadata of the file it came from.

    Args:
        image: The pixels.
        kind: Pillow's name of the format.
        profile: The ICC profile of the numbers; empty to write none, which means sRGB.
        **options: What Pillow should know of the format.
    """
    stream = io.BytesIO()
    image.info = {}
    if profile:
        options["icc_profile"] = profile
    image.save(stream, kind, **options)
    return stream.getvalue()
