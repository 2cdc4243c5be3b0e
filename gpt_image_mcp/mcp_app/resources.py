"""Resources: images by their address, the history, the models and a guide to prompting."""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import contextmanager
from importlib.resources import files
from typing import TYPE_CHECKING

from fastmcp import Context
from fastmcp.dependencies import CurrentContext
from fastmcp.exceptions import ResourceError
from fastmcp.resources import ResourceContent, ResourceResult

from gpt_image_mcp.dates import today
from gpt_image_mcp.errors import ImageError
from gpt_image_mcp.mcp_app.app import resource, studio_of
from gpt_image_mcp.threads import in_thread

if TYPE_CHECKING:
    from pydantic import BaseModel

JSON, MARKDOWN = "application/json", "text/markdown"
LATEST = 50


@resource("gpt-image://images/{image_id}", mime_type="application/octet-stream")
async def image_file(image_id: str, context: Context = CurrentContext()) -> ResourceResult:
    """The file of an image, by its id."""
    studio = studio_of(context)
    with _explained():
        image = await studio.find(_address(image_id))
        data = await studio.read(image)
    return ResourceResult([ResourceContent(data, mime_type=image.mime_type)])


@resource("gpt-image://images/{image_id}/preview", mime_type="image/webp")
async def image_preview(image_id: str, context: Context = CurrentContext()) -> ResourceResult:
    """A small preview of an image, by its id."""
    from gpt_image_mcp.imaging.preview_cache import preview_of
    from gpt_image_mcp.imaging.previews import View, bytes_within_base64

    studio = studio_of(context)
    settings = studio.settings
    view = View(max_bytes=bytes_within_base64(settings.inline_max_bytes), max_edge=settings.inline_max_edge)
    with _explained():
        image = await studio.find(_address(image_id))
        preview = await in_thread(preview_of, image, await studio.read(image), view)
    return ResourceResult([ResourceContent(preview.data, mime_type=preview.mime_type)])


@resource("gpt-image://images/{image_id}/metadata", mime_type=JSON)
async def image_metadata(image_id: str, context: Context = CurrentContext()) -> ResourceResult:
    """Everything known about an image: prompt, parameters, cost, what it was made from and what from it."""
    from gpt_image_mcp.presentation.details import image_record

    with _explained():
        lineage = await studio_of(context).history.trace(_address(image_id))
    return _json(image_record(lineage))


@resource("gpt-image://history", mime_type=JSON)
async def history(context: Context = CurrentContext()) -> ResourceResult:
    """The latest 50 images, newest first, as find_images gives them: id, path, prompt, size, cost, time."""
    from gpt_image_mcp.presentation.history import found_answer, next_step_after_search

    with _explained():
        found = await studio_of(context).history.search(limit=LATEST)
    return _json(found_answer(found, next_step=next_step_after_search(found)))


@resource("gpt-image://models", mime_type=JSON)
async def models(context: Context = CurrentContext()) -> ResourceResult:
    """The image models: what each accepts, what it costs and how long it is there."""
    from gpt_image_mcp.catalogue.models import load_catalogue
    from gpt_image_mcp.presentation.details import models_record

    default = studio_of(context).settings.model
    return _json(await in_thread(models_record, load_catalogue(), default=default, today=today()))


@resource("gpt-image://guide/prompting", mime_type=MARKDOWN)
async def prompting_guide() -> ResourceResult:
    """How to write prompts for these models: order, text, edits, consistency, cost. Read it once."""
    text = files("gpt_image_mcp.mcp_app").joinpath("guide.md").read_text(encoding="utf-8")
    return ResourceResult([ResourceContent(text, mime_type=MARKDOWN)])


@contextmanager
def _explained() -> Generator[None]:
    """Words our errors as resource errors, whose text reaches the client."""
    try:
        yield
    except ImageError as error:
        raise ResourceError(str(error), log_level=logging.DEBUG) from error


def _address(image_id: str) -> str:
    """The reference that can mean nothing but an id, so that no path is ever looked at."""
    return f"gpt-image://images/{image_id}"


def _json(document: BaseModel) -> ResourceResult:
    return ResourceResult([ResourceContent(document.model_dump_json(indent=1), mime_type=JSON)])
