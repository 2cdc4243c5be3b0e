"""A picture that a person has."""

from __future__ import annotations

import io

from PIL import Image


def png(colour: str = "red") -> bytes:
    """A picture of one colour."""
    stream = io.BytesIO()
    Image.new("RGB", (816, 816), colour).save(stream, "PNG")
    return stream.getvalue()


PICTURE = png()
