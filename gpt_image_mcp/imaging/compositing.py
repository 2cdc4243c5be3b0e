"""Compositing an edit onto the original, so that nothing outside the mask is changed."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gpt_image_mcp.errors import StorageFailed
from gpt_image_mcp.imaging.decoding import decode, in_profile
from gpt_image_mcp.imaging.encoding import encode
from gpt_image_mcp.imaging.formats import room_for
from gpt_image_mcp.imaging.source_type import AI_EDITED
from gpt_image_mcp.pillow_errors import DamagedImage, unify_pillow_errors

if TYPE_CHECKING:
    from PIL import Image

    from gpt_image_mcp.values.requests import Backdrop

# A pixel counts as changed if a channel differs by more: less is noise of compression and scaling.
VISIBLE_DIFFERENCE = 16
_FORMATS: dict[str, tuple[str, dict[str, Any]]] = {
    "png": ("PNG", {"compress_level": 4}),
    # Exact: else libwebp clears the colours of transparent pixels.
    "webp": ("WEBP", {"lossless": True, "exact": True, "method": 2}),
    "jpeg": ("JPEG", {"quality": 95, "subsampling": 0}),
}


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
        with unify_pillow_errors(), room_for(edited, backdrop.original, backdrop.coverage):
            return _composite(edited, backdrop, output_format)
    except DamagedImage as error:
        message = f"The original pixels could not be put back: {error}."
        raise StorageFailed(message, next_step="Use the image as it was returned.") from error


def _composite(edited: bytes, backdrop: Backdrop, output_format: str) -> Composite:
    from PIL import Image

    background = decode(backdrop.original)
    # The original's numbers and profile stay, so that outside the mask not a pixel changes.
    profile = background.profile
    original, made = background.image, in_profile(decode(edited), profile).image
    coverage = Image.open(io.BytesIO(backdrop.coverage), formats=("PNG",)).convert("L")
    mode = "RGBA" if "RGBA" in (original.mode, made.mode) else "RGB"
    original, made = original.convert(mode), made.convert(mode)
    if made.size != original.size:
        made = made.resize(original.size, Image.Resampling.LANCZOS)
    share = _changed_share(original, made, coverage)
    combined = Image.composite(made, original, coverage)
    if mode == "RGBA" and combined.getchannel("A").getextrema() == (255, 255):
        combined, mode = combined.convert("RGB"), "RGB"
    kind, options = _FORMATS[output_format]
    if kind == "JPEG" and mode == "RGBA":
        paper = Image.new("RGBA", combined.size, "white")
        combined = Image.alpha_composite(paper, combined).convert("RGB")
    return Composite(encode(combined, kind, profile=profile, source_type=AI_EDITED, **options), share)


def _changed_share(original: Image.Image, made: Image.Image, coverage: Image.Image) -> float:
    """Which share of the pixels outside the mask differs visibly."""
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
    total = outside.histogram()[255]
    return changed.histogram()[255] / total if total else 0.0


_ABOVE_THRESHOLD = [255 if value > VISIBLE_DIFFERENCE else 0 for value in range(256)]
