"""Validation: the caller's choices, checked against the model and turned into the request that is sent.

Everything that can be refused without the API is refused here: a refusal by the API can take a minute to
arrive.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gpt_image_mcp import dates
from gpt_image_mcp.catalogue.exact_sizes import resolve_exact_size
from gpt_image_mcp.catalogue.models import load_catalogue
from gpt_image_mcp.catalogue.prompt_language import require_english
from gpt_image_mcp.catalogue.sizes import AUTO, ResolvedSize, resolve_size
from gpt_image_mcp.coercion import format_name
from gpt_image_mcp.errors import InvalidArgument, MissingApiKey, UnsupportedByModel, quoted
from gpt_image_mcp.values.images import Requested
from gpt_image_mcp.values.requests import ImageRequest

if TYPE_CHECKING:
    import datetime as dt

    from gpt_image_mcp.catalogue.models import ImageModel
    from gpt_image_mcp.settings import Settings
    from gpt_image_mcp.values.options import OutputOptions
    from gpt_image_mcp.values.pixels import Pixels

# Why a setting makes edits take the Responses route.
PINNED = "OPENAI_FORCE_RESPONSES_EDITS is set"
MAX_PROMPT_CHARACTERS = 32_000
MAX_USER_CHARACTERS = 256
FORMATS = ("png", "jpeg", "webp")
BACKGROUNDS = ("auto", "opaque", "transparent")
MODERATIONS = ("auto", "low")
FIDELITIES = ("auto", "low", "high")
QUALITIES = ("auto", "low", "medium", "high", "xhigh", "max")
# What no model is asked for here, with what it would be.
_NEVER = {"gif": "animation", "apng": "animation", "svg": "vector file"}
_QUALITY_ALIASES = {"standard": "medium", "hd": "high"}
_FORMAT_ALIASES = {"jpg": "jpeg"}
_BEST_COMPRESSION = 100
_LONGEST_MODEL_NAME = 256
# For models that the catalogue does not know.
_USUAL_MAX_N, _USUAL_MAX_INPUT_IMAGES = 10, 16
# NULs end strings in many places, and a lone surrogate is not text that UTF-8 can carry.
_UNSENDABLE = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidRequest:
    """A request that the model should accept, with notes for the caller.

    Attributes:
        model: The catalogue's entry; None for a model it does not know.
        requested: The caller's own choices, for the result.
        exact_size: What the images are cut to on this machine; None to keep them as returned.
    """

    request: ImageRequest
    model: ImageModel | None
    requested: Requested
    exact_size: Pixels | None = None
    notes: tuple[str, ...] = ()


def validate_request(
    prompt: str,
    options: OutputOptions,
    *,
    moderation: str,
    settings: Settings,
    today: dt.date | None = None,
) -> ValidRequest:
    """Checks every argument of a generation and fills in the configured defaults.

    Args:
        prompt: As the caller wrote it.
        options: The caller's other choices.
        moderation: ``auto`` or ``low``.
        settings: For what the options leave open.
        today: The day by which models are shut down or not; None for the present one.

    Raises:
        InvalidArgument: If a value is one that no model accepts.
        UnsupportedByModel: If this model does not accept it, or was shut down.
    """
    notes: list[str] = []
    name = options.model.strip() or settings.model
    model = _known_model(name, settings, notes, today=today or dates.today())
    size, exact_size = _size(options, model)
    output_format = _output_format(options.output_format)
    request = ImageRequest(
        prompt=validate_prompt(prompt, settings, notes),
        model=model.name if model else name,
        size=size.size,
        quality=_quality(options.quality, model, settings),
        n=_count(options.n, model),
        background=_background(options.background, output_format, model=model, notes=notes),
        output_format=output_format,
        output_compression=_compression(options.output_compression, output_format),
        moderation=_one_of("moderation", moderation, MODERATIONS),
        safety_identifier=_user(options.user),
        partial_images=_partial_images(options.n, model, settings=settings, notes=notes),
    )
    notes.extend([size.note] if size.note else [])
    requested = Requested(
        size=str(exact_size or options.size),
        quality=options.quality,
        n=options.n,
        format=options.output_format,
        background=options.background,
    )
    return ValidRequest(
        request=request, model=model, requested=requested, exact_size=exact_size, notes=tuple(notes)
    )


def validate_prompt(prompt: str, settings: Settings, notes: list[str]) -> str:
    """The prompt as it can be sent; what had to be changed is added to the notes.

    Raises:
        InvalidArgument: If it is empty, too long, or not in the language the settings demand.
    """
    cleaned = _UNSENDABLE.sub("", prompt)
    if cleaned != prompt:
        notes.append("NUL characters or broken Unicode were removed from the prompt.")
    if not cleaned.strip():
        message = "The prompt is empty."
        raise InvalidArgument(message, next_step="Describe what to show in the prompt.")
    if len(cleaned) > MAX_PROMPT_CHARACTERS:
        message = (
            f"The prompt has {len(cleaned):,} characters; at most {MAX_PROMPT_CHARACTERS:,} are allowed."
        )
        raise InvalidArgument(message, next_step="Shorten the prompt.")
    if settings.prompt_language == "english":
        require_english(cleaned)
    return cleaned


def validate_input_fidelity(value: str, model: ImageModel | None) -> str:
    """The value to send; empty where nothing is to be sent.

    Raises:
        InvalidArgument: If no model has it.
        UnsupportedByModel: If this model does not take it.
    """
    fidelity = _one_of("input_fidelity", value.strip().lower() or "auto", FIDELITIES)
    if fidelity == "auto":
        return ""
    if model is not None and fidelity not in model.input_fidelity:
        takes = f"takes only {', '.join(model.input_fidelity)}" if model.input_fidelity else "takes none"
        message = f"input_fidelity is {quoted(fidelity)}, but {model.name} {takes}."
        raise UnsupportedByModel(message, next_step="Leave input_fidelity at auto for this model.")
    return fidelity


def has_key(settings: Settings) -> bool:
    """Whether requests can be signed: with a key, or with the token of an Azure identity."""
    return settings.api_key is not None or settings.azure_identity


def require_key(settings: Settings) -> None:
    """Refuses what only OpenAI can do while there is no key to send.

    Raises:
        MissingApiKey: If none is set, and no identity stands in for it.
    """
    if not has_key(settings):
        message = "No OpenAI key is set: the environment variable OPENAI_API_KEY is missing or empty."
        raise MissingApiKey(
            message,
            next_step="Set OPENAI_API_KEY in the env block of the MCP client's configuration and restart "
            "it, or on the command line in your shell; to try without a key, call again with model "
            '"sandbox" or set GPT_IMAGE_SANDBOX=1.',
        )


def validate_input_images(count: int, model: ImageModel | None) -> None:
    """Refuses more input images than the model takes.

    Raises:
        InvalidArgument: With the number allowed.
    """
    most = model.max_input_images if model else _USUAL_MAX_INPUT_IMAGES
    if not 0 <= count <= most:
        message = f"input_images is {count}; it must be from 0 to {most}."
        raise InvalidArgument(message, next_step="Pass the number of input images of one call.")


def _known_model(name: str, settings: Settings, notes: list[str], *, today: dt.date) -> ImageModel | None:
    model = load_catalogue().find(name)
    if len(name) > _LONGEST_MODEL_NAME:
        message = f"model is {quoted(name)}, which is no name: it has {len(name):,} characters."
        raise InvalidArgument(message, next_step="Pass the name of a model, or leave it empty.")
    if model is None:
        notes.append(f"The model {quoted(name)} is not in the catalogue; it is passed on unchecked.")
        return None
    end = model.shutdown
    if end is None:
        return model
    if not model.is_shut_down(today):
        notes.append(f"{model.name} is to be shut down on {end.date}; its successor is {end.successor}.")
        return model
    if settings.base_url is None:
        message = f"OpenAI shut {model.name} down on {end.date}."
        raise UnsupportedByModel(message, next_step=f"Use {end.successor}, or leave model empty.")
    notes.append(
        f"OpenAI shut {model.name} down on {end.date}; it is passed on to OPENAI_BASE_URL unchecked."
    )
    return None


def _size(options: OutputOptions, model: ImageModel | None) -> tuple[ResolvedSize, Pixels | None]:
    """The size to ask for, and the one that is then cut from it, if that is wanted."""
    size = resolve_size(model, options.size)
    if not options.exact_size.strip():
        return size, None
    if size.size != AUTO:
        message = f"size is {quoted(options.size)} and exact_size is {quoted(options.exact_size)} too."
        raise InvalidArgument(message, next_step="Leave size at auto, or leave exact_size empty.")
    exact = resolve_exact_size(model, options.exact_size)
    # The larger size is our own choice, so it is right; what else is to be said of it is.
    return resolve_size(model, str(exact.asked)), exact.wanted


def _quality(text: str, model: ImageModel | None, settings: Settings) -> str:
    quality = _QUALITY_ALIASES.get(text.strip().lower(), text.strip().lower()) or "auto"
    if quality == "auto":
        quality = _QUALITY_ALIASES.get(settings.quality, settings.quality)
    _one_of("quality", quality, QUALITIES)
    if model is not None and quality != "auto" and quality not in model.qualities:
        message = f"{model.name} has no quality {quality!r}; it takes auto, {', '.join(model.qualities)}."
        raise UnsupportedByModel(
            message,
            next_step=f"Use one of these, or a model that has it: {_models_with_quality(quality)}.",
        )
    return quality


def _models_with_quality(quality: str) -> str:
    return ", ".join(
        model.name
        for model in load_catalogue().models
        if quality in model.qualities and not model.shutdown and not model.snapshot_of
    )


def _count(n: int, model: ImageModel | None) -> int:
    most = model.max_n if model else _USUAL_MAX_N
    if not 1 <= n <= most:
        message = f"n is {n}; it must be from 1 to {most}."
        raise InvalidArgument(message, next_step="Make several calls for more images.")
    return n


def _partial_images(n: int, model: ImageModel | None, *, settings: Settings, notes: list[str]) -> int:
    """How many to ask for: none for n > 1, where nothing says which image a partial one belongs to."""
    wanted = settings.partial_images if model and model.streams else 0
    if wanted and n > 1:
        notes.append(f"No partial images (GPT_IMAGE_PARTIAL_IMAGES is {wanted}) are made for n above 1.")
        return 0
    return wanted


def require_single(n: int, reason: str) -> None:
    """Refuses several images of the Responses route, which makes one a call.

    Raises:
        UnsupportedByModel: With the reason why that route is taken.
    """
    if n > 1:
        message = (
            f"n is {n}, but this edit goes through the Responses API ({reason}), which makes one image a "
            "call; nothing was made."
        )
        raise UnsupportedByModel(message, next_step="Call again with n 1, once for each image you want.")


def refuse_animation_and_vectors(name: str, value: str, *, ending: str) -> None:
    """Refuses a format that is an animation or a vector file, so that no other way to get one is tried.

    Args:
        name: The parameter that asks for it.
        value: What was passed.
        ending: The format in it.

    Raises:
        UnsupportedByModel: If it is.
    """
    kind = _NEVER.get(str(format_name(ending)).partition("+")[0])
    if kind:
        message = f"{name} is {quoted(value)}; no {kind} can be made, and no parameter or model changes that."
        step = "Tell the user so, and offer a still picture instead: png, jpeg or webp."
        raise UnsupportedByModel(message, next_step=step)


def _output_format(text: str) -> str:
    refuse_animation_and_vectors("output_format", text, ending=text)
    name = text.strip().lower().removeprefix(".")
    return _one_of("output_format", _FORMAT_ALIASES.get(name, name), FORMATS)


def _background(text: str, output_format: str, *, model: ImageModel | None, notes: list[str]) -> str:
    background = _one_of("background", text.strip().lower(), BACKGROUNDS)
    if background != "transparent":
        return background
    if output_format == "jpeg":
        message = "background is 'transparent', but JPEG has no transparency."
        raise InvalidArgument(message, next_step="Use output_format png or webp, or background opaque.")
    if model is not None and model.transparency == "no":
        message = f"{model.name} has no transparent background."
        raise UnsupportedByModel(message, next_step="Use background opaque, or another model.")
    if model is not None and model.transparency != "yes":
        notes.append(f"Transparency of {model.name} is in preview; some accounts and gateways refuse it.")
    return background


def _compression(percent: int, output_format: str) -> int | None:
    """The value to send; the default is the server's own and is not sent."""
    if not 0 <= percent <= _BEST_COMPRESSION:
        message = f"output_compression is {percent}; it must be from 0 to 100."
        raise InvalidArgument(message, next_step="Pass a quality from 0 to 100, for jpeg or webp.")
    if percent == _BEST_COMPRESSION:
        return None
    if output_format == "png":
        message = f"output_compression is {percent}, but png is lossless and takes none."
        raise InvalidArgument(message, next_step="Use output_format jpeg or webp, or leave it at 100.")
    return percent


def _user(text: str) -> str:
    if len(text) > MAX_USER_CHARACTERS:
        message = f"user has {len(text)} characters; at most {MAX_USER_CHARACTERS} are allowed."
        raise InvalidArgument(message, next_step="Pass a short stable id, such as a hash.")
    return _UNSENDABLE.sub("", text)


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        message = f"{name} is {quoted(value)}; it must be one of {', '.join(allowed)}."
        raise InvalidArgument(message, next_step=f"Use one of these for {name}.")
    return value
