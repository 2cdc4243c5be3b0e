"""Compositing an edit onto the original, so that nothing outside the mask is changed."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gpt_image_mcp.errors import StorageFailed
from gpt_image_mcp.imaging.decoding import decode, in_profile
from gpt_image_mcp.imaging.encoding import encode
from gpt_image_mcp.imaging.formats import open_picture, room_for
from gpt_image_mcp.imaging.source_type import AI_EDITED
from gpt_image_mcp.pillow_errors import DamagedImage, unify_pillow_errors

if TYPE_CHECKING:
    from PIL import Image

    from gpt_image_mcp.values.requests import Backdrop

# A pixel counts as changed if a channel differs by more: less is noise of compression and scaling.
VISIBLE_DIFFERENCE = 16
_STRIP_PIXELS = 256
_FORMATS: dict[str, tuple[str, dict[str, Any]]] = {
    "png": ("PNG", {"compress_level": 4}),
    # Exact: else libwebp clears the colours of transparent pixels.
    "webp": ("WEBP", {"lossless": True, "exact": True, "method": 2}),
    "jpeg": ("JPEG", {"quality": 95, "subsampling": 0}),
}
# Beyond this a WebP would take more than a gigabyte; a quarter more bytes on disk are better.
_LARGE_WEBP_PIXELS = 25_000_000


@dataclass(frozen=True, slots=True)
class Composite:
    """The file of an edit composited onto the original.

    Attributes:
        changed_share: How many of the pixels outside the mask the edit had changed, from 0 to 1.
    """

    data: bytes
    changed_share: float


def composite(edited: bytes, backdrop: Backdrop, *, output_format: str) -> Composite:
    """An edited image with the original outside the mask, in the original's size. CPU work.

    Args:
        edited: The file that the API returned.
        backdrop: The original, and where the edit covers it.
        output_format: ``png``, ``webp`` (lossless) or ``jpeg``.

    Raises:
        StorageFailed: If that fails, also for lack of memory; the picture as it was returned is still there.
    """
    try:
        smaller, larger = sorted((edited, backdrop.original), key=_pixels)
        # No more is held than 15 bytes for each pixel of the larger one, so its room is enough for all.
        with unify_pillow_errors(), room_for(larger), room_for(smaller):
            return _composite(edited, backdrop, output_format)
    except DamagedImage as error:
        message = f"The original pixels could not be put back: {error}."
        raise StorageFailed(message, next_step="Use the image as it was returned.") from error


def _pixels(data: bytes) -> int:
    with open_picture(data) as image:
        return image.width * image.height


def _composite(edited: bytes, backdrop: Backdrop, output_format: str) -> Composite:
    from PIL import Image

    background = decode(backdrop.original)
    # The original's numbers and profile stay, so that outside the mask not a pixel changes.
    profile = background.profile
    combined, made = background.image, in_profile(decode(edited), profile).image
    coverage = Image.open(io.BytesIO(backdrop.coverage), formats=("PNG",)).convert("L")
    mode = "RGBA" if "RGBA" in (combined.mode, made.mode) else "RGB"
    if combined.mode != mode:
        combined = combined.convert(mode)
    if made.size != combined.size:
        made = made.resize(combined.size, Image.Resampling.LANCZOS)
    if made.mode != mode:
        made = made.convert(mode)
    share = _changed_share(combined, made, coverage)
    combined.paste(made, mask=coverage)
    del made, coverage
    if mode == "RGBA" and combined.getchannel("A").getextrema() == (255, 255):
        combined, mode = combined.convert("RGB"), "RGB"
    kind, options = _FORMATS[output_format]
    if kind == "WEBP" and combined.width * combined.height > _LARGE_WEBP_PIXELS:
        options = options | {"method": 0}
    if kind == "JPEG" and mode == "RGBA":
        paper = Image.new("RGBA", combined.size, "white")
        combined = Image.alpha_composite(paper, combined).convert("RGB")
    return Composite(encode(combined, kind, profile=profile, source_type=AI_EDITED, **options), share)


def _changed_share(original: Image.Image, made: Image.Image, coverage: Image.Image) -> float:
    """Which share of the pixels outside the mask differs visibly; in strips, which take little memory."""
    changed = total = 0
    for top in range(0, original.height, _STRIP_PIXELS):
        strip = (0, top, original.width, min(top + _STRIP_PIXELS, original.height))
        pixels = _changed_pixels(original.crop(strip), made.crop(strip), coverage.crop(strip))
        changed, total = changed + pixels[0], total + pixels[1]
    return changed / total if total else 0.0


def _changed_pixels(original: Image.Image, made: Image.Image, coverage: Image.Image) -> tuple[int, int]:
    """How many pixels outside the mask differ visibly, and how many there are."""
    from PIL import ImageChops

    if original.mode == "RGBA":
        # Premultiplied: what the colour of a clear pixel is cannot be seen.
        original, made = original.convert("RGBa"), made.convert("RGBa")
    difference = ImageChops.difference(original, made)
    strongest, *others = difference.split()
    for channel in others:
        strongest = ImageChops.lighter(strongest, channel)
    outside = coverage.point([255] + [0] * 255)
    changed = ImageChops.darker(strongest.point(_ABOVE_THRESHOLD), outside)
    return changed.histogram()[255], outside.histogram()[255]


_ABOVE_THRESHOLD = [255 if value > VISIBLE_DIFFERENCE else 0 for value in range(256)]
