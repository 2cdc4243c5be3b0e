"""The tool that deletes an image."""

from __future__ import annotations

from fastmcp.dependencies import Depends
from fastmcp.tools import ToolResult

from gpt_image_mcp.mcp_app.app import DELETES, current_studio, mcp
from gpt_image_mcp.mcp_app.tool_results import present_deletion
from gpt_image_mcp.mcp_app.tools.parameters import Confirm, OurImage
from gpt_image_mcp.presentation.schemas import OUTPUT_SCHEMAS
from gpt_image_mcp.studio import Studio


@mcp.tool(
    title="Delete image",
    description=(
        "Delete one image that was made here, for good: file, preview, metadata and history entry. Call it "
        "without confirm first and show the user what would go. Parents, children and what it cost stay."
    ),
    annotations=DELETES,
    output_schema=OUTPUT_SCHEMAS["delete_image"],
)
async def delete_image(
    *, ref: OurImage, confirm: Confirm = False, studio: Studio = Depends(current_studio)
) -> ToolResult:
    return present_deletion(await studio.delete(ref, confirm=confirm))
