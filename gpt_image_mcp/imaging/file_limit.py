"""Files within a limit of bytes: at the best quality that fits, then with fewer pixels. CPU work."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from gpt_image_mcp.steps import step
from gpt_image_mcp.values.pixels import Pixels

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL import Image

    Encoder: TypeAlias = Callable[[Image.Image, int], bytes]

# Below these a picture is spoiled; one that may become smaller is better off with fewer pixels long before.
_WORST, _WORST_OF_SMALLER = 10, 40
# A file that fills so much of the limit could hardly be better.
_NEARLY_FULL = 0.95
_SMALLEST_EDGE = 16
# Twice what a model makes. Up to ten files are made of a picture, in seconds each.
MOST_PIXELS = 16_000_000


@dataclass(frozen=True, slots=True)
class Fitted:
    """A file, or the smallest that was reached if none fits; ``quality`` is 0 where there is none."""

    data: bytes
    quality: int
    size: Pixels


def fit_bytes(
    image: Image.Image,
    encode: Encoder,
    *,
    max_bytes: int,
    best_quality: int,
    may_shrink: bool,
    most_pixels: int = MOST_PIXELS,
) -> Fitted:
    """The file of an image within a limit.

    Args:
        image: The pixels.
        encode: Makes the file of an image at a quality.
        max_bytes: The limit.
        best_quality: The highest that is tried; 0 for a format that has none.
        may_shrink: Whether the picture may lose pixels where no quality is low enough.
        most_pixels: With how many it begins if it may lose some.
    """
    worst = min(best_quality, _WORST_OF_SMALLER if may_shrink else _WORST)
    small = image
    if may_shrink and (area := image.width * image.height) > most_pixels:
        small = _scaled(image, int(max(image.size) * math.sqrt(most_pixels / area)))
    while True:
        fitted = _at_best(small, encode, max_bytes=max_bytes, best=best_quality, worst=worst)
        edge = max(small.size)
        if len(fitted.data) <= max_bytes or not may_shrink or edge <= _SMALLEST_EDGE:
            return fitted
        shrink = max(0.25, _NEARLY_FULL * math.sqrt(max_bytes / len(fitted.data)))
        small = _scaled(image, max(_SMALLEST_EDGE, int(edge * shrink)))


def _at_best(image: Image.Image, encode: Encoder, *, max_bytes: int, best: int, worst: int) -> Fitted:
    """The file at the best quality that fits, found by bisection; at the worst one if none does."""
    size = Pixels(*image.size)
    step()
    fitted = Fitted(encode(image, best), best, size)
    if len(fitted.data) <= max_bytes or best == worst:
        return fitted
    step()
    fitted, too_good = Fitted(encode(image, worst), worst, size), best
    while len(fitted.data) <= max_bytes * _NEARLY_FULL and too_good - fitted.quality > 1:
        middle = (fitted.quality + too_good) // 2
        step()
        data = encode(image, middle)
        if len(data) <= max_bytes:
            fitted = Fitted(data, middle, size)
        else:
            too_good = middle
    return fitted


def _scaled(image: Image.Image, edge: int) -> Image.Image:
    from PIL import Image

    longest = max(image.size)
    width, height = (max(1, round(side * edge / longest)) for side in image.size)
    return image.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0)
