"""From what a caller calls a size to what a model accepts."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gpt_image_mcp.catalogue.models import CustomSizes, FixedSizes, load_catalogue
from gpt_image_mcp.errors import InvalidArgument, UnsupportedByModel, quoted
from gpt_image_mcp.values.pixels import Pixels

if TYPE_CHECKING:
    from gpt_image_mcp.catalogue.models import ImageModel

AUTO = "auto"
_PIXELS = re.compile(r"(\d{1,6})\s*[x\u00d7*]\s*(\d{1,6})")
_RATIO = re.compile(r"(\d{1,4}(?:\.\d{1,4})?)\s*[:/]\s*(\d{1,4}(?:\.\d{1,4})?)")
# A ratio that is none of the classic sizes aims at the pixels of 16:9 at 1536, between those sizes.
_RATIO_PIXELS = 1536 * 864
_EXAMPLES = "auto, 1024x1024, 16:9, square, landscape, portrait, landscape_2k or portrait_4k"
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
}


@dataclass(frozen=True, slots=True)
class ResolvedSize:
    """``auto`` or ``WIDTHxHEIGHT``, and a sentence where it is not what the caller wrote."""

    size: str
    note: str = ""


def parse_pixels(text: str) -> Pixels | None:
    """The size that ``1024x1024`` means; None if the text is not of that form."""
    matched = _PIXELS.fullmatch(text.strip().lower())
    return Pixels(int(matched[1]), int(matched[2])) if matched else None


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
    if matched := _RATIO.fullmatch(wanted):
        ratio = _ratio(float(matched[1]), float(matched[2]), text)
        return _noted(text, _for_ratio(_rule(model), ratio), exact_ratio=ratio)
    if wanted in _NAMED:
        return _named(model, wanted)
    message = f"size is {quoted(text)}, which is not a size."
    raise InvalidArgument(message, next_step=f"Use {_EXAMPLES}.")


def own_size(model: ImageModel | None, image: Pixels) -> Pixels:
    """The size to ask for when an image is to keep its own, or the nearest that the model makes."""
    rule = _rule(model)
    if isinstance(rule, FixedSizes):
        return nearest(rule, ratio=image.ratio, pixels=image.area)
    return image if not violation(rule, image) else _nearest_to(rule, image)


def makeable_size(model: ImageModel, size: str) -> str:
    """A size that another model makes, or the nearest that this one does; ``auto`` stays."""
    pixels = parse_pixels(size)
    return str(own_size(model, pixels)) if pixels else size


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
    rule, matched = _rule(model), _RATIO.fullmatch(text.strip().lower())
    if matched is None or isinstance(rule, FixedSizes):
        return resolved
    ratio = float(matched[1]) / float(matched[2])
    step = rule.multiple
    if image.ratio < ratio:
        height = _up(image.height, step)
        canvas = Pixels(_up(height * ratio, step), height)
    else:
        width = _up(image.width, step)
        canvas = Pixels(width, _up(width / ratio, step))
    return canvas if not violation(rule, canvas) else nearest(rule, ratio=ratio, pixels=canvas.area)


def nearest(rule: FixedSizes | CustomSizes, *, ratio: float, pixels: int) -> Pixels:
    """The valid size closest to a ratio (width over height) and a number of pixels."""
    if isinstance(rule, FixedSizes):
        return min(_allowed(rule), key=lambda size: abs(math.log(size.ratio / ratio)))
    limited = min(max(ratio, 1 / rule.max_ratio), float(rule.max_ratio))
    pixels = min(max(pixels, rule.min_pixels), rule.max_pixels)
    return min(_grid(rule, limited), key=lambda size: _distance(size, limited, pixels))


def _up(edge: float, step: int) -> int:
    """The edge rounded up to a multiple of the step."""
    # A trace above a multiple comes from floating point, and is that multiple.
    return math.ceil(edge / step - 1e-9) * step


def _for_ratio(rule: FixedSizes | CustomSizes, ratio: float) -> Pixels:
    """The classic size of this ratio, which price lists have, or else the nearest valid size."""
    for shape, (width, height) in _SHAPES.items():
        if math.isclose(width / height, ratio) and (classic := parse_pixels(_NAMED[shape])):
            return classic
    return nearest(rule, ratio=ratio, pixels=_RATIO_PIXELS)


def _nearest_to(rule: CustomSizes, size: Pixels) -> Pixels:
    """The valid size closest to a size that breaks a rule: each edge rounded, if that is enough."""
    step = rule.multiple
    rounded = Pixels(round(size.width / step) * step, round(size.height / step) * step)
    if not violation(rule, rounded):
        return rounded
    return nearest(rule, ratio=size.ratio if size.area else 1, pixels=size.area)


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


def _rule(model: ImageModel | None) -> FixedSizes | CustomSizes:
    """The size rule of a model; unknown models are taken for the newest kind."""
    if model is not None:
        return model.sizes
    return next(known.sizes for known in load_catalogue().models if isinstance(known.sizes, CustomSizes))


def _checked_pixels(model: ImageModel | None, size: Pixels, text: str) -> ResolvedSize:
    if model is None and size.area:
        return ResolvedSize(str(size))
    rule = _rule(model)
    if isinstance(rule, FixedSizes):
        return _checked_fixed(model, size, rule)
    broken = violation(rule, size)
    if broken:
        closest = _nearest_to(rule, size)
        message = f"size is {quoted(text.strip())}, but {broken}."
        raise InvalidArgument(message, next_step=f"The nearest valid size is {closest}; or use {_EXAMPLES}.")
    return ResolvedSize(str(size), _experimental_note(rule, size))


def _experimental_note(rule: CustomSizes, size: Pixels) -> str:
    if size.area <= rule.experimental_above_pixels:
        return ""
    return f"{size} is above 2560x1440, which OpenAI calls experimental."


def _checked_fixed(model: ImageModel | None, size: Pixels, rule: FixedSizes) -> ResolvedSize:
    if str(size) in rule.allowed:
        return ResolvedSize(str(size))
    name = model.name if model else "this model"
    closest = nearest(rule, ratio=size.ratio if size.area else 1, pixels=size.area)
    message = f"{name} does not make {size}; it makes {', '.join(rule.allowed)}."
    raise UnsupportedByModel(
        message, next_step=f"Use {closest}, the nearest, or leave model empty for free sizes."
    )


def _named(model: ImageModel | None, name: str) -> ResolvedSize:
    rule, pixels = _rule(model), parse_pixels(_NAMED[name])
    if pixels and isinstance(rule, CustomSizes):
        said = f"Size {name} is {pixels}. {_experimental_note(rule, pixels)}"
        return ResolvedSize(str(pixels), said.rstrip())
    if isinstance(rule, FixedSizes) and _NAMED[name] in rule.allowed:
        return ResolvedSize(_NAMED[name], f"Size {name} is {_NAMED[name]}.")
    width, height = _SHAPES[name.partition("_")[0]]
    return _noted(name, nearest(rule, ratio=width / height, pixels=0), exact_ratio=None)


def _noted(text: str, size: Pixels, *, exact_ratio: float | None) -> ResolvedSize:
    is_exact = exact_ratio is not None and math.isclose(size.ratio, exact_ratio, rel_tol=1e-9)
    nearly = "" if is_exact else ", the nearest the model makes"
    return ResolvedSize(str(size), f"Size {text.strip()} became {size}{nearly}.")


def _ratio(width: float, height: float, text: str) -> float:
    if not width or not height:
        message = f"size is {quoted(text.strip())}; a ratio has two numbers above zero."
        raise InvalidArgument(message, next_step=f"Use {_EXAMPLES}.")
    return width / height


def _allowed(rule: FixedSizes) -> list[Pixels]:
    return [size for text in rule.allowed if (size := parse_pixels(text))]


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


def _distance(size: Pixels, ratio: float, pixels: int) -> tuple[float, float]:
    """How far a size is from the wanted one: the ratio counts more than the number of pixels."""
    off_ratio = abs(math.log(size.ratio / ratio))
    off_pixels = abs(math.log(size.area / pixels))
    return (50 * off_ratio + off_pixels, off_pixels)
