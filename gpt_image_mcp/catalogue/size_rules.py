"""Which sizes a model makes, and which of them comes nearest to one that somebody wants."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from gpt_image_mcp.catalogue.models import CustomSizes, FixedSizes, load_catalogue
from gpt_image_mcp.values.pixels import Pixels

if TYPE_CHECKING:
    from gpt_image_mcp.catalogue.models import ImageModel

_PIXELS = re.compile(r"(\d{1,6})\s*[x\u00d7*]\s*(\d{1,6})")
# An edit that keeps the shape of image 1 is made no larger than this, whatever came out of a camera.
_MOST_KEPT_PIXELS = 2_400_000
# Another shape by this much is not seen.
UNSEEN_SHARE = 0.01


def parse_pixels(text: str) -> Pixels | None:
    """The size that ``1024x1024`` means; None if the text is not of that form."""
    matched = _PIXELS.fullmatch(text.strip().lower())
    return Pixels(int(matched[1]), int(matched[2])) if matched else None


def rule_of(model: ImageModel | None) -> FixedSizes | CustomSizes:
    """The size rule of a model; unknown models are taken for the newest kind."""
    if model is not None:
        return model.sizes
    return next(known.sizes for known in load_catalogue().models if isinstance(known.sizes, CustomSizes))


def violation(rule: CustomSizes, size: Pixels) -> str:
    """The first rule that a size breaks, in words; empty if it is valid."""
    if size.width % rule.multiple or size.height % rule.multiple or not size.area:
        return f"both edges must be multiples of {rule.multiple}"
    if max(size) > rule.max_edge:
        return f"no edge may exceed {rule.max_edge} pixels"
    if max(size) > rule.max_ratio * min(size):
        return f"the ratio may not exceed {rule.max_ratio}:1"
    if not rule.min_pixels <= size.area <= rule.max_pixels:
        return f"it must have {rule.min_pixels:,} to {rule.max_pixels:,} pixels, not {size.area:,}"
    return ""


def makes(model: ImageModel | None, text: str) -> bool:
    """Whether a model makes a size in pixels."""
    size, rule = parse_pixels(text), rule_of(model)
    if size is None or isinstance(rule, FixedSizes):
        return isinstance(rule, FixedSizes) and text in rule.allowed
    return not violation(rule, size)


def nearest(rule: FixedSizes | CustomSizes, *, ratio: float, pixels: int) -> Pixels:
    """The valid size closest to a ratio (width over height) and a number of pixels."""
    if isinstance(rule, FixedSizes):
        return min(_allowed(rule), key=lambda size: abs(math.log(size.ratio / ratio)))
    limited = _limited(rule, ratio)
    pixels = min(max(pixels, rule.min_pixels), rule.max_pixels)
    return min(_grid(rule, limited), key=lambda size: _distance(size, limited, pixels, weight=50))


def own_size(model: ImageModel | None, image: Pixels) -> Pixels:
    """The size to ask for when an image is to keep its own, or the nearest that the model makes."""
    rule = rule_of(model)
    if isinstance(rule, FixedSizes):
        return nearest(rule, ratio=image.ratio, pixels=image.area)
    if not violation(rule, image):
        return image
    step = rule.multiple
    rounded = Pixels(round(image.width / step) * step, round(image.height / step) * step)
    return rounded if not violation(rule, rounded) else nearest(rule, ratio=image.ratio, pixels=image.area)


def shape_size(model: ImageModel | None, image: Pixels) -> Pixels:
    """The size to ask for when an image is to keep its shape: near its own, and no larger than is useful.

    The ratio is within a percent where the model has such a size, which custom ones have up to 3:1.
    """
    rule = rule_of(model)
    if isinstance(rule, FixedSizes):
        return nearest(rule, ratio=image.ratio, pixels=image.area)
    if image.area <= _MOST_KEPT_PIXELS and not violation(rule, image):
        return image
    ratio = _limited(rule, image.ratio)
    pixels = min(max(image.area, rule.min_pixels), _MOST_KEPT_PIXELS)
    small = [size for size in _grid(rule, ratio) if size.area <= _MOST_KEPT_PIXELS]
    alike = [size for size in small if abs(size.ratio / ratio - 1) <= UNSEEN_SHARE]
    return min(alike or small, key=lambda size: _distance(size, ratio, pixels, weight=10))


def larger_sizes(model: ImageModel | None, wanted: Pixels) -> list[Pixels]:
    """Sizes that the model makes and that hold another, best first; of custom ones those of about its shape.

    Best is the smallest of those from which nearly nothing is cut; without any, what loses least.
    """
    found = [size for size in _around(rule_of(model), wanted) if size.holds(wanted)]
    return sorted(found, key=lambda size: (max(size.share_cut(wanted), UNSEEN_SHARE), size.area))


def makeable_size(model: ImageModel, size: str, *, exact_size: Pixels | None) -> str:
    """A size that another model makes, or the nearest that this one does; ``auto`` stays.

    Where an exact size is to be cut from it, the best for that; empty if the model makes none.
    """
    if exact_size:
        return next(map(str, larger_sizes(model, exact_size)), "")
    pixels = parse_pixels(size)
    return str(own_size(model, pixels)) if pixels else size


def largest_of_shape(model: ImageModel | None, wanted: Pixels) -> Pixels:
    """The largest size of the shape of another that can be cut from one that the model makes."""
    made = _around(rule_of(model), wanted)
    scale = max(min(size.width / wanted.width, size.height / wanted.height) for size in made)
    # A trace below a whole pixel comes from floating point.
    return Pixels(math.floor(wanted.width * scale + 1e-6), math.floor(wanted.height * scale + 1e-6))


def rounded_up(edge: float, step: int) -> int:
    """The edge rounded up to a multiple of the step."""
    # A trace above a multiple comes from floating point, and is that multiple.
    return math.ceil(edge / step - 1e-9) * step


def _limited(rule: CustomSizes, ratio: float) -> float:
    return min(max(ratio, 1 / rule.max_ratio), float(rule.max_ratio))


def _allowed(rule: FixedSizes) -> list[Pixels]:
    return [size for text in rule.allowed if (size := parse_pixels(text))]


def _around(rule: FixedSizes | CustomSizes, wanted: Pixels) -> list[Pixels]:
    """All sizes of a fixed rule; of a custom one those of about a shape, with the edges rounded up."""
    if isinstance(rule, FixedSizes):
        return _allowed(rule)
    tight = Pixels(rounded_up(wanted.width, rule.multiple), rounded_up(wanted.height, rule.multiple))
    return _grid(rule, wanted.ratio) + [tight] * (not violation(rule, tight))


def _grid(rule: CustomSizes, ratio: float) -> list[Pixels]:
    """Valid sizes near a ratio: for each width, the heights around the exact one."""
    found: list[Pixels] = []
    for width in range(rule.multiple, rule.max_edge + 1, rule.multiple):
        exact = width / ratio / rule.multiple
        for height in {math.floor(exact), math.ceil(exact)}:
            size = Pixels(width, height * rule.multiple)
            if not violation(rule, size):
                found.append(size)
    return found


def _distance(size: Pixels, ratio: float, pixels: int, *, weight: int) -> tuple[float, float]:
    """How far a size is from the wanted one; a percent of ratio counts like ``weight`` percents of pixels."""
    off_ratio = abs(math.log(size.ratio / ratio))
    off_pixels = abs(math.log(size.area / pixels))
    return (weight * off_ratio + off_pixels, off_pixels)
