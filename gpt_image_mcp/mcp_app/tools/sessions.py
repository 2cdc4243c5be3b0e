"""Tools that refine an image over several turns."""

from __future__ import annotations

from fastmcp import Context
from fastmcp.dependencies import CurrentContext, Depends
from fastmcp.tools import ToolResult

from gpt_image_mcp.mcp_app.app import ENDS, READS, SPENDS, current_studio, mcp, patience, watcher
from gpt_image_mcp.mcp_app.tool_results import present, present_ended, present_sessions
from gpt_image_mcp.mcp_app.tools.output_options import STILLS_ONLY, output_options
from gpt_image_mcp.mcp_app.tools.parameters import (
    KEPT,
    EditPrompt,
    ExtraImages,
    FromTurn,
    ImageReferences,
    Mask,
    Regions,
    SessionId,
    SessionLimit,
    StillFormat,
    TurnFormat,
    TurnPrompt,
    Wait,
)
from gpt_image_mcp.presentation.schemas import OUTPUT_SCHEMAS
from gpt_image_mcp.studio import Studio
from gpt_image_mcp.values.options import OutputOptions


@mcp.tool(
    title="Start session",
    description=(
        "Start refining an image over several turns: makes the first edit and returns a session_id for "
        "continue_edit_session. For one change use edit_image. Costs money. "
        "Collect a job_id with get_image."
    ),
    annotations=SPENDS,
    output_schema=OUTPUT_SCHEMAS["start_edit_session"],
)
@output_options(words={"output_format": StillFormat}, without=("n", *STILLS_ONLY))
async def start_edit_session(
    *,
    prompt: EditPrompt,
    images: ImageReferences,
    mask: Mask = "",
    regions: Regions = [],  # noqa: B006 - never changed; FastMCP shows it in the schema
    output: OutputOptions,
    wait_seconds: Wait = -1,
    context: Context = CurrentContext(),
    studio: Studio = Depends(current_studio),
) -> ToolResult:
    result = await studio.start_session(
        prompt,
        images,
        mask=mask,
        regions=regions,
        wait_seconds=patience(wait_seconds, studio),
        watch=watcher(context),
        **output.arguments(),
    )
    return await present(result, studio)


@mcp.tool(
    title="Continue session",
    description=(
        "Change the latest image of a session, or with from_turn an earlier one. Costs money. Collect a "
        "job_id with get_image."
    ),
    annotations=SPENDS,
    output_schema=OUTPUT_SCHEMAS["continue_edit_session"],
)
@output_options(
    words={
        "model": KEPT,
        "size": f"WxH, a ratio (16:9), 2k or 4k. {KEPT}",
        "quality": KEPT,
        "background": KEPT,
        "output_format": TurnFormat,
    },
    without=("n", "output_dir", *STILLS_ONLY),
)
async def continue_edit_session(
    *,
    session_id: SessionId,
    prompt: TurnPrompt,
    from_turn: FromTurn = -1,
    images: ExtraImages = [],  # noqa: B006 - never changed; FastMCP shows it in the schema
    mask: Mask = "",
    regions: Regions = [],  # noqa: B006 - as above
    output: OutputOptions,
    wait_seconds: Wait = -1,
    context: Context = CurrentContext(),
    studio: Studio = Depends(current_studio),
) -> ToolResult:
    result = await studio.continue_session(
        session_id,
        prompt,
        from_turn=from_turn,
        images=images,
        mask=mask,
        regions=regions,
        wait_seconds=patience(wait_seconds, studio),
        watch=watcher(context),
        **output.arguments(),
    )
    return await present(result, studio)


@mcp.tool(
    title="End session",
    description="End a session for good; its images stay. Free.",
    annotations=ENDS,
    output_schema=OUTPUT_SCHEMAS["end_edit_session"],
)
async def end_edit_session(session_id: SessionId, studio: Studio = Depends(current_studio)) -> ToolResult:
    return present_ended(await studio.end_session(session_id))


@mcp.tool(
    title="List sessions",
    description=("List sessions, latest first, with turns, last prompt and last image. Free."),
    annotations=READS,
    output_schema=OUTPUT_SCHEMAS["list_edit_sessions"],
)
async def list_edit_sessions(
    limit: SessionLimit = 20, studio: Studio = Depends(current_studio)
) -> ToolResult:
    # An object without members is refused by OpenAI's strict mode and by Gemini's API.
    return present_sessions((await studio.list_sessions())[:limit])
