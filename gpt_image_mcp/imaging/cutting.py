"""Cutting a picture to a size to the pixel: reduced until it fits, and what juts out on two sides cut off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gpt_image_mcp.errors import StorageFailed
from gpt_image_mcp.imaging.decoding import decode
from gpt_image_mcp.imaging.encoding import encode
from gpt_image_mcp.imaging.fit import fit_into
from gpt_image_mcp.imaging.formats import room_for
from gpt_image_mcp.imaging.normalise import flattened
from gpt_image_mcp.pillow_errors import DamagedImage, unify_pillow_errors
from gpt_image_mcp.values.pixels import Pixels

if TYPE_CHECKING:
    from gpt_image_mcp.imaging.source_type import SourceType

_BEST_QUALITY = 95
_OPTIONS: dict[str, dict[str, Any]] = {
    "png": {"compress_level": 4},
    "jpeg": {"quality": _BEST_QUALITY, "subsampling": 0},
    "webp": {"quality": _BEST_QUALITY, "method": 2},
}


@dataclass(frozen=True, slots=True)
class Cutting:
    """The file of a picture that was cut.

    Attributes:
        returned: The size it had.
        is_enlarged: Whether it was too small.
    """

    data: bytes
    returned: Pixels
    is_enlarged: bool


def cut_to(
    data: bytes, size: Pixels, *, output_format: str, quality: int | None, source_type: SourceType
) -> Cutting:
    """A picture in exactly a size, with its colour profile and transparency. CPU work.

    Args:
        data: The file.
        size: What it becomes.
        output_format: ``png``, ``webp`` or ``jpeg``.
        quality: 0 to 100, for the lossy formats; None for the best.
        source_type: The label of the file.

    Raises:
        StorageFailed: If that fails, also for lack of memory; the picture as it was returned is still there.
    """
    try:
        with unify_pillow_errors(), room_for(data, more_pixels=size.area):
            return _cut(data, size, output_format, quality=quality, source_type=source_type)
    except DamagedImage as error:
        message = f"The picture could not be cut to {size}: {error}."
        raise StorageFailed(message, next_step="Use the image as it was returned.") from error


def _cut(
    data: bytes, size: Pixels, output_format: str, *, quality: int | None, source_type: SourceType
) -> Cutting:
    from PIL import Image

    decoded = decode(data)
    returned = Pixels(*decoded.image.size)
    placement = fit_into(returned, size, fit="cover", fills_box=True)
    made = decoded.image.resize(size, Image.Resampling.LANCZOS, box=placement.part, reducing_gap=3.0)
    if output_format == "jpeg" and made.mode == "RGBA":
        made = flattened(made)
    options = dict(_OPTIONS[output_format])
    if quality is not None and "quality" in options:
        options["quality"] = quality
    file = encode(made, output_format.upper(), profile=decoded.profile, source_type=source_type, **options)
    return Cutting(file, returned, is_enlarged=placement.magnification > 1)
