"""What the images endpoints refuse, in the API's words.

Written independently of the catalogue's ``validation`` and ``sizes``, which do the same work on the client's
side: each checks the other. Only the facts about models are shared.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gpt_image_mcp.catalogue.models import CustomSizes, load_catalogue
from gpt_image_mcp.openai_api.sandbox.failures import Refusal

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable

    from gpt_image_mcp.catalogue.models import ImageModel
    from gpt_image_mcp.values.json import JsonObject

    _Rule = Callable[[str, object, ImageModel], None]

_MAX_PROMPT = 32_000
_LONGEST_SIZE = 11
# Up to so many frames, columns and rows of the sheet that they are made on.
_SHEETS = ((8, 4, 2), (9, 3, 3), (12, 4, 3), (16, 4, 4))
_SHEET_EDGE, _SHEET_PIXELS = 3840, 8_294_400


class RequestRefused(Exception):
    """The API would answer this request with an error."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


def find_model(body: JsonObject, today: dt.date) -> ImageModel:
    """The model of a request.

    Raises:
        RequestRefused: If there is none of this name, or it was shut down.
    """
    name = body.get("model")
    if not isinstance(name, str):
        message = "Missing required parameter: 'model'."
        raise refused(message, "model", "missing_required_parameter")
    model = next((model for model in load_catalogue().models if model.name == name), None)
    if model is None or model.is_shut_down(today):
        message = f"The model `{name}` does not exist or you do not have access to it."
        raise RequestRefused(Refusal(status=404, message=message, code="model_not_found"))
    return model


def validate_generation(body: JsonObject, today: dt.date) -> ImageModel:
    """Checks the body of ``POST /v1/images/generations`` as the API does; gives the model.

    Raises:
        RequestRefused: With the API's error.
    """
    return _validate(body, _GENERATION, today)


def validate_edit_fields(body: JsonObject, today: dt.date) -> ImageModel:
    """Checks the fields of an edit besides its files as the API does; gives the model.

    Raises:
        RequestRefused: With the API's error.
    """
    return _validate(body, _EDIT, today)


def refused(message: str, param: str, code: str | None = "invalid_value") -> RequestRefused:
    """A 400 with the API's error object."""
    return RequestRefused(Refusal(status=400, message=message, code=code, param=param))


def _validate(body: JsonObject, accepted: frozenset[str], today: dt.date) -> ImageModel:
    model = find_model(body, today)
    for name in body:
        if name not in accepted:
            message = f"Unknown parameter: '{name}'."
            raise refused(message, name, "unknown_parameter")
    if body.get("prompt") is None:
        message = "Missing required parameter: 'prompt'."
        raise refused(message, "prompt", "missing_required_parameter")
    for name, value in body.items():
        if value is not None:
            _RULES[name](name, value, _of_frames(model, body))
    _check_combinations(body)
    return model


def _of_frames(model: ImageModel, body: JsonObject) -> ImageModel:
    """The model; of an animation without a lower limit of pixels, which only the sheet of all frames has."""
    if body.get("output_format") != "gif" or not isinstance(model.sizes, CustomSizes):
        return model
    return model.model_copy(update={"sizes": model.sizes.model_copy(update={"min_pixels": 1})})


def _prompt(name: str, value: object, _model: ImageModel) -> None:
    if not isinstance(value, str) or not value:
        message = f"Invalid '{name}': string too short. Expected a string with minimum length 1."
        raise refused(message, name, "string_below_min_length")
    if len(value) > _MAX_PROMPT:
        message = (
            f"Invalid '{name}': string too long. Expected a string with maximum length {_MAX_PROMPT}, but "
            f"got a string with length {len(value)} instead."
        )
        raise refused(message, name, "string_above_max_length")
    if "\0" in value:
        message = "Invalid prompt: the string holds a null character."
        raise refused(message, name)


def _size(name: str, value: object, model: ImageModel) -> None:
    if value == "auto":
        return
    matched = re.fullmatch(r"([1-9]\d*)x([1-9]\d*)", value) if isinstance(value, str) else None
    if matched is None or len(matched[0]) > _LONGEST_SIZE:
        message = f"Invalid size '{value}'. Expected 'auto' or WIDTHxHEIGHT."
        raise refused(message, name)
    width, height = int(matched[1]), int(matched[2])
    if isinstance(model.sizes, CustomSizes):
        _custom_size(width, height, model.sizes)
    elif value not in model.sizes.allowed:
        supported = ", ".join(f"'{size}'" for size in (*model.sizes.allowed, "auto"))
        message = f"Invalid value: '{value}'. Supported values are: {supported}."
        raise refused(message, name)


def _custom_size(width: int, height: int, rule: CustomSizes) -> None:
    what = f"Invalid size '{width}x{height}'."
    if width % rule.multiple or height % rule.multiple:
        message = f"{what} Width and height must both be divisible by {rule.multiple}."
    elif width > rule.max_edge or height > rule.max_edge:
        message = f"{what} The longest edge must not exceed {rule.max_edge}."
    elif width > rule.max_ratio * height or height > rule.max_ratio * width:
        message = f"{what} The aspect ratio must be between 1:{rule.max_ratio} and {rule.max_ratio}:1."
    elif width * height < rule.min_pixels:
        message = f"{what} Requested resolution is below the current minimum pixel budget."
    elif width * height > rule.max_pixels:
        message = f"{what} Requested resolution exceeds the current pixel budget."
    else:
        return
    raise refused(message, "size")


def _quality(name: str, value: object, model: ImageModel) -> None:
    _member(name, value, ("auto", *model.qualities))


def _format(name: str, value: object, model: ImageModel) -> None:
    _member(name, value, (*model.formats, *model.extra_formats))


def _background(name: str, value: object, model: ImageModel) -> None:
    _member(name, value, ("auto", "opaque", "transparent"))
    if value == "transparent" and model.transparency == "no":
        message = "Transparent background is not supported for this model."
        raise refused(message, name)


def _moderation(name: str, value: object, _model: ImageModel) -> None:
    _member(name, value, ("auto", "low"))


def _fidelity(name: str, value: object, model: ImageModel) -> None:
    if not model.input_fidelity:
        message = f"The model '{model.name}' does not support the 'input_fidelity' parameter."
        raise refused(message, name, "invalid_input_fidelity_model")
    _member(name, value, model.input_fidelity)


def _count(name: str, value: object, model: ImageModel) -> None:
    _between(name, value, low=1, high=model.max_n)


def _within(low: int, high: int) -> _Rule:
    """The rule of a number whose range is the same for every model."""
    return lambda name, value, _model: _between(name, value, low=low, high=high)


def _boolean(name: str, value: object, _model: ImageModel) -> None:
    if not isinstance(value, bool):
        message = f"Invalid type for '{name}': expected a boolean."
        raise refused(message, name, "invalid_type")


def _text(name: str, value: object, _model: ImageModel) -> None:
    if not isinstance(value, str):
        message = f"Invalid type for '{name}': expected a string."
        raise refused(message, name, "invalid_type")


def _accepted(_name: str, _value: object, _model: ImageModel) -> None:
    """Checked before."""


def _member(name: str, value: object, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        supported = ", ".join(f"'{choice}'" for choice in allowed)
        message = f"Invalid value: '{value}'. Supported values are: {supported}."
        raise refused(message, name)


def _between(name: str, value: object, *, low: int, high: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        message = f"Invalid type for '{name}': expected an integer."
        raise refused(message, name, "invalid_type")
    if not low <= value <= high:
        message = (
            f"Invalid '{name}': integer out of range. Expected a value from {low} to {high}, got {value}."
        )
        raise refused(message, name, "integer_out_of_range")


def _complexity(name: str, value: object, model: ImageModel) -> None:
    if not model.complexity:
        message = f"The model '{model.name}' does not support the 'complexity' parameter."
        raise refused(message, name, "unsupported_parameter")
    _member(name, value, ("low", "medium", "high"))


def _check_animation(body: JsonObject) -> None:
    """What a GIF excludes, and the sheet that its frames have to fit on."""
    if body.get("output_format") != "gif":
        for name in ("frame_count", "frame_duration_ms"):
            if body.get(name) is not None:
                message = f"The '{name}' parameter is only supported for GIF output format."
                raise refused(message, name)
        return
    _exclude(body, "GIF", ("stream", "partial_images"))
    if body.get("size") in (None, "auto"):
        return
    frames = body.get("frame_count") or 9
    columns, rows = next(grid for most, *grid in _SHEETS if frames <= most)
    width, height = (int(edge) for edge in str(body["size"]).split("x"))
    if max(columns * width, rows * height) > _SHEET_EDGE or columns * width * rows * height > _SHEET_PIXELS:
        message = f"Invalid size '{body['size']}': {frames} frames would need a sheet of "
        message += f"{columns * width}x{rows * height}, which exceeds the current pixel budget."
        raise refused(message, "size")


def _check_vector(body: JsonObject) -> None:
    if body.get("output_format") == "svg":
        _exclude(body, "SVG", ("stream", "partial_images", "output_compression"))
        if body.get("n") not in (None, 1):
            message = "Only one image can be made with SVG output format."
            raise refused(message, "n")


def _exclude(body: JsonObject, kind: str, names: tuple[str, ...]) -> None:
    for name in names:
        if body.get(name):
            message = f"The '{name}' parameter is not supported for {kind} output format."
            raise refused(message, name)


def _check_combinations(body: JsonObject) -> None:
    output_format = body.get("output_format") or "png"
    _check_animation(body)
    _check_vector(body)
    if body.get("background") == "transparent" and output_format == "jpeg":
        message = "Transparent background is not supported for JPEG output format."
        raise refused(message, "background")
    compression = body.get("output_compression")
    if output_format in ("png", "gif") and compression is not None and compression < 100:  # noqa: PLR2004 - percent
        message = f"Compression less than 100 is not supported for {output_format.upper()} output format."
        raise refused(message, "output_compression")
    if body.get("partial_images") and not body.get("stream"):
        message = "The 'partial_images' parameter is only supported when 'stream' is true."
        raise refused(message, "partial_images")


_RULES: dict[str, _Rule] = {
    "model": _accepted,
    "prompt": _prompt,
    "size": _size,
    "quality": _quality,
    "n": _count,
    "background": _background,
    "output_format": _format,
    "output_compression": _within(0, 100),
    "moderation": _moderation,
    "safety_identifier": _text,
    "user": _text,
    "stream": _boolean,
    "partial_images": _within(0, 3),
    "input_fidelity": _fidelity,
    "complexity": _complexity,
    "frame_count": _within(2, 16),
    "frame_duration_ms": _within(1, 655_350),
}
_GENERATION = frozenset(_RULES) - {"input_fidelity"}
_EDIT = frozenset(_RULES) - {"moderation"}
