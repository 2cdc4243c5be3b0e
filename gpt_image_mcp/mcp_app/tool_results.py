"""A value of the studio as MCP content: previews, a text that stands alone, links, structured content.

Some clients give the model only the text, others only the structured content; each is enough to act on.
What only a finished call needs is imported then, because clients wait for the server to start.
"""

from __future__ import annotations

import base64
import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from fastmcp.exceptions import ToolError
from fastmcp.tools import ToolResult
from mcp.types import ContentBlock, ImageContent, ResourceLink, TextContent

from gpt_image_mcp.errors import ImageError
from gpt_image_mcp.presentation.text import (
    batch_text,
    estimate_text,
    images_text,
    input_text,
    next_step_after_batch,
    next_step_after_estimate,
    next_step_after_images,
    sessions_text,
)
from gpt_image_mcp.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gpt_image_mcp.imaging.crops import Crop
    from gpt_image_mcp.imaging.previews import View
    from gpt_image_mcp.money import Estimate
    from gpt_image_mcp.services.exports import ExportResult
    from gpt_image_mcp.services.image_search import FoundImages
    from gpt_image_mcp.settings import Settings
    from gpt_image_mcp.studio import Studio
    from gpt_image_mcp.values.images import StoredImage
    from gpt_image_mcp.values.requests import InputImage
    from gpt_image_mcp.values.results import BatchResult, ImageResult
    from gpt_image_mcp.values.sessions import EndedSession, SessionSummary

ERROR_META = "gpt-image-mcp/error"
# The most that an explicit wish for a larger view may use: some clients cut results at 1,000,000 characters.
LARGEST_INLINE_CHARACTERS = 700_000
LARGEST_INLINE_EDGE = 4096
MOST_BATCH_PREVIEWS = 6


class ToolFailure(ToolError):
    """One of our errors on its way through FastMCP, which would mask any other exception."""

    def __init__(self, error: ImageError) -> None:
        super().__init__(str(error), log_level=logging.DEBUG)
        self.error = error


def failure(error: ImageError) -> ToolResult:
    """The tool result of an error: everything in the text, the machine-readable part in ``_meta``."""
    detail = {"code": error.code, "retryable": error.retryable, "request_id": error.request_id}
    return ToolResult(
        content=[TextContent(type="text", text=str(error))], meta={ERROR_META: detail}, is_error=True
    )


def add_notes(result: ToolResult, notes: Sequence[str]) -> ToolResult:
    """A result with further notes: in its text, and in its structured content if that has notes."""
    if not notes or result.is_error:
        return result
    structured = result.structured_content
    if structured is not None and "notes" in structured:
        structured = {**structured, "notes": [*structured["notes"], *notes]}
    content = [_noted(block, notes) if isinstance(block, TextContent) else block for block in result.content]
    return result.model_copy(update={"content": content, "structured_content": structured})


async def present(
    result: ImageResult,
    studio: Studio,
    *,
    max_edge: int = 0,
    crop: Crop | None = None,
    grid: bool = False,
) -> ToolResult:
    """An image result as MCP content.

    Args:
        result: Finished or running.
        studio: Where the files are read from, and whose settings bound the previews.
        max_edge: A larger view than usual; 0 takes the configured one.
        crop: The part to show.
        grid: Whether to draw rulers.
    """
    from gpt_image_mcp.presentation.structured import images_content

    count = len(result.images) or bool(result.partial)
    view = _view(studio.settings, images=count, max_edge=max_edge, crop=crop, grid=grid)
    shown = [await _preview(image, studio, view) for image in result.images] if view else []
    if view and result.partial:
        shown = [await _preview_of(lambda: result.partial, view, name="the partial image")]
    result = replace(result, notes=(*result.notes, *(block for block in shown if isinstance(block, str))))
    next_step = next_step_after_images(result)
    blocks: list[ContentBlock] = [block for block in shown if not isinstance(block, str)]
    blocks.append(TextContent(type="text", text=images_text(result, next_step)))
    blocks.extend(_link(image) for image in result.images)
    return ToolResult(content=blocks, structured_content=images_content(result, next_step=next_step))


async def present_found(
    found: ImageResult | BatchResult | InputImage,
    studio: Studio,
    *,
    max_edge: int,
    crop: Crop | None,
    grid: bool,
) -> ToolResult:
    """What was asked for by reference as MCP content: an image, or the result of a job."""
    from gpt_image_mcp.values.requests import InputImage
    from gpt_image_mcp.values.results import BatchResult

    if isinstance(found, BatchResult):
        return await present_batch(found, studio)
    if isinstance(found, InputImage):
        view = _view(studio.settings, images=1, max_edge=max_edge, crop=crop, grid=grid)
        return await _present_input(found, view)
    return await present(found, studio, max_edge=max_edge, crop=crop, grid=grid)


async def present_batch(result: BatchResult, studio: Studio) -> ToolResult:
    """A batch as MCP content; previews of the first few images, because more would be too small to see."""
    from gpt_image_mcp.presentation.structured import batch_content

    images = [image for entry in result.items for image in entry.images]
    shown = images[:MOST_BATCH_PREVIEWS]
    view = _view(studio.settings, images=len(shown), max_edge=0, crop=None, grid=False)
    previews = [await _preview(image, studio, view) for image in shown] if view else []
    notes = [block for block in previews if isinstance(block, str)]
    if view and len(images) > len(shown):
        notes.append(f"Previews of the first {len(shown)} of {len(images)} images; get_image shows any.")
    result = replace(result, notes=(*result.notes, *notes))
    next_step = next_step_after_batch(result)
    blocks: list[ContentBlock] = [block for block in previews if not isinstance(block, str)]
    blocks.append(TextContent(type="text", text=batch_text(result, next_step)))
    blocks.extend(_link(image) for image in images)
    return ToolResult(content=blocks, structured_content=batch_content(result, next_step=next_step))


async def _present_input(image: InputImage, view: View | None) -> ToolResult:
    """An image that is not of the library as MCP content."""
    from gpt_image_mcp.presentation.structured import input_content

    next_step = "It is not in the library; edit_image takes it by the same reference."
    shown = await _preview_of(lambda: image.data, view, name=image.name) if view else None
    if isinstance(shown, str):
        image = replace(image, notes=(*image.notes, shown))
    blocks: list[ContentBlock] = [shown] if isinstance(shown, ImageContent) else []
    blocks.append(TextContent(type="text", text=input_text(image, next_step)))
    return ToolResult(content=blocks, structured_content=input_content(image, next_step=next_step))


def present_history(found: FoundImages) -> ToolResult:
    """A page of the history as MCP content."""
    from gpt_image_mcp.presentation.history import history_content, history_text, next_step_after_search

    next_step = next_step_after_search(found)
    return ToolResult(
        content=[TextContent(type="text", text=history_text(found, next_step))],
        structured_content=history_content(found, next_step=next_step),
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


async def present_export(result: ExportResult, settings: Settings) -> ToolResult:
    """The files of an export as MCP content, with a preview of the first."""
    from gpt_image_mcp.presentation.exports import export_content, export_text

    view = _view(settings, images=1, max_edge=0, crop=None, grid=False)
    path = result.files[0].file_path
    shown = await _preview_of(path.read_bytes, view, name=path.name) if view else None
    if isinstance(shown, str):
        result = replace(result, notes=(*result.notes, shown))
    blocks: list[ContentBlock] = [shown] if isinstance(shown, ImageContent) else []
    blocks.append(TextContent(type="text", text=export_text(result)))
    return ToolResult(content=blocks, structured_content=export_content(result))


def present_estimate(estimate: Estimate) -> ToolResult:
    """A quote as MCP content."""
    from gpt_image_mcp.presentation.structured import estimate_content

    next_step = next_step_after_estimate(estimate, generate="Call generate_image", edit="Call edit_image")
    return ToolResult(
        content=[TextContent(type="text", text=estimate_text(estimate, next_step))],
        structured_content=estimate_content(estimate, next_step=next_step),
    )


def _noted(block: TextContent, notes: Sequence[str]) -> TextContent:
    """A text with notes where its own stand: before the next step."""
    said, mark, step = block.text.rpartition("\nNext: ")
    lines = "".join(f"\nNote: {note}" for note in notes)
    return block.model_copy(update={"text": f"{said}{lines}{mark}{step}"})


def _view(settings: Settings, *, images: int, max_edge: int, crop: Crop | None, grid: bool) -> View | None:
    """How previews are made, or None where a result carries none."""
    from gpt_image_mcp.imaging.previews import View, bytes_within_base64

    is_asked_for = bool(max_edge or crop or grid)
    if not images or (settings.inline == "none" and not is_asked_for):
        return None
    is_large = bool(max_edge) or settings.inline == "full"
    characters = LARGEST_INLINE_CHARACTERS if is_large else settings.inline_max_bytes
    usual_edge = LARGEST_INLINE_EDGE if settings.inline == "full" else settings.inline_max_edge
    return View(
        max_bytes=bytes_within_base64(characters // images),
        max_edge=max_edge or usual_edge,
        crop=crop,
        grid=grid,
    )


async def _preview(image: StoredImage, studio: Studio, view: View) -> ImageContent | str:
    """A preview, or a note why there is none: the image is saved all the same."""
    from gpt_image_mcp.imaging.preview_cache import preview_of

    try:
        data = await studio.read(image)
        is_plain = view.crop is None and not view.grid
        if studio.settings.inline == "full" and is_plain and len(data) <= view.max_bytes:
            return _image_content(data, image.mime_type)
        preview = await in_thread(preview_of, image, data, view)
    except ImageError as error:
        return f"No preview of {image.id}: {error.message}"
    return _image_content(preview.data, preview.mime_type)


async def _preview_of(read: Callable[[], bytes], view: View, *, name: str) -> ImageContent | str:
    """A preview of what is not in the library, or a note why there is none."""
    from gpt_image_mcp.imaging.previews import make_preview

    try:
        preview = await in_thread(lambda: make_preview(read(), view))
    except (ImageError, OSError) as error:
        return f"No preview of {name}: {error}"
    return _image_content(preview.data, preview.mime_type)


def _image_content(data: bytes, mime_type: str) -> ImageContent:
    return ImageContent(type="image", data=base64.b64encode(data).decode(), mime_type=mime_type)


def _link(image: StoredImage) -> ResourceLink:
    return ResourceLink(
        type="resource_link",
        uri=image.uri,
        name=image.file_path.name,
        mime_type=image.mime_type,
        size=image.size_bytes,
    )
