"""Normalising any image file to one that the API takes: format, mode, orientation and number of frames.

A file that the API takes as it is goes up untouched. The API rejects JPEGs with several pictures (MPO), and
extra images with transparency were seen to be rejected too ("Invalid image file or mode for image 1").
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gpt_image_mcp.errors import InputRejected
from gpt_image_mcp.imaging.animation import find_animation
from gpt_image_mcp.imaging.decoding import ORIENTATIONS, decode, in_profile, orientation
from gpt_image_mcp.imaging.encoding import encode, longest_edge
from gpt_image_mcp.imaging.formats import (
    announced_format,
    decodes,
    is_complete,
    open_picture,
    read_picture,
    room_for,
)
from gpt_image_mcp.imaging.limits import require_decodable
from gpt_image_mcp.imaging.svg import is_svg
from gpt_image_mcp.imaging.svg_drawing import INSTALL
from gpt_image_mcp.pillow_errors import DamagedImage, DrawingUnavailable, Oversized

if TYPE_CHECKING:
    from collections.abc import Generator

    from PIL import Image

    from gpt_image_mcp.imaging.decoding import Decoded
    from gpt_image_mcp.values.images import Picture

MAX_BYTES = 50_000_000
_ACCEPTED = ("png", "jpeg", "webp")
_LOSSY = ("jpeg", "mpo", "avif", "heic")
_PNG_BIT_DEPTH_OFFSET, _EIGHT_BITS = 24, 8
_LIGHT = 160
_SAVE_AGAIN = "Save or download the image again, or pass it as PNG or JPEG."
_PAPER, _SLATE = (255, 255, 255), (64, 64, 64)


@dataclass(frozen=True, slots=True)
class Normalised:
    """A file that the API takes, what it is, and a sentence for each thing that was changed."""

    data: bytes
    picture: Picture
    notes: tuple[str, ...] = ()


def normalise(data: bytes, *, source: str, is_first: bool, is_shown: bool = False) -> Normalised:
    """A file of any kind as one that the API takes. CPU work, for a worker thread.

    Args:
        data: A file of any kind.
        source: How the caller called it, for messages.
        is_first: Whether it is image 1, which alone keeps its transparency.
        is_shown: Whether it is only looked at: it stays what it is, and the size is that of what is seen.

    Raises:
        InputRejected: If it is not an image, is damaged, or is too large.
    """
    if is_shown and is_svg(data) and (drawing := read_picture(data)):
        return Normalised(data, drawing)
    picture = require_whole(data, source=source)
    with damage_refused(source), open_picture(data) as image:
        reasons = _reasons(data, image, picture, is_first=is_first)
        if not reasons or (is_shown and find_animation(data)):
            # Looks for damage without decoding, as far as the format allows: PNG has checksums.
            with open_picture(data) as again:
                again.verify()
            return Normalised(data, picture)
    with damage_refused(source), room_for(data):
        decoded = decode(data)
        if is_shown:
            return Normalised(data, replace(picture, width=decoded.image.width, height=decoded.image.height))
        ready = _plain(decoded.image, keeps_alpha=is_first)
        encoded = _encoded(ready, profile=decoded.profile, is_lossy=picture.format in _LOSSY)
    made = read_picture(encoded)
    if made is None or len(encoded) > MAX_BYTES:
        message = f"{source} would have {len(encoded) / 1e6:.0f} MB after conversion; the API takes 50."
        raise InputRejected(message, next_step="Scale the image down and pass that.")
    if made.format == "webp":
        reasons.append("as PNG it would have more than 50 MB, so it became WebP of high quality")
    return Normalised(encoded, made, (f"{source} was converted: {', '.join(reasons)}.",))


def require_editable(data: bytes, *, source: str) -> None:
    """Refuses what no request may carry: drawings, and GIFs, of which no frame would be the right one.

    Raises:
        InputRejected: If it is an SVG or a GIF.
    """
    _require_pixels(data, source=source)
    if announced_format(data) == "gif":
        message = f"{source} is a GIF, which cannot be an input of an edit."
        step = 'Export it first: export_image with output_format "png" makes a file of its first frame.'
        raise InputRejected(message, next_step=step)


def require_whole(data: bytes, *, source: str) -> Picture:
    """Requires a file to hold a whole image that is not too large to decode, and gives what it is. CPU work.

    Raises:
        InputRejected: If it is not an image, breaks off, or is too large.
    """
    _require_pixels(data, source=source)
    picture = read_picture(data)
    if picture is None:
        raise _not_an_image(data, source)
    with damage_refused(source), open_picture(data) as image:
        require_decodable(image, data)
    if not is_complete(data, picture) and not decodes(data):
        message = f"{source} is a {picture.format} image that breaks off before its end."
        raise InputRejected(message, next_step=_SAVE_AGAIN)
    return picture


def _require_pixels(data: bytes, *, source: str) -> None:
    if is_svg(data):
        message = f"{source} is an SVG, a vector drawing, and models take pictures of pixels."
        step = "Call export_image with it and output_format png, and pass the file that this writes."
        raise InputRejected(message, next_step=step)


def decode_input(data: bytes, *, source: str) -> Decoded:
    """The first frame of an image file, upright, in sRGB; RGBA only where something is transparent. CPU work.

    Raises:
        InputRejected: If it is not an image, is damaged, or is too large.
    """
    require_whole(data, source=source)
    with damage_refused(source), room_for(data):
        decoded = in_profile(decode(data), b"")
        return replace(decoded, image=_plain(decoded.image, keeps_alpha=True))


def _reasons(data: bytes, image: Image.Image, picture: Picture, *, is_first: bool) -> list[str]:
    """Why a file cannot go up as it is; empty if it can."""
    reasons: list[str] = []
    if picture.format not in _ACCEPTED:
        reasons.append(f"{picture.format} is not a format of the API")
    if image.format == "MPO":
        reasons.append("it holds several pictures")
    elif getattr(image, "is_animated", False):
        reasons.append("it has several frames, of which the first is used")
    if orientation(image) in ORIENTATIONS:
        reasons.append("its orientation was applied")
    if image.mode not in ("RGB", "RGBA"):
        reasons.append(f"its colour mode was {image.mode}")
    elif picture.format == "png" and data[_PNG_BIT_DEPTH_OFFSET] != _EIGHT_BITS:
        reasons.append(f"it had {data[_PNG_BIT_DEPTH_OFFSET]} bits a channel")
    if not is_first and image.has_transparency_data:
        reasons.append("only the first image may be transparent")
    return reasons


@contextmanager
def damage_refused(source: str) -> Generator[None]:
    """Turns what is wrong with a file, also that it is too large, into a refusal that names it.

    Raises:
        InputRejected: If anything is.
    """
    try:
        yield
    except DrawingUnavailable as error:
        raise InputRejected(f"{source} is kept, and cannot be drawn: {error}.", next_step=INSTALL) from error
    except Oversized as error:
        message = f"{source} is too large: {error}."
        raise InputRejected(
            message, next_step="Scale the image down, or save it again, and pass that."
        ) from error
    except DamagedImage as error:
        message = f"{source} is damaged: {error}."
        raise InputRejected(message, next_step=_SAVE_AGAIN) from error


def _plain(image: Image.Image, *, keeps_alpha: bool) -> Image.Image:
    """An image in RGB, or in RGBA if that is wanted and something is transparent."""
    if image.mode == "RGB":
        return image
    if image.getchannel("A").getextrema() == (255, 255):
        return image.convert("RGB")
    return image if keeps_alpha else flattened(image)


def flattened(image: Image.Image, ground: tuple[int, int, int] | None = None) -> Image.Image:
    """The image on a colour, else on one that keeps it visible: white, or dark grey under a light image."""
    from PIL import Image

    flat = Image.new("RGB", image.size, ground or visible_ground(image))
    flat.paste(image, mask=image.getchannel("A"))
    return flat


def visible_ground(image: Image.Image) -> tuple[int, int, int]:
    """The colour behind a transparent image that keeps it visible."""
    from PIL import ImageStat

    visible = image.getchannel("A").point([0] * 128 + [255] * 128)
    light = ImageStat.Stat(image.convert("L"), visible) if visible.getbbox() else None
    return _SLATE if light and light.mean[0] > _LIGHT else _PAPER


def _encoded(image: Image.Image, *, profile: bytes, is_lossy: bool) -> bytes:
    """A JPEG if the source was lossy, else a PNG, or a WebP where the PNG would be too large."""
    if is_lossy and image.mode == "RGB":
        return encode(image, "JPEG", profile=profile, quality=95, subsampling=0)
    data = encode(image, "PNG", profile=profile, compress_level=4)
    if len(data) <= MAX_BYTES or max(image.size) > longest_edge("webp"):
        return data
    return encode(image, "WEBP", profile=profile, quality=95, method=2)


def _not_an_image(data: bytes, source: str) -> InputRejected:
    if announced := announced_format(data):
        message = f"{source} begins like a {announced} image, but the rest is damaged or cut off."
        if announced == "heic":
            message = f"{message[:-1]}, or the package pillow-heif is not installed."
        return InputRejected(message, next_step=_SAVE_AGAIN)
    if not data:
        message = f"{source} is empty (0 bytes)."
    else:
        message = f"{source} is not an image that can be read ({_looks_like(data)}, {len(data):,} bytes)."
    return InputRejected(
        message, next_step="Pass a PNG, JPEG or WebP file; BMP, TIFF and AVIF are converted."
    )


def _looks_like(data: bytes) -> str:
    start = data[:200].lstrip().lower()
    if start.startswith(b"<?xml"):
        return "it looks like XML"
    if start.startswith((b"<!doctype", b"<html")):
        return "it looks like an HTML page"
    if start.startswith(b"%pdf"):
        return "it looks like a PDF"
    return "it looks like text" if start.isascii() and b"\0" not in start else "its kind is unknown"
