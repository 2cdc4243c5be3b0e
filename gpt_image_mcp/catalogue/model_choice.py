"""Which model makes a picture: the one that was named, else the first that can do what is asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gpt_image_mcp.catalogue.models import load_catalogue
from gpt_image_mcp.errors import InvalidArgument, UnsupportedByModel, quoted

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

    from gpt_image_mcp.catalogue.models import ImageModel
    from gpt_image_mcp.settings import Settings

_LONGEST_MODEL_NAME = 255  # as the library's columns


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What a request needs that not every model has."""

    transparent: bool = False
    output_format: str = "png"
    quality: str = "auto"
    complexity: str = "auto"
    markup: bool = False

    def lacking(self, model: ImageModel, *, is_openai: bool = True) -> str:
        """What a model lacks of it, after its name; empty if it can do all.

        Args:
            model: The model.
            is_openai: Whether OpenAI itself answers; another host may have what it lacks there.
        """
        formats = (*model.formats, *model.extra_formats)
        if self.output_format not in formats:
            return f"makes no {self.output_format}; it makes {', '.join(formats)}"
        if self.transparent and model.transparency == "no" and is_openai:
            return "has no transparent background"
        if self.quality != "auto" and self.quality not in model.qualities:
            return f"has no quality {self.quality!r}; it takes auto, {', '.join(model.qualities)}"
        if self.complexity != "auto" and not model.complexity:
            return "takes no complexity"
        return "takes no markup" if self.markup and not model.markup else ""

    def able(self, today: dt.date) -> str:
        """The names of the living models that can do all of it."""
        names = [model.name for model in load_catalogue().offered(today) if not self.lacking(model)]
        return ", ".join(names) or "none: ask for less at once"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenModel:
    """The model of a call.

    Attributes:
        name: What is sent: the name in the catalogue, or what a deployment or gateway calls it.
        model: The catalogue's entry; None for a model it does not know.
        note: What the caller should know of the choice.
    """

    name: str
    model: ImageModel | None
    note: str = ""


def choose_model(asked: str, needs: Needs, *, settings: Settings, today: dt.date) -> ChosenModel:
    """The model for a request; one that was named is never exchanged.

    Args:
        asked: As the caller wrote it; empty for the configured one.
        needs: What it has to do.
        settings: For the configured model, aliases, and who answers.
        today: The day by which models are shut down or not.

    Raises:
        InvalidArgument: If the name is none, or an alias leads nowhere.
        UnsupportedByModel: If the model was shut down or cannot do it; says which can.
    """
    name = asked.strip()
    choice = _find(name or settings.model, settings, today, is_named=bool(name))
    lacking = choice.model and needs.lacking(choice.model, is_openai=settings.is_openai)
    if not lacking:
        return choice
    if not name and (other := next(_alternatives(needs, settings, today), None)):
        note = f"{choice.name} {lacking}, so {other.name} was used."
        return ChosenModel(name=other.name, model=other.model, note=note)
    step = f"Use a model that can: {needs.able(today)}{_instead(name, settings)}."
    raise UnsupportedByModel(f"{choice.name} {lacking}.", next_step=step)


def known_model(name: str, settings: Settings) -> ImageModel | None:
    """What is known of a model, by its own name or by an alias; None if nothing is."""
    return load_catalogue().find(settings.model_aliases.get(name, name))


def host_of(settings: Settings, today: dt.date) -> str:
    """The chat model of the Responses route: the configured one, or the first known one that lives."""
    return settings.responses_edit_model or load_catalogue().default_host(today)


def _instead(name: str, settings: Settings) -> str:
    """What else could be done about a model that cannot do what is asked."""
    if settings.is_openai:
        return "; or leave model empty" if name else ""
    return "; name it in model, or in GPT_IMAGE_MODEL_ALIASES as OPENAI_BASE_URL calls it"


def _alternatives(needs: Needs, settings: Settings, today: dt.date) -> Iterator[ChosenModel]:
    """Models that can do what the configured one cannot, best first; elsewhere only those with an alias."""
    catalogue = load_catalogue()
    for name in catalogue.fallbacks:
        model = catalogue.find(name)
        if model is None or model.is_shut_down(today) or needs.lacking(model):
            continue
        if settings.is_openai:
            yield ChosenModel(name=model.name, model=model)
        for alias, known in settings.model_aliases.items():
            if known == name and not settings.is_openai:
                yield ChosenModel(name=alias, model=model)


def _find(name: str, settings: Settings, today: dt.date, *, is_named: bool) -> ChosenModel:
    """What is known of a model of this name, or of what it is an alias of."""
    if len(name) > _LONGEST_MODEL_NAME:
        message = f"model is {quoted(name)}, which is no name: it has {len(name):,} characters."
        raise InvalidArgument(message, next_step="Pass the name of a model, or leave it empty.")
    if known := settings.model_aliases.get(name):
        return _alias(name, known, settings)
    model = load_catalogue().find(name)
    if model is None:
        note = f"The model {quoted(name)} is not in the catalogue; it is passed on unchecked."
        return ChosenModel(name=name, model=None, note=note)
    end = model.shutdown
    if end is None:
        return ChosenModel(name=model.name, model=model)
    if not model.is_shut_down(today):
        note = f"{model.name} is to be shut down on {end.date}; OpenAI names {end.instead} instead."
        return ChosenModel(name=model.name, model=model, note=note)
    if settings.is_openai:
        message = f"OpenAI shut {model.name} down on {end.date}."
        step = (
            f"Use {end.instead}, or leave model empty."
            if is_named
            else f"Set GPT_IMAGE_MODEL to {end.instead}."
        )
        raise UnsupportedByModel(message, next_step=step)
    note = f"OpenAI shut {model.name} down on {end.date}; it is passed on to OPENAI_BASE_URL unchecked."
    return ChosenModel(name=name, model=None, note=note)


def _alias(name: str, known: str, settings: Settings) -> ChosenModel:
    """A model under the name that a deployment or gateway has for it; the sandbox knows its own name."""
    model = load_catalogue().find(known)
    if model is None:
        message = (
            f"GPT_IMAGE_MODEL_ALIASES says that {quoted(name)} is {quoted(known)}, which is no known model."
        )
        raise InvalidArgument(message, next_step="Put a name there that gpt-image-mcp models lists.")
    return ChosenModel(name=model.name if settings.sandbox else name, model=model)
