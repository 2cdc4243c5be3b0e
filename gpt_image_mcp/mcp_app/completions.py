"""What a client offers while a person types: images, and the values of prompt arguments."""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING

from fastmcp.server.dependencies import get_context
from mcp.types import Completion, PromptReference

from gpt_image_mcp.dates import today
from gpt_image_mcp.errors import ImageError
from gpt_image_mcp.mcp_app.app import mcp
from gpt_image_mcp.mcp_app.lifespan import studio_of
from gpt_image_mcp.mcp_app.prompts import blanks_of
from gpt_image_mcp.mcp_app.recipes import RECIPES
from gpt_image_mcp.presentation.text import shortened

if TYPE_CHECKING:
    from mcp.types import CompletionArgument, CompletionContext, ResourceTemplateReference

    from gpt_image_mcp.values.images import StoredImage

MOST_OFFERED = 100
_SIZES = ("auto", "square", "landscape", "portrait", "wide", "tall", "2k", "4k")
_LARGE_SIZES = ("square_2k", "landscape_2k", "portrait_2k", "square_4k", "landscape_4k", "portrait_4k")
_RATIOS = ("1:1", "3:2", "2:3", "16:9", "9:16", "4:3", "3:4")
_PROMPT_CHARACTERS = 60
_NOT_SHOWN = re.compile(r"[^\w.,…-]")
_IMAGES = "gpt-image://images/{image_id}"


@mcp.completion
async def complete(
    reference: PromptReference | ResourceTemplateReference,
    argument: CompletionArgument,
    _context: CompletionContext | None,
) -> Completion:
    """Values for an argument that begin with what was typed; none where nothing is known."""
    typed = argument.value
    if not isinstance(reference, PromptReference):
        is_image = argument.name == "image_id" and reference.uri.startswith(_IMAGES)
        return await _images(typed) if is_image else Completion(values=[])
    choices = _choices(reference.name, argument.name)
    if choices is None:
        return await _images(typed) if argument.name == "image" else Completion(values=[])
    return _offer([choice for choice in choices if choice.startswith(typed.strip().lower())])


def _choices(prompt: str, name: str) -> tuple[str, ...] | None:
    """What the argument of a prompt may be; None for any text."""
    recipe = RECIPES.get(prompt)
    blank = next((blank for blank in blanks_of(recipe) if blank.name == name), None) if recipe else None
    if blank is None:
        return ()
    if name == "size":
        return (*_SIZES, *_RATIOS, *_LARGE_SIZES)
    if name == "model":
        return _models()
    return blank.choices or None


def _models() -> tuple[str, ...]:
    """The models that can be used, the newest first."""
    from gpt_image_mcp.catalogue.models import load_catalogue

    there = load_catalogue().living(today())
    there.sort(key=lambda model: model.released or date.min, reverse=True)
    return tuple(model.name for model in there)


async def _images(typed: str) -> Completion:
    """The images that may be meant, the newest first; none if the library cannot be read."""
    try:
        images = await studio_of(get_context()).history.complete(typed.strip(), limit=MOST_OFFERED + 1)
    except ImageError:
        return Completion(values=[])
    return _offer([_shown(image) for image in images])


def _shown(image: StoredImage) -> str:
    """The id, which is all that counts, and words by which a person knows the image.

    They are letters, digits and little else, because clients put the whole text into an address.
    """
    said = f"{image.file_path.name} {shortened(image.provenance.prompt, _PROMPT_CHARACTERS)}"
    return f"{image.id} {' '.join(_NOT_SHOWN.sub(' ', said).split())}"


def _offer(values: list[str]) -> Completion:
    return Completion(values=values[:MOST_OFFERED], has_more=len(values) > MOST_OFFERED)
