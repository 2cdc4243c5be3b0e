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

_OPTIONS: dict[str, dict[str, Any]] = {
    # Half the time of the usual level, for a tenth more bytes.
    "png": {"compress_level": 2},
    "jpeg": {"quality": 95, "subsampling": 0},
    "webp": {"quality": 95, "method": 2},
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
    from PIL.Image import Resampling

    try:
        with unify_pillow_errors(), room_for(data, more_pixels=size.area):
            decoded = decode(data)
            returned = Pixels(*decoded.image.size)
            placement = fit_into(returned, size, fit="cover", fills_box=True)
            made = decoded.image.resize(size, Resampling.LANCZOS, box=placement.part, reducing_gap=3.0)
            if output_format == "jpeg" and made.mode == "RGBA":
                made = flattened(made)
            options = _OPTIONS[output_format] | ({} if quality is None else {"quality": quality})
            kind = output_format.upper()
            file = encode(made, kind, profile=decoded.profile, source_type=source_type, **options)
    except DamagedImage as error:
        message = f"The picture could not be cut to {size}: {error}."
        raise StorageFailed(message, next_step="Use the image as it was returned.") from error
    return Cutting(file, returned, is_enlarged=placement.magnification > 1)
