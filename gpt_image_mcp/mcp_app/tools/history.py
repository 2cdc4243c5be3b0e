"""The tool that searches the history."""

from __future__ import annotations

from fastmcp.dependencies import Depends
from fastmcp.tools import ToolResult

from gpt_image_mcp.mcp_app.app import READS, current_studio, mcp
from gpt_image_mcp.mcp_app.tool_results import present_history
from gpt_image_mcp.mcp_app.tools.parameters import (
    Limit,
    Offset,
    OfModel,
    OfSession,
    Query,
    Since,
    Until,
)
from gpt_image_mcp.presentation.schemas import OUTPUT_SCHEMAS
from gpt_image_mcp.studio import Studio


@mcp.tool(
    title="Find images",
    description=(
        'What was spent, by day and model (for sums alone limit 0; since "today" or "7d"), and the images '
        "made before, newest first, searched by words of their prompts. Also lists running calls and "
        "those of unknown outcome. Free."
    ),
    annotations=READS,
    output_schema=OUTPUT_SCHEMAS["find_images"],
)
async def find_images(
    *,
    query: Query = "",
    limit: Limit = 20,
    offset: Offset = 0,
    session_id: OfSession = "",
    model: OfModel = "",
    since: Since = "",
    until: Until = "",
    studio: Studio = Depends(current_studio),
) -> ToolResult:
    found = await studio.history.search(
        query=query,
        limit=limit,
        offset=offset,
        session_id=session_id,
        model=model,
        since=since,
        until=until,
    )
    return present_history(found, studio)
