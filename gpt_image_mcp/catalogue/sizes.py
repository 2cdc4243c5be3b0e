"""From what a caller calls a size to what a model accepts."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gpt_image_mcp.catalogue.exact_sizes import is_exact_size
from gpt_image_mcp.catalogue.models import CustomSizes, FixedSizes
from gpt_image_mcp.catalogue.size_rules import (
    UNSEEN_SHARE,
    larger_sizes,
    nearest,
    own_size,
    parse_pixels,
    rounded_up,
    rule_of,
    violation,
)
from gpt_image_mcp.errors import InvalidArgument, UnsupportedByModel, quoted
from gpt_image_mcp.values.pixels import Pixels

if TYPE_CHECKING:
    from gpt_image_mcp.catalogue.models import ImageModel

AUTO = "auto"
_EXACT = 1e-9  # what floating point leaves of an exact ratio
_RATIO = re.compile(r"(\d{1,4}(?:\.\d{1,4})?)\s*[:/]\s*(\d{1,4}(?:\.\d{1,4})?)")
# A ratio that is none of the classic sizes aims at the pixels of 16:9 at 1536, between those sizes.
_RATIO_PIXELS = 1536 * 864
_EXAMPLES = "auto, 16:9, square, landscape, portrait, wide, tall, 2k, 4k or landscape_2k"
_SHAPES = {"square": (1, 1), "landscape": (3, 2), "portrait": (2, 3)}
_NAMED = {
    "square": "1024x1024",
    "landscape": "1536x1024",
    "portrait": "1024x1536",
    "square_2k": "2048x2048",
    "landscape_2k": "2048x1152",
    "portrait_2k": "1152x2048",
    "square_4k": "2880x2880",
    "landscape_4k": "3840x2160",
    "portrait_4k": "2160x3840",
    "2k": "2048x2048",
    "4k": "3840x2160",
}
# The shapes of screens, for which a size of the usual cost is chosen.
_RATIO_NAMES = {"wide": "16:9", "tall": "9:16"}


@dataclass(frozen=True, slots=True)
class ResolvedSize:
    """``auto`` or ``WIDTHxHEIGHT``, and a sentence where it is not what the caller wrote."""

    size: str
    note: str = ""


def resolve_size(model: ImageModel | None, text: str) -> ResolvedSize:
    """The size to send for what a caller wrote.

    A model that the catalogue does not know gets names and ratios as models with free sizes do, and any
    ``WIDTHxHEIGHT`` as it is.

    Raises:
        InvalidArgument: If no model makes this size; the message names the rule and the nearest valid one.
        UnsupportedByModel: If this model does not.
    """
    wanted = text.strip().lower().replace("-", "_") or AUTO
    if wanted == AUTO:
        return ResolvedSize(AUTO)
    if pixels := parse_pixels(wanted):
        return _checked_pixels(model, pixels, text)
    if matched := _match_ratio(wanted):
        ratio = _ratio(float(matched[1]), float(matched[2]), text)
        return _noted(text, _for_ratio(rule_of(model), ratio), exact_ratio=ratio)
    if wanted in _NAMED:
        return _named(model, wanted)
    message = f"size is {quoted(text)}, which is not a size."
    raise InvalidArgument(message, next_step=f"Use {_EXAMPLES}.")


def canvas_size(model: ImageModel | None, text: str, image: Pixels) -> Pixels:
    """The canvas onto which an image is extended: for a ratio, the smallest that holds the image unscaled.

    Raises:
        InvalidArgument: If the size is auto, or none.
        UnsupportedByModel: If this model does not make it.
    """
    resolved = parse_pixels(resolve_size(model, text).size)
    if resolved is None:
        message = "outpaint needs to know how far the image is to be extended, but size is auto."
        raise InvalidArgument(message, next_step="Pass a size such as 16:9, landscape or 1536x1024.")
    rule, matched = rule_of(model), _match_ratio(text.strip().lower())
    if matched is None or isinstance(rule, FixedSizes):
        return resolved
    ratio = float(matched[1]) / float(matched[2])
    step = rule.multiple
    if image.ratio < ratio:
        height = rounded_up(image.height, step)
        canvas = Pixels(rounded_up(height * ratio, step), height)
    else:
        width = rounded_up(image.width, step)
        canvas = Pixels(width, rounded_up(width / ratio, step))
    return canvas if not violation(rule, canvas) else nearest(rule, ratio=ratio, pixels=canvas.area)


def _match_ratio(text: str) -> re.Match[str] | None:
    """A ratio in numbers, or one that has a name."""
    return _RATIO.fullmatch(_RATIO_NAMES.get(text, text))


def _for_ratio(rule: FixedSizes | CustomSizes, ratio: float) -> Pixels:
    """The classic size of this ratio, which price lists have, or else the nearest valid size."""
    for shape, (width, height) in _SHAPES.items():
        classic = parse_pixels(_NAMED[shape])
        if math.isclose(width / height, ratio) and classic and not _breaks(rule, classic):
            return classic
    return nearest(rule, ratio=ratio, pixels=_RATIO_PIXELS)


def _breaks(rule: FixedSizes | CustomSizes, size: Pixels) -> bool:
    return isinstance(rule, CustomSizes) and bool(violation(rule, size))


def _checked_pixels(model: ImageModel | None, size: Pixels, text: str) -> ResolvedSize:
    if model is None and size.area:
        return ResolvedSize(str(size))
    rule = rule_of(model)
    if isinstance(rule, FixedSizes):
        return _checked_fixed(model, size, rule)
    broken = violation(rule, size)
    if broken:
        message = f"size is {quoted(text.strip())}, but {broken}."
        raise InvalidArgument(message, next_step=f"{_instead_of(size, model)} Or use {_EXAMPLES}.")
    return ResolvedSize(str(size), experimental_note(rule, size))


def _instead_of(size: Pixels, model: ImageModel | None) -> str:
    """What to pass for a size that the model does not make: valid ones that are not smaller, if there are."""
    larger = larger_sizes(model, size) if size.area else []
    if not larger:
        return f"The nearest valid size is {own_size(model, size if size.area else Pixels(1, 1))}."
    alike = next((made for made in larger if not made.share_cut(size)), larger[0])
    same = "" if alike == larger[0] else f", in exactly this shape {alike}"
    exact = f" exact_size {size} (without mask, regions and outpaint) is cut to the pixel for you."
    hint = exact if is_exact_size(size) else ""
    return f"The nearest valid size that is not smaller is {larger[0]}{same}.{hint}"


def experimental_note(rule: FixedSizes | CustomSizes, size: Pixels) -> str:
    """A remark on a size that OpenAI calls experimental; else empty."""
    if isinstance(rule, FixedSizes) or size.area <= rule.experimental_above_pixels:
        return ""
    return f"{size} has more pixels than 2560x1440: OpenAI calls such sizes experimental."


def _checked_fixed(model: ImageModel | None, size: Pixels, rule: FixedSizes) -> ResolvedSize:
    if str(size) in rule.allowed:
        return ResolvedSize(str(size))
    name = model.name if model else "this model"
    message = f"{name} does not make {size}; it makes {', '.join(rule.allowed)}."
    instead = f"{_instead_of(size, model)} Or leave model empty for free sizes."
    raise UnsupportedByModel(message, next_step=instead)


def _named(model: ImageModel | None, name: str) -> ResolvedSize:
    rule, pixels = rule_of(model), parse_pixels(_NAMED[name])
    if pixels and isinstance(rule, CustomSizes) and not violation(rule, pixels):
        said = f"Size {name} is {pixels}. {experimental_note(rule, pixels)}"
        return ResolvedSize(str(pixels), said.rstrip())
    if isinstance(rule, FixedSizes) and _NAMED[name] in rule.allowed:
        return ResolvedSize(_NAMED[name], f"Size {name} is {_NAMED[name]}.")
    pixels = pixels or Pixels(1, 1)
    return _noted(name, nearest(rule, ratio=pixels.ratio, pixels=pixels.area), exact_ratio=None)


def _noted(text: str, size: Pixels, *, exact_ratio: float | None) -> ResolvedSize:
    off = abs(size.ratio / exact_ratio - 1) if exact_ratio else 1
    nearly = ", nearly that ratio" if off <= UNSEEN_SHARE else ", the nearest the model makes"
    return ResolvedSize(str(size), f"Size {text.strip()} became {size}{nearly if off > _EXACT else ''}.")


def _ratio(width: float, height: float, text: str) -> float:
    if not width or not height:
        message = f"size is {quoted(text.strip())}; a ratio has two numbers above zero."
        raise InvalidArgument(message, next_step=f"Use {_EXAMPLES}.")
    return width / height
