"""Values of the studio as MCP content: previews, a text that stands alone, links, structured content.

Some clients give the model only the text, others only the structured content, so each of the two is enough
to act on. What only the answer to a call needs is imported then: clients wait for the server to start.
"""

from __future__ import annotations

import base64
import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from fastmcp.exceptions import ToolError
from fastmcp.tools import ToolResult
from mcp.types import ContentBlock, ImageContent, ResourceLink, TextContent

from gpt_image_mcp.mcp_app.signed_addresses import download_links
from gpt_image_mcp.presentation.text import (
    batch_text,
    images_text,
    input_text,
    next_step_after_batch,
    next_step_after_images,
    sessions_text,
)
from gpt_image_mcp.values.views import Previews
from gpt_image_mcp.visible_text import visible

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from gpt_image_mcp.errors import ImageError
    from gpt_image_mcp.money import Estimate
    from gpt_image_mcp.studio import Studio
    from gpt_image_mcp.values.comparisons import Comparison
    from gpt_image_mcp.values.deletions import Deletion
    from gpt_image_mcp.values.exports import ExportResult
    from gpt_image_mcp.values.history import FoundImages
    from gpt_image_mcp.values.images import StoredImage
    from gpt_image_mcp.values.requests import InputImage
    from gpt_image_mcp.values.results import BatchResult, ImageResult
    from gpt_image_mcp.values.sessions import EndedSession, SessionSummary
    from gpt_image_mcp.values.views import ViewOptions

ERROR_META = "gpt-image-mcp/error"


class ToolFailure(ToolError):
    """Carries one of our errors through FastMCP, which masks the text of every other exception."""

    def __init__(self, error: ImageError) -> None:
        super().__init__(str(error), log_level=logging.DEBUG)
        self.error = error


def failure(error: ImageError) -> ToolResult:
    """An error as a tool result: all of it in the text, and its code for programs in ``_meta``."""
    detail = {"code": error.code, "retryable": error.retryable, "request_id": error.request_id}
    return ToolResult(
        content=[TextContent(type="text", text=str(error))], meta={ERROR_META: detail}, is_error=True
    )


def add_notes(result: ToolResult, notes: Sequence[str]) -> ToolResult:
    """A result with more notes, in its text and in its structured content."""
    if not notes or result.is_error:
        return result
    structured = result.structured_content
    if structured is not None:
        structured = {**structured, "notes": [*structured.get("notes", ()), *notes]}
    content = [_noted(block, notes) if isinstance(block, TextContent) else block for block in result.content]
    return result.model_copy(update={"content": content, "structured_content": structured})


async def present(result: ImageResult, studio: Studio, view: ViewOptions | None = None) -> ToolResult:
    """An image result, finished or running, as MCP content.

    Args:
        result: What to present.
        studio: Makes the previews.
        view: How to show the images; None as the settings say.
    """
    from gpt_image_mcp.presentation.lookup import lookup_content
    from gpt_image_mcp.presentation.structured import images_content

    links = download_links(studio.settings)
    previews = await studio.preview(result, view)
    result = replace(result, notes=(*result.notes, *previews.notes))
    next_step = next_step_after_images(result, links)
    structured = images_content if result.parents is None else lookup_content
    text = images_text(result, next_step, links=links)
    return ToolResult(
        content=_content(previews, text, _linked(result.images, studio)),
        structured_content=structured(result, next_step=next_step, links=links),
    )


async def present_found(
    found: ImageResult | BatchResult | InputImage, studio: Studio, view: ViewOptions | None = None
) -> ToolResult:
    """What was asked for by reference as MCP content: an image, or the result of a job."""
    from gpt_image_mcp.values.requests import InputImage
    from gpt_image_mcp.values.results import BatchResult

    if isinstance(found, BatchResult):
        return await present_batch(found, studio)
    if isinstance(found, InputImage):
        return await _present_input(found, studio, view)
    return await present(found, studio, view)


async def present_batch(result: BatchResult, studio: Studio) -> ToolResult:
    """A batch as MCP content, with previews of the first few images."""
    from gpt_image_mcp.presentation.structured import batch_content

    links = download_links(studio.settings)
    previews = await studio.preview(result)
    result = replace(result, notes=(*result.notes, *previews.notes))
    next_step = next_step_after_batch(result, links)
    images = [image for entry in result.items for image in entry.images]
    return ToolResult(
        content=_content(previews, batch_text(result, next_step, links=links), _linked(images, studio)),
        structured_content=batch_content(result, next_step=next_step, links=links),
    )


async def _present_input(image: InputImage, studio: Studio, view: ViewOptions | None) -> ToolResult:
    """An image that is not of the library as MCP content."""
    from gpt_image_mcp.presentation.structured import input_content

    takes = "export_image makes a png of it, which edit_image takes"
    if image.mime_type not in ("image/gif", "image/svg+xml"):
        takes = "edit_image takes it by the same reference"
    next_step = f"It is not in the library; {takes}."
    previews = await studio.preview(image, view)
    image = replace(image, notes=(*image.notes, *previews.notes))
    return ToolResult(
        content=_content(previews, input_text(image, next_step)),
        structured_content=input_content(image, next_step=next_step),
    )


def present_comparison(compared: Comparison) -> ToolResult:
    """A contact sheet as MCP content."""
    from gpt_image_mcp.presentation.comparison import comparison_content, comparison_text

    next_step = "Show the user the numbers; pass the id of the chosen one to edit_image, or to get_image."
    shown = Previews((compared.sheet,) if compared.sheet else ())
    return ToolResult(
        content=_content(shown, comparison_text(compared, next_step)),
        structured_content=comparison_content(compared, next_step=next_step),
    )


def present_history(found: FoundImages, studio: Studio) -> ToolResult:
    """A page of the history as MCP content; where files are fetched, the text leaves their addresses out."""
    from gpt_image_mcp.presentation.history import history_content, history_text, next_step_after_search

    next_step = next_step_after_search(found)
    return ToolResult(
        content=[TextContent(type="text", text=history_text(found, next_step))],
        structured_content=history_content(found, next_step=next_step, links=download_links(studio.settings)),
    )


def present_sessions(sessions: Sequence[SessionSummary]) -> ToolResult:
    """A list of sessions as MCP content."""
    from gpt_image_mcp.presentation.structured import sessions_content

    next_step = "Call continue_edit_session with a session_id; a closed one opens again."
    if not sessions:
        next_step = "Call start_edit_session to begin one."
    return ToolResult(
        content=[TextContent(type="text", text=sessions_text(sessions, next_step))],
        structured_content=sessions_content(sessions, next_step=next_step),
    )


def present_ended(ended: EndedSession) -> ToolResult:
    """The end of a session as MCP content."""
    from gpt_image_mcp.presentation.structured import ended_session_content

    next_step = (
        f"Its images stay; start_edit_session with {ended.last_image_id} would go on from the last one."
    )
    text = f"Session {ended.id} is ended after {ended.turns} turn(s).\nNext: {next_step}"
    return ToolResult(
        content=[TextContent(type="text", text=text)],
        structured_content=ended_session_content(ended, next_step=next_step),
    )


async def present_export(result: ExportResult, studio: Studio) -> ToolResult:
    """The files of an export as MCP content, with a preview of the first."""
    from gpt_image_mcp.presentation.exports import export_content, export_text

    links = download_links(studio.settings)
    previews = await studio.preview(result)
    result = replace(result, notes=(*result.notes, *previews.notes))
    return ToolResult(
        content=_content(previews, export_text(result, links)),
        structured_content=export_content(result, links),
    )


def present_upload_link(url: str, ref: str, *, file: str, ends_at: datetime, max_mb: float) -> ToolResult:
    """An address for an upload as MCP content."""
    from gpt_image_mcp.presentation.uploads import upload_link_content, upload_link_text

    content = upload_link_content(url, ref, file=file, ends_at=ends_at, max_mb=max_mb)
    return ToolResult(
        content=[TextContent(type="text", text=upload_link_text(content))], structured_content=content
    )


def present_deletion(deletion: Deletion) -> ToolResult:
    """What was deleted, or would be, as MCP content."""
    from gpt_image_mcp.presentation.deletion import deletion_content, deletion_text, next_step_after_deletion

    next_step = next_step_after_deletion(deletion, confirm="call delete_image again with confirm true")
    return ToolResult(
        content=[TextContent(type="text", text=deletion_text(deletion, next_step))],
        structured_content=deletion_content(deletion, next_step=next_step),
    )


def present_estimate(estimate: Estimate) -> ToolResult:
    """A quote as MCP content."""
    from gpt_image_mcp.presentation.estimates import (
        estimate_content,
        estimate_text,
        next_step_after_estimate,
    )

    next_step = next_step_after_estimate(estimate, generate="Call generate_image", edit="Call edit_image")
    return ToolResult(
        content=[TextContent(type="text", text=estimate_text(estimate, next_step))],
        structured_content=estimate_content(estimate, next_step=next_step),
    )


def _noted(block: TextContent, notes: Sequence[str]) -> TextContent:
    """A text with more notes, put before the next step as its own are."""
    said, mark, step = block.text.rpartition("\nNext: ")
    lines = "".join(f"\nNote: {visible(note)}" for note in notes)
    return block.model_copy(update={"text": f"{said}{lines}{mark}{step}"})


def _content(previews: Previews, text: str, images: Sequence[StoredImage] = ()) -> list[ContentBlock]:
    """The blocks of a result: previews, then the text, then links to these images."""
    shown = [
        ImageContent(type="image", data=base64.b64encode(image.data).decode(), mime_type=image.mime_type)
        for image in previews.images
    ]
    return [*shown, TextContent(type="text", text=text), *map(_link, images)]


def _linked(images: Sequence[StoredImage], studio: Studio) -> Sequence[StoredImage]:
    """The images that a result links to."""
    return images if studio.settings.resource_links else ()


def _link(image: StoredImage) -> ResourceLink:
    return ResourceLink(
        type="resource_link",
        uri=image.uri,
        name=image.file_path.name,
        mime_type=image.mime_type,
        size=image.size_bytes,
    )
