"""Checks of the list of models, and of how long those of the settings live."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpt_image_mcp.catalogue.model_choice import host_of, known_model
from gpt_image_mcp.catalogue.models import load_catalogue
from gpt_image_mcp.cli.doctor.findings import failed, ok, warning

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from gpt_image_mcp.cli.doctor.findings import Finding
    from gpt_image_mcp.settings import Settings


def check_models(settings: Settings, today: date) -> Iterator[Finding]:
    """Whether the list of models is fresh, and how long the models of the settings live."""
    catalogue = load_catalogue()
    if note := catalogue.age_note(today):
        yield warning("list of models", note, "Update gpt-image-mcp; uvx takes the newest version.")
    else:
        yield ok("list of models", f"It was checked on {catalogue.checked}.")
    for alias, name in settings.model_aliases.items():
        if catalogue.find(name) is None:
            said = f"{alias} stands for {name}, which is no known model."
            yield failed("GPT_IMAGE_MODEL_ALIASES", said, "Put a name there that the models command lists.")
    model = known_model(settings.model, settings)
    if model and model.shutdown and settings.is_openai:
        said = f"OpenAI shuts {model.name} down on {model.shutdown.date}."
        yield warning("GPT_IMAGE_MODEL", said, f"Set it to {model.shutdown.instead}.")
    host = catalogue.find_host(host_of(settings, today))
    if host and host.shutdown:
        said = f"The host of edits over the Responses API is {host.name}, which ends on {host.shutdown.date}"
        if settings.responses_edit_model:
            step = f"Set it to {host.shutdown.instead}, or remove it."
            yield warning("OPENAI_RESPONSES_EDIT_MODEL", f"{said}.", step)
        else:
            yield ok("host model", f"{said}; {host.shutdown.instead} follows by itself.")
