"""Decoding: the pixels of any image file in 8 bits, with their transparency and the profile of their numbers.

Everything in this package that reads pixels to write them again begins here and ends in ``encoding``, so that
no path loses a profile or a kind of transparency.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from gpt_image_mcp.imaging.colour import converted, describes, is_srgb, is_writable, srgb_profile
from gpt_image_mcp.imaging.formats import open_picture, room_for
from gpt_image_mcp.pillow_errors import unify_pillow_errors

if TYPE_CHECKING:
    from PIL import Image

UPRIGHT = 1
# How Pillow calls what makes each of the orientations upright.
_TURNS = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}
ORIENTATIONS = frozenset(_TURNS)
_ORIENTATION_TAG = 0x0112
# Exif is a small TIFF behind this name, which some programs write twice.
_EXIF_HEAD = re.compile(rb"(?:Exif\0\0){0,2}(II\*\0|MM\0\*)")
# An orientation is one number, of two bytes or, against the standard, of four.
_NUMBERS_IN_EXIF = {3: "H2x", 4: "I"}
_XMP_ORIENTATION = re.compile(rb'tiff:Orientation(?:="|>)([1-8])')
_LEVELS_OF_16_BITS = 65_536


@dataclass(frozen=True, slots=True)
class Decoded:
    """Pixels in RGB, or in RGBA where the file can have transparency.

    Attributes:
        profile: The RGB profile that the numbers follow; empty for sRGB that nobody tagged.
        is_animated: Whether the file has more frames than this one.
        is_recoloured: Whether the numbers were converted from the profile of the file.
    """

    image: Image.Image
    profile: bytes = b""
    is_animated: bool = False
    is_recoloured: bool = False


def decode(data: bytes) -> Decoded:
    """The first frame of an image file, upright. CPU work, for a worker thread.

    An RGB profile is kept, so that no pixel is changed; colours of another space become sRGB.

    Raises:
        DamagedImage: If it is not an image, is damaged, or is too large to decode.
    """
    with room_for(data), open_picture(data) as image:
        # The other pictures of an MPO are views of the same moment, not frames.
        is_animated = image.format != "MPO" and getattr(image, "is_animated", False)
        return replace(pixels_of(upright(image)), is_animated=is_animated)


def pixels_of(image: Image.Image) -> Decoded:
    """The pixels of an image that Pillow has opened, as ``decode`` gives them but not turned upright.

    Raises:
        DamagedImage: If they cannot be decoded.
    """
    profile: bytes = image.info.get("icc_profile") or b""
    with unify_pillow_errors():
        plain = _with_alpha_channel(image)
        # Pillow would write what stands there into the next file, where it need not be true.
        plain.info = {}
        is_for_rgb = describes(profile, "RGB")
        kept = profile if is_for_rgb and is_writable(profile) else b""
        if plain.mode in ("RGB", "RGBA") and (kept or not is_for_rgb):
            return Decoded(plain, kept)
        colours, alpha = _split(plain)
        if kept and colours.mode == "L":
            return Decoded(_joined(colours.convert("RGB"), alpha), kept)
        return _in_srgb(colours, alpha, profile)


def _in_srgb(colours: Image.Image, alpha: Image.Image | None, profile: bytes) -> Decoded:
    """Pixels in sRGB: by their profile, or as Pillow converts them where that cannot be applied."""
    fits = colours.mode == "LAB" or describes(profile, colours.mode)
    seen = converted(colours, source=profile, target=b"") if fits else None
    if seen is None:
        return Decoded(_joined(colours.convert("RGB"), alpha))
    return Decoded(_joined(seen, alpha), srgb_profile(), is_recoloured=True)


def in_profile(decoded: Decoded, profile: bytes) -> Decoded:
    """The same colours in the numbers of another RGB profile, one that is writable; empty for sRGB."""
    if decoded.profile == profile or (is_srgb(decoded.profile) and is_srgb(profile)):
        return replace(decoded, profile=profile)
    colours, alpha = _split(decoded.image)
    seen = converted(colours, source=decoded.profile, target=profile)
    if seen is None:
        return decoded
    return replace(decoded, image=_joined(seen, alpha), profile=profile, is_recoloured=True)


def orientation(image: Image.Image) -> int:
    """The camera's orientation, by the Exif of the file, else by its XMP.

    Pillow's own look at Exif makes an object of each value that it claims to have, of which there may be
    millions. Of a TIFF ``require_openable`` counts them. The end of a PNG is not looked at, because Pillow
    would decode all of it.
    """
    if image.format == "TIFF":
        return _as_orientation(image.getexif().get(_ORIENTATION_TAG))
    exif, xmp = image.info.get("exif"), image.info.get("xmp")
    in_exif = _orientation_in_exif(exif) if isinstance(exif, bytes) else None
    if in_exif is None and image.format != "PNG" and isinstance(xmp, bytes):
        in_xmp = _XMP_ORIENTATION.search(xmp)
        return int(in_xmp[1]) if in_xmp else UPRIGHT
    return _as_orientation(in_exif)


def upright(image: Image.Image) -> Image.Image:
    """The first frame, decoded, the way up that the camera was held."""
    from PIL import Image

    turn = _TURNS.get(orientation(image))
    image.load()
    if turn is None or image.format == "TIFF":  # which Pillow turns while it decodes
        return image.copy()
    return image.transpose(Image.Transpose[turn])


def _orientation_in_exif(exif: bytes) -> int | None:
    """What the first directory of Exif has under the tag; None if it does not have it as one number."""
    head = _EXIF_HEAD.match(exif)
    if not head:
        return None
    start, order = head.start(1), "<" if head[1][:1] == b"I" else ">"
    try:
        first = start + struct.unpack_from(f"{order}I", exif, start + 4)[0]
        (count,) = struct.unpack_from(f"{order}H", exif, first)
        for place in range(first + 2, first + 2 + 12 * count, 12):
            tag, kind, values = struct.unpack_from(f"{order}HHI", exif, place)
            if tag == _ORIENTATION_TAG and kind in _NUMBERS_IN_EXIF and values == 1:
                return int(struct.unpack_from(order + _NUMBERS_IN_EXIF[kind], exif, place + 8)[0])
    except struct.error:  # it breaks off
        return None
    return None


def _as_orientation(value: object) -> int:
    return value if isinstance(value, int) and value in ORIENTATIONS else UPRIGHT


def in_eight_bits(image: Image.Image) -> Image.Image:
    """A 16-bit or floating-point grey image, its range scaled to 0-255; with alpha if it has a colour key."""
    values = image.convert("F")
    highest = cast("tuple[float, float]", values.getextrema())[1]
    full = 1.0 if highest <= 1 else 255.0 if highest <= 255 else 65535.0  # noqa: PLR2004 - usual ranges
    if image.mode.startswith("I;16"):
        full = 65535.0
    grey = values.point(lambda value: value * (255 / full) + 0.5).convert("L")
    key = image.info.get("transparency")
    if isinstance(key, int):
        opaque = [255] * _LEVELS_OF_16_BITS
        opaque[key] = 0
        grey.putalpha(image.convert("I").point(opaque, "L"))
    return grey


def _with_alpha_channel(image: Image.Image) -> Image.Image:
    """The image in 8 bits, in RGB, L, CMYK or LAB; RGBA or LA if its file can say what is transparent."""
    if image.mode.startswith(("I", "F")):
        image = in_eight_bits(image)
    if image.mode in ("CMYK", "LAB"):
        return image
    mode = "L" if image.mode in ("1", "L", "LA", "La") else "RGB"
    mode = f"{mode}A" if image.has_transparency_data else mode
    return image if image.mode == mode else image.convert(mode)


def _split(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Colours and alpha."""
    if image.mode not in ("RGBA", "LA"):
        return image, None
    return image.convert(image.mode[:-1]), image.getchannel("A")


def _joined(colours: Image.Image, alpha: Image.Image | None) -> Image.Image:
    if alpha is not None:
        colours.putalpha(alpha)
    return colours
