"""Tools that refine an image over several turns."""

from __future__ import annotations

from fastmcp import Context
from fastmcp.dependencies import CurrentContext, Depends
from fastmcp.tools import ToolResult

from gpt_image_mcp.mcp_app.app import ENDS, READS, SPENDS, current_studio, patience, tool, watcher
from gpt_image_mcp.mcp_app.tool_results import present, present_ended, present_sessions
from gpt_image_mcp.mcp_app.tools.parameters import (
    ExtraImages,
    FromTurn,
    PlainBackground,
    PlainCompression,
    PlainFormat,
    PlainImages,
    PlainQuality,
    PlainRegions,
    Wait,
)
from gpt_image_mcp.presentation.schemas import ENDED_SCHEMA, SESSION_IMAGES_SCHEMA, SESSIONS_SCHEMA
from gpt_image_mcp.studio import Studio


@tool("Start edit session", annotations=SPENDS, output_schema=SESSION_IMAGES_SCHEMA)
async def start_edit_session(
    prompt: str,
    images: PlainImages,
    mask: str = "",
    regions: PlainRegions = [],  # noqa: B006 - as above
    model: str = "",
    size: str = "auto",
    quality: PlainQuality = "auto",
    background: PlainBackground = "auto",
    output_format: PlainFormat = "png",
    output_compression: PlainCompression = 100,
    output_dir: str = "",
    filename_prefix: str = "",
    filename: str = "",
    user: str = "",
    wait_seconds: Wait = -1,
    context: Context = CurrentContext(),
    studio: Studio = Depends(current_studio),
) -> ToolResult:
    """Start refining an image over several turns: makes the first edit and returns a session_id.

    For one change use edit_image. Parameters and costs as there; later turns inherit the output parameters.
    """
    result = await studio.start_session(
        prompt,
        images,
        mask=mask,
        regions=regions,
        wait_seconds=patience(wait_seconds, studio),
        watch=watcher(context),
        model=model,
        size=size,
        quality=quality,
        background=background,
        output_format=output_format,
        output_compression=output_compression,
        output_dir=output_dir,
        filename_prefix=filename_prefix,
        filename=filename,
        user=user,
    )
    return await present(result, studio)


@tool("Continue edit session", annotations=SPENDS, output_schema=SESSION_IMAGES_SCHEMA)
async def continue_edit_session(
    session_id: str,
    prompt: str,
    from_turn: FromTurn = -1,
    images: ExtraImages = [],  # noqa: B006 - never changed; FastMCP shows it in the schema
    mask: str = "",
    regions: PlainRegions = [],  # noqa: B006 - as above
    model: str = "",
    size: str = "auto",
    quality: PlainQuality = "auto",
    background: PlainBackground = "auto",
    output_format: PlainFormat = "png",
    output_compression: PlainCompression = 100,
    filename_prefix: str = "",
    filename: str = "",
    user: str = "",
    wait_seconds: Wait = -1,
    context: Context = CurrentContext(),
    studio: Studio = Depends(current_studio),
) -> ToolResult:
    """Change the latest image of a session, or with from_turn branch from an earlier one.

    One change per turn works best. What is left at its default keeps the session's choice.
    """
    result = await studio.continue_session(
        session_id,
        prompt,
        from_turn=from_turn,
        images=images,
        mask=mask,
        regions=regions,
        wait_seconds=patience(wait_seconds, studio),
        watch=watcher(context),
        model=model,
        size=size,
        quality=quality,
        background=background,
        output_format=output_format,
        output_compression=output_compression,
        filename_prefix=filename_prefix,
        filename=filename,
        user=user,
    )
    return await present(result, studio)


@tool("End edit session", annotations=ENDS, output_schema=ENDED_SCHEMA)
async def end_edit_session(session_id: str, studio: Studio = Depends(current_studio)) -> ToolResult:
    """End a session for good; its images stay on disk. Free."""
    return present_ended(await studio.end_session(session_id))


@tool("List edit sessions", annotations=READS, output_schema=SESSIONS_SCHEMA)
async def list_edit_sessions(studio: Studio = Depends(current_studio)) -> ToolResult:
    """List the sessions that can be continued, latest first, with turns, last prompt and last image. Free."""
    return present_sessions(await studio.list_sessions())
