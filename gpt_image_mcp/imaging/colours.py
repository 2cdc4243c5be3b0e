"""Colour profiles: what a number means as a colour, made the same for all programs."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from PIL import Image

# The colour space that a profile is for, bytes 16 to 19 of its header (ICC.1:2022, section 7.2), by Pillow's
# mode of the pixels that it can describe.
_SPACES = {"RGB": b"RGB ", "RGBA": b"RGB ", "CMYK": b"CMYK", "L": b"GRAY"}
_SPACE_FIELD = slice(16, 20)


def in_srgb(image: Image.Image) -> Image.Image | None:
    """The image in sRGB; None if it is that already, or has no profile that can be applied."""
    profile: bytes = image.info.get("icc_profile") or b""
    if image.mode == "P":
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")
    if profile[_SPACE_FIELD] != _SPACES.get(image.mode, b"none"):
        return None
    from PIL import ImageCms

    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "srgb" in ImageCms.getProfileDescription(source).lower():
            return None
        mode = "RGBA" if image.mode == "RGBA" else "RGB"
        # Pillow does not say of what type its own profiles are.
        srgb = cast("Any", ImageCms).createProfile("sRGB")
        return ImageCms.profileToProfile(image, source, srgb, outputMode=mode)
    except (ImageCms.PyCMSError, OSError):
        # A damaged profile; programs that show the image ignore it too.
        return None
