"""Whether the transparency of a picture is really there: its shares, a painted checkerboard, a coloured halo.

Alpha may peak at 254 in what models make, so nearly opaque counts as opaque, and nearly clear as clear.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gpt_image_mcp.imaging.decoding import decode
from gpt_image_mcp.imaging.formats import room_for
from gpt_image_mcp.pillow_errors import unify_pillow_errors

if TYPE_CHECKING:
    from PIL import Image

MOST_CLEAR, LEAST_OPAQUE = 5, 250
_KINDS = bytes(b"cso"[(alpha > MOST_CLEAR) + (alpha >= LEAST_OPAQUE)] for alpha in range(256))
# A checkerboard is looked for on a copy of this size, in a frame of a sixth of its short edge, with squares
# of these sizes. Those of more than a tenth are a chessboard.
_COPY_EDGE, _FRAME_PART, _SQUARE_PART = 512, 6, 10
_SQUARES = (*range(3, 16), *range(16, 32, 2), *range(32, 86, 4))
_MOST_COLOUR, _LEAST_LIGHT, _LEAST_DEVIATION = 16, 128, 4
_PLAIN_SHARE, _CHECKERED_SHARE, _NEARLY = 0.3, 0.5, 0.8
# Edges are looked at along this many rows and columns. A fringe is narrow; shadow and glow are not.
_LINES, _MOST_SAMPLES, _LEAST_FRINGE, _FRINGE_PART = 256, 1000, 2, 256
_FAR, _FEWEST_FRINGED, _FRINGED_SHARE = 24, 20, 1 / 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Transparency:
    """What is transparent in a picture.

    Attributes:
        clear: The share of its pixels that are clear, from 0 to 1; so are ``soft`` and ``opaque``.
        is_checkered: Whether a checkerboard is painted where it should be transparent.
        halo: The colour of a fringe along its edges, as ``#rrggbb``; empty without one.
    """

    clear: float
    soft: float
    opaque: float
    is_checkered: bool
    halo: str


def inspect_transparency(data: bytes) -> Transparency:
    """What is transparent in a picture file, and what only looks so. CPU work.

    Raises:
        DamagedImage: If it cannot be decoded, also for lack of memory.
    """
    with unify_pillow_errors(), room_for(data):
        image = decode(data).image.convert("RGBA")
        counts, total = image.getchannel("A").histogram(), image.width * image.height
        clear, opaque = sum(counts[: MOST_CLEAR + 1]), sum(counts[LEAST_OPAQUE:])
        return Transparency(
            clear=clear / total,
            soft=(total - clear - opaque) / total,
            opaque=opaque / total,
            is_checkered=_is_checkered(image),
            halo=_halo(image) if clear and opaque else "",
        )


def _is_checkered(image: Image.Image) -> bool:
    """Whether a good part of the frame is light grey, in squares of two greys in turn, across and down."""
    from PIL import Image, ImageChops, ImageStat

    step = math.ceil(max(image.size) / _COPY_EDGE)
    width, height = (max(1, edge // step) for edge in image.size)
    depth = min(width, height) // _FRAME_PART
    # Padded with clear pixels, so that no row is shifted into the next.
    row = 8 * math.ceil((width + depth) / 8)
    small = image.resize((width, height), Image.Resampling.NEAREST).crop((0, 0, row, height))
    _, colour, grey = small.convert("RGB").convert("HSV").split()
    plain = ImageChops.darker(
        ImageChops.darker(
            ImageChops.invert(colour).point(_from(255 - _MOST_COLOUR)), grey.point(_from(_LEAST_LIGHT))
        ),
        small.getchannel("A").point(_from(LEAST_OPAQUE)),
    )
    plain.paste(0, (depth, depth, width - depth, height - depth))
    framed = width * height - (width - 2 * depth) * (height - 2 * depth)
    levels = ImageStat.Stat(grey, plain)
    if levels.count[0] <= framed * _PLAIN_SHARE or levels.stddev[0] < _LEAST_DEVIATION:
        return False
    upper = grey.point(_from(math.ceil(levels.mean[0])))
    bits = [int.from_bytes(mask.convert("1").tobytes(), "big") for mask in (upper, plain)]
    shares = {size: _share_in_squares(*bits, size=size, row=row) for size in _SQUARES if size < depth}
    most = max(shares.values(), default=0)
    fitting = [size for size, share in shares.items() if share >= most * _NEARLY]
    return most >= _CHECKERED_SHARE and fitting[0] <= min(width, height) // _SQUARE_PART


def _from(level: int) -> list[int]:
    """A table that keeps what has a level at least."""
    return [0] * level + [255] * (256 - level)


def _share_in_squares(upper: int, plain: int, *, size: int, row: int) -> float:
    """How much of what is plain is the other grey a square further across or down, but not with both.

    The masks are numbers with a bit for each pixel.
    """

    def turned(by: int) -> int:
        return upper ^ upper >> by

    def mixed(by: int) -> int:
        # Stripes along a diagonal turn as well, but what they do across depends on how far down it is.
        return turned(by) ^ turned(by) >> by * row

    known = plain & plain >> size
    known &= known >> size * row
    wrong = mixed(size) | mixed(size // 2) | mixed(size - size // 2)
    return (turned(size) & turned(size * row) & known & ~wrong).bit_count() / max(1, known.bit_count())


def _halo(image: Image.Image) -> str:
    """The colour of narrow soft edges that differ from the opaque pixels beside them; empty without."""
    from PIL.Image import Resampling, Transpose

    widest = max(_LEAST_FRINGE, max(image.size) // _FRINGE_PART)
    rows = image.resize((image.width, min(image.height, _LINES)), Resampling.NEAREST)
    columns = image.resize((min(image.width, _LINES), image.height), Resampling.NEAREST)
    fringed, edges = list[bytes](), 0.0
    for lines in (rows, columns.transpose(Transpose.TRANSPOSE)):
        pixels, kinds = lines.tobytes(), lines.getchannel("A").tobytes().translate(_KINDS)
        found = [*re.finditer(b"cs{1,%d}o" % widest, kinds), *re.finditer(b"os{1,%d}c" % widest, kinds)]
        step = max(1, len(found) // _MOST_SAMPLES)
        edges += len(found[::step]) + (kinds.count(b"co") + kinds.count(b"oc")) / step
        fringed += [soft for match in found[::step] if (soft := _fringe(match, pixels))]
    if len(fringed) < max(_FEWEST_FRINGED, edges * _FRINGED_SHARE):
        return ""
    return "#" + "".join(f"{sum(pixel[band] for pixel in fringed) // len(fringed):02x}" for band in range(3))


def _fringe(edge: re.Match[bytes], pixels: bytes) -> bytes:
    """The soft pixel in the middle of an edge, if it visibly differs from the opaque one; else nothing.

    It has to differ more than pixels further inside do, because fur is no fringe.
    """
    first, last = edge.start(), edge.end() - 1
    solid, inward = (last, 1) if edge[0].startswith(b"c") else (first, -1)
    middle, deep = (first + last) // 2, solid + 2 * inward
    places = middle, solid, deep, deep + solid - middle
    soft, beside, inside, further = (pixels[4 * at : 4 * at + 4] for at in places)
    difference, texture = _difference(soft, beside), _difference(inside, further)
    return soft if difference * soft[3] >= _FAR * 255 and difference > 2 * texture else b""


def _difference(one: bytes, other: bytes) -> int:
    """Of two colours, in the channel in which they differ most."""
    return max((abs(value - another) for value, another in zip(one[:3], other[:3], strict=False)), default=0)
