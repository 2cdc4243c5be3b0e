"""Resources: images by their address, the history, the models and a guide to prompting."""

from __future__ import annotations

import hashlib
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
from gpt_image_mcp.mcp_app.app import mcp
from gpt_image_mcp.mcp_app.lifespan import studio_of, studios_of
from gpt_image_mcp.mcp_app.signed_addresses import download_links
from gpt_image_mcp.threads import in_thread
from gpt_image_mcp.visible_text import visible_lines

if TYPE_CHECKING:
    from pydantic import BaseModel

JSON, MARKDOWN = "application/json", "text/markdown"
LATEST, LATEST_READ = 50, 10


@mcp.resource("gpt-image://images/{image_id}", mime_type="application/octet-stream")
async def image_file(image_id: str, context: Context = CurrentContext()) -> ResourceResult:
    """The file of an image, by its id."""
    studio = studio_of(context)
    async with studios_of(context).whole_files:
        with _explained():
            image = await studio.find(_address(image_id))
            data = await studio.history.read(image)
        digest = await in_thread(hashlib.sha256, data)
    if digest.hexdigest() == image.sha256:
        return ResourceResult([ResourceContent(data, mime_type=image.mime_type)])
    note = {"gpt-image-mcp/note": f"The file of image {image.id} was changed since it was made."}
    return ResourceResult([ResourceContent(data, mime_type="application/octet-stream", meta=note)])


@mcp.resource("gpt-image://images/{image_id}/preview", mime_type="image/jpeg")
async def image_preview(image_id: str, context: Context = CurrentContext()) -> ResourceResult:
    """A small preview of an image, by its id."""
    with _explained():
        preview = await studio_of(context).history.thumbnail(_address(image_id))
    return ResourceResult([ResourceContent(preview.data, mime_type=preview.mime_type)])


@mcp.resource("gpt-image://images/{image_id}/metadata", mime_type=JSON)
async def image_metadata(image_id: str, context: Context = CurrentContext()) -> ResourceResult:
    """Everything known about an image: prompt, parameters, cost, what it was made from and what from it."""
    from gpt_image_mcp.presentation.details import image_details

    studio = studio_of(context)
    with _explained():
        lineage = await studio.history.trace(_address(image_id))
    return _json(image_details(lineage, download_links(studio.settings)))


@mcp.resource("gpt-image://history", mime_type=JSON)
async def history(context: Context = CurrentContext()) -> ResourceResult:
    """The latest 50 images, newest first, as find_images gives them: id, path, prompt, size, cost, time."""
    from gpt_image_mcp.presentation.history import history_content, next_step_after_search

    studio = studio_of(context)
    with _explained():
        found = await studio.history.search(limit=LATEST)
    links = download_links(studio.settings)
    return _json(history_content(found, next_step=next_step_after_search(found), links=links))


@mcp.resource("gpt-image://latest", mime_type=MARKDOWN)
async def latest(context: Context = CurrentContext()) -> ResourceResult:
    """The latest 10 images for a person to read: file, beginning of the prompt, size, cost."""
    from gpt_image_mcp.presentation.history import latest_markdown

    with _explained():
        images = await studio_of(context).history.newest(LATEST_READ)
    return ResourceResult([ResourceContent(latest_markdown(images), mime_type=MARKDOWN)])


@mcp.resource("gpt-image://models", mime_type=JSON)
async def models(context: Context = CurrentContext()) -> ResourceResult:
    """The image models: what each accepts, what it costs and how long it is there."""
    from gpt_image_mcp.catalogue.models import load_catalogue
    from gpt_image_mcp.presentation.details import catalogue_details

    default = studio_of(context).settings.model
    return _json(await in_thread(catalogue_details, load_catalogue(), default=default, today=today()))


@mcp.resource("gpt-image://guide/prompting", mime_type=MARKDOWN)
async def prompting_guide() -> ResourceResult:
    """How to write prompts for these models: order, text, edits, consistency, cost. Read it once."""
    text = files("gpt_image_mcp.mcp_app").joinpath("guide.md").read_text(encoding="utf-8")
    return ResourceResult([ResourceContent(text, mime_type=MARKDOWN)])


@contextmanager
def _explained() -> Generator[None]:
    """Raises our errors as FastMCP's resource errors, because only their text reaches the client."""
    try:
        yield
    except ImageError as error:
        raise ResourceError(str(error), log_level=logging.DEBUG) from error


def _address(image_id: str) -> str:
    """A reference that can only be an id, so that a path in its place is never opened.

    Completion shows words behind the id, which a client may send along.
    """
    return f"gpt-image://images/{image_id.partition(' ')[0]}"


def _json(document: BaseModel) -> ResourceResult:
    text = visible_lines(document.model_dump_json(indent=1))
    return ResourceResult([ResourceContent(text, mime_type=JSON)])
