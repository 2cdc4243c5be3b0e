"""Validation: the caller's choices, checked against the model and turned into the request that is sent.

Everything that can be refused without the API is refused here: a refusal by the API can take a minute to
arrive.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gpt_image_mcp import dates
from gpt_image_mcp.catalogue.animations import as_animator, frame_count_of, frame_duration_of
from gpt_image_mcp.catalogue.exact_sizes import resolve_exact_size
from gpt_image_mcp.catalogue.model_choice import Needs, choose_model
from gpt_image_mcp.catalogue.prompt_language import require_english
from gpt_image_mcp.catalogue.sizes import AUTO, ResolvedSize, resolve_size
from gpt_image_mcp.coercion import format_name
from gpt_image_mcp.errors import InvalidArgument, MissingApiKey, UnsupportedByModel, quoted
from gpt_image_mcp.values.images import Requested
from gpt_image_mcp.values.requests import GIF, STILLS, SVG, ImageRequest

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
FORMATS = (*STILLS, GIF, SVG)
BACKGROUNDS = ("auto", "opaque", "transparent")
MODERATIONS = ("auto", "low")
FIDELITIES = ("auto", "low", "high")
QUALITIES = ("auto", "low", "medium", "high", "xhigh", "max")
COMPLEXITIES = ("auto", "low", "medium", "high")
_QUALITY_ALIASES = {"standard": "medium", "hd": "high"}
_BEST_COMPRESSION = 100
# For models that the catalogue does not know.
_USUAL_MAX_N, _USUAL_MAX_INPUT_IMAGES = 10, 16
# NULs end strings in many places, and a lone surrogate is not text that UTF-8 can carry.
_UNSENDABLE = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidRequest:
    """A request that the model should accept, with notes for the caller.

    Attributes:
        model: The catalogue's entry, with the sizes of a frame for an animation; None for a model it does not
            know.
        needs: What not every model can do of it.
        requested: The caller's own choices, for the result.
        exact_size: What the images are cut to on this machine; None to keep them as returned.
    """

    request: ImageRequest
    model: ImageModel | None
    requested: Requested
    needs: Needs
    exact_size: Pixels | None = None
    notes: tuple[str, ...] = ()


def validate_request(
    prompt: str,
    options: OutputOptions,
    *,
    moderation: str,
    settings: Settings,
    today: dt.date | None = None,
    has_markup: bool = False,
) -> ValidRequest:
    """Checks every argument of a generation and fills in the configured defaults.

    Args:
        prompt: As the caller wrote it.
        options: The caller's other choices.
        moderation: ``auto`` or ``low``.
        settings: For what the options leave open.
        today: The day by which models are shut down or not; None for the present one.
        has_markup: Whether hints are drawn onto image 1, which not every model takes.

    Raises:
        InvalidArgument: If a value is one that no model accepts.
        UnsupportedByModel: If no model that may be used accepts it all, or the one that was named does not.
    """
    notes: list[str] = []
    asked = _spelled(options, settings)
    needs = _needs(asked, has_markup=has_markup)
    chosen = choose_model(options.model, needs, settings=settings, today=today or dates.today())
    notes.extend([chosen.note] if chosen.note else [])
    frame_count = frame_count_of(asked.frame_count, asked.output_format)
    model = as_animator(chosen.model, frame_count) if chosen.model else None
    size, exact_size = _size(asked, model)
    request = ImageRequest(
        prompt=validate_prompt(prompt, settings, notes),
        model=chosen.name,
        size=size.size,
        quality=asked.quality,
        n=_count(asked, model),
        background=asked.background,
        output_format=asked.output_format,
        output_compression=_compression(asked.output_compression, asked.output_format),
        moderation=_one_of("moderation", moderation, MODERATIONS),
        safety_identifier=_user(asked.user),
        partial_images=_partial_images(asked, model, settings=settings, notes=notes),
        complexity="" if asked.complexity == "auto" else asked.complexity,
        frame_count=frame_count,
        frame_duration_ms=frame_duration_of(asked.frame_duration_ms, asked.output_format),
    )
    notes.extend(_transparency_notes(needs, model))
    notes.extend([size.note] if size.note else [])
    requested = _requested(options, exact_size)
    return ValidRequest(
        request=request,
        model=model,
        requested=requested,
        exact_size=exact_size,
        needs=needs,
        notes=tuple(notes),
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


def _needs(asked: OutputOptions, *, has_markup: bool) -> Needs:
    return Needs(
        transparent=asked.background == "transparent",
        output_format=asked.output_format,
        quality=asked.quality,
        complexity=asked.complexity,
        markup=has_markup,
    )


def _requested(options: OutputOptions, exact_size: Pixels | None) -> Requested:
    """What the caller asked for, in the caller's own words."""
    return Requested(
        size=str(exact_size or options.size),
        quality=options.quality,
        n=options.n,
        format=options.output_format,
        background=options.background,
    )


def _spelled(options: OutputOptions, settings: Settings) -> OutputOptions:
    """The options with the names that the API has for them, each of which some model takes."""
    output_format = _one_of("output_format", str(format_name(options.output_format)), FORMATS)
    return replace(
        options,
        output_format=output_format,
        background=_background(options.background, output_format),
        quality=_quality(options.quality, settings),
        complexity=_one_of("complexity", options.complexity.strip().lower() or "auto", COMPLEXITIES),
    )


def _size(asked: OutputOptions, model: ImageModel | None) -> tuple[ResolvedSize, Pixels | None]:
    """The size to ask for, and the one that is then cut from it, if that is wanted."""
    size = resolve_size(model, asked.size)
    if not asked.exact_size.strip():
        return size, None
    require_still(asked.output_format, "exact_size")
    if size.size != AUTO:
        message = f"size is {quoted(asked.size)} and exact_size is {quoted(asked.exact_size)} too."
        raise InvalidArgument(message, next_step="Leave size at auto, or leave exact_size empty.")
    exact = resolve_exact_size(model, asked.exact_size)
    # The larger size is our own choice, so it is right; what else is to be said of it is.
    return resolve_size(model, str(exact.asked)), exact.wanted


def _quality(text: str, settings: Settings) -> str:
    quality = _QUALITY_ALIASES.get(text.strip().lower(), text.strip().lower()) or "auto"
    if quality == "auto":
        quality = _QUALITY_ALIASES.get(settings.quality, settings.quality)
    return _one_of("quality", quality, QUALITIES)


def _count(asked: OutputOptions, model: ImageModel | None) -> int:
    n = asked.n
    if n > 1 and asked.output_format == SVG:
        message = f"n is {n}, but an svg is made alone."
        raise InvalidArgument(message, next_step="Pass n 1, and make a call for each.")
    most = model.max_n if model else _USUAL_MAX_N
    if not 1 <= n <= most:
        message = f"n is {n}; it must be from 1 to {most}."
        raise InvalidArgument(message, next_step="Make several calls for more images.")
    return n


def _partial_images(
    asked: OutputOptions, model: ImageModel | None, *, settings: Settings, notes: list[str]
) -> int:
    """How many to ask for: none for n > 1, where nothing says which image a partial one belongs to."""
    wanted = settings.partial_images if model and model.streams else 0
    still = "" if asked.output_format in STILLS else asked.output_format
    reason = "n above 1" if asked.n > 1 else still
    if wanted and reason:
        notes.append(f"No partial images (GPT_IMAGE_PARTIAL_IMAGES is {wanted}) are made for {reason}.")
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


def require_no_markup(reason: str, *, has_markup: bool) -> None:
    """Refuses markup on the Responses route, whose image tool takes none.

    Raises:
        UnsupportedByModel: With the reason why that route is taken.
    """
    if has_markup:
        message = (
            f"There is markup, but this edit goes through the Responses API ({reason}), which takes none; "
            "nothing was made."
        )
        step = "Pass regions or a mask, or say in the prompt what the marks point at"
        other = "; or unset that variable" if reason == PINNED else "; or call again in ten minutes"
        raise UnsupportedByModel(message, next_step=f"{step}{other}.")


def require_still(output_format: str, what: str) -> None:
    """Refuses an animation or a vector file where only a picture of pixels can be had.

    Args:
        output_format: As it will be sent.
        what: What cannot be done with them.

    Raises:
        InvalidArgument: If it is one.
    """
    if output_format not in STILLS:
        message = f"output_format is {output_format}, which does not go with {what}."
        step = f"Choose png, jpeg or webp, or make the {output_format} without {what}."
        raise InvalidArgument(message, next_step=step)


def _background(text: str, output_format: str) -> str:
    background = _one_of("background", text.strip().lower(), BACKGROUNDS)
    if background == "transparent" and output_format == "jpeg":
        message = "background is 'transparent', but JPEG has no transparency."
        raise InvalidArgument(message, next_step="Use output_format png or webp, or background opaque.")
    return background


def _transparency_notes(needs: Needs, model: ImageModel | None) -> list[str]:
    """What is not sure about the transparency that was asked for."""
    if not needs.transparent or model is None or model.transparency == "yes":
        return []
    return [f"Whether {model.name} makes transparent backgrounds is not sure; its API may refuse it."]


def _compression(percent: int, output_format: str) -> int | None:
    """The value to send; the default is the server's own and is not sent."""
    if not 0 <= percent <= _BEST_COMPRESSION:
        message = f"output_compression is {percent}; it must be from 0 to 100."
        raise InvalidArgument(message, next_step="Pass a quality from 0 to 100, for jpeg or webp.")
    if percent == _BEST_COMPRESSION:
        return None
    if output_format not in ("jpeg", "webp"):
        message = f"output_compression is {percent}, but {output_format} takes none."
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
