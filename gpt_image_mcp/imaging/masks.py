"""Masks as the API wants them, from coverage (``regions.py``), a picture in any convention, or a canvas.

That is a PNG under 4 MB, of the size of image 1, whose transparent pixels are to be edited. Inside this
module a mask is its coverage: a grey image in which 255 takes the edit and 0 keeps the original.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from gpt_image_mcp.errors import InputRejected
from gpt_image_mcp.imaging.decoding import in_eight_bits, upright
from gpt_image_mcp.imaging.encoding import encode
from gpt_image_mcp.imaging.formats import is_complete, open_picture, read_picture, room_for
from gpt_image_mcp.imaging.normalise import damage_refused, require_editable

if TYPE_CHECKING:
    from PIL import Image

MAX_MASK_BYTES = 4_000_000
_HALF = 128
# Up to this, an image stays unscaled with a margin on all sides.
_MUCH_SMALLER = 1.1
_OPAQUE = 255
# Two sizes have the same ratio if scaling one to the other is off by no more than this.
_RATIO_TOLERANCE = 0.01
# A picture with more colour than this is a photograph, not a mask.
_COLOURFUL = 40


@dataclass(frozen=True, slots=True)
class EditMask:
    """A mask ready for use.

    Attributes:
        file: The PNG that is sent, whose edges are hard.
        coverage: The same as a grey PNG that keeps soft edges, for compositing.
        notes: What a user should know about it.
    """

    file: bytes
    coverage: bytes
    notes: tuple[str, ...] = ()


def make_mask(coverage: Image.Image, *, notes: tuple[str, ...] = ()) -> EditMask:
    """A mask of a coverage. CPU work, for a worker thread.

    Raises:
        InputRejected: If it leaves nothing to edit, or cannot be made smaller than 4 MB.
    """
    lowest, highest = _extremes(coverage)
    if highest < _HALF:
        message = "The mask has no pixel that may be edited."
        raise InputRejected(
            message,
            next_step="Make the area to change transparent (or white in a black-and-white mask), or pass "
            "regions.",
        )
    if lowest >= _HALF:
        notes = (*notes, "The mask covers the whole image, so everything may change.")
    return EditMask(_mask_file(coverage), encode(coverage, "PNG", compress_level=4), notes)


def read_mask(data: bytes, size: tuple[int, int], *, source: str) -> tuple[Image.Image, tuple[str, ...]]:
    """The coverage that a caller's mask file means for an image of this size, with notes.

    Raises:
        InputRejected: If it is no image, no mask, or of another ratio.
    """
    image = _opened(data, source)
    coverage, notes = _understood(image, source)
    if coverage.size == size:
        return coverage, notes
    width, height = coverage.size
    if abs(math.log((width / height) / (size[0] / size[1]))) > _RATIO_TOLERANCE:
        message = (
            f"The mask {source} is {width}x{height}, but image 1 is {size[0]}x{size[1]}, which is another "
            "ratio."
        )
        raise InputRejected(message, next_step="Make the mask as large as image 1, or pass regions instead.")
    return coverage.resize(size), (*notes, f"The mask was scaled from {width}x{height} to image 1's size.")


def place_on_canvas(
    image: Image.Image, canvas: tuple[int, int], coverage: Image.Image | None, *, may_enlarge: bool
) -> tuple[Image.Image, Image.Image]:
    """An image in the middle of a wider canvas, and the coverage of the new area around it.

    Args:
        image: Scaled down, if it has to be, to fit into the canvas.
        canvas: Width and height in pixels.
        coverage: What is to be edited inside the image too, if anything.
        may_enlarge: Whether an image much smaller than the canvas is scaled up to touch two edges.
    """
    from PIL import Image

    share = min(canvas[0] / image.width, canvas[1] / image.height)
    if share > 1 and not (may_enlarge and share > _MUCH_SMALLER):
        share = 1.0
    size = (max(1, round(image.width * share)), max(1, round(image.height * share)))
    place = ((canvas[0] - size[0]) // 2, (canvas[1] - size[1]) // 2)
    extended = Image.new("RGBA", canvas, (0, 0, 0, 0))
    extended.paste(image.convert("RGBA").resize(size), place)
    area = Image.new("L", canvas, _OPAQUE)
    area.paste(coverage.resize(size) if coverage else 0, (*place, place[0] + size[0], place[1] + size[1]))
    return extended, area


def _extremes(grey: Image.Image) -> tuple[int, int]:
    """The darkest and the lightest value of an image with one channel."""
    lowest, highest = cast("tuple[int, int]", grey.getextrema())
    return lowest, highest


def _opened(data: bytes, source: str) -> Image.Image:
    require_editable(data, source=f"The mask {source}")
    picture = read_picture(data)
    if picture is None or not is_complete(data, picture):
        message = f"The mask {source} is not a whole image."
        raise InputRejected(message, next_step="Pass a PNG whose transparent pixels are to be edited.")
    with damage_refused(f"The mask {source}"), room_for(data), open_picture(data) as image:
        # Its numbers are levels, not colours, so its profile does not matter.
        turned = upright(image)
        return (in_eight_bits(turned) if turned.mode.startswith("I;16") else turned).convert("RGBA")


def _understood(image: Image.Image, source: str) -> tuple[Image.Image, tuple[str, ...]]:
    """Coverage from alpha where there is any, else from brightness: white is to be edited."""
    from PIL import ImageChops

    alpha = image.getchannel("A")
    if _extremes(alpha)[0] < _HALF:
        return ImageChops.invert(alpha), ()
    if _colourfulness(image) > _COLOURFUL:
        message = f"The mask {source} is an opaque colour picture, so it does not say what to edit."
        raise InputRejected(
            message, next_step="Pass a PNG with transparent pixels, a black-and-white mask, or regions."
        )
    return image.convert("L"), (
        "The mask has no transparent pixels, so it was read as black and white: white is edited.",
    )


def _colourfulness(image: Image.Image) -> float:
    """The mean distance between the strongest and the weakest channel."""
    from PIL import ImageChops, ImageStat

    small = image.convert("RGB")
    small.thumbnail((64, 64))
    red, green, blue = small.split()
    strongest = ImageChops.lighter(ImageChops.lighter(red, green), blue)
    weakest = ImageChops.darker(ImageChops.darker(red, green), blue)
    return ImageStat.Stat(ImageChops.subtract(strongest, weakest)).mean[0]


def _mask_file(coverage: Image.Image) -> bytes:
    """The API's PNG: black, transparent where the coverage is at least half.

    Raises:
        InputRejected: If it cannot be made smaller than 4 MB.
    """
    from PIL import Image, ImageFilter

    kept, majority = coverage.point([_OPAQUE] * _HALF + [0] * _HALF), [0] * _HALF + [_OPAQUE] * _HALF
    black, data = Image.new("L", coverage.size, 0), b""
    for radius in (0, 2, 4):
        alpha = kept.filter(ImageFilter.BoxBlur(radius)).point(majority)
        data = encode(Image.merge("LA", (black, alpha)).convert("RGBA"), "PNG", compress_level=6)
        if len(data) < MAX_MASK_BYTES:
            return data
    message = f"The mask has {len(data) / 1e6:.1f} MB as PNG; the API takes less than 4."
    raise InputRejected(message, next_step="Use a simpler mask, a smaller image 1, or regions.")
