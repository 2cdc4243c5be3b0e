"""The tool that converts images on this machine."""

from __future__ import annotations

from fastmcp.dependencies import Depends
from fastmcp.tools import ToolResult

from gpt_image_mcp.mcp_app.app import CONVERTS, current_studio, mcp
from gpt_image_mcp.mcp_app.tool_results import present_export
from gpt_image_mcp.mcp_app.tools.parameters import (
    AnyImage,
    BackgroundColour,
    ExportFolder,
    ExportFormat,
    ExportName,
    ExportQuality,
    FitMode,
    Height,
    MaxKilobytes,
    Preset,
    Width,
)
from gpt_image_mcp.presentation.schemas import OUTPUT_SCHEMAS
from gpt_image_mcp.studio import Studio


@mcp.tool(
    title="Export image",
    description=(
        "Convert, resize or crop an image into new files: a format, a size, favicons, app icons, social "
        "cards. Free and local: use it instead of a paid edit when nothing new has to be drawn. The "
        "original stays. Returns paths and sizes; of favicons the HTML lines."
    ),
    annotations=CONVERTS,
    output_schema=OUTPUT_SCHEMAS["export_image"],
)
async def export_image(
    *,
    ref: AnyImage,
    output_format: ExportFormat = "",
    width: Width = 0,
    height: Height = 0,
    fit: FitMode = "auto",
    preset: Preset = "none",
    quality: ExportQuality = 0,
    max_kb: MaxKilobytes = 0,
    background: BackgroundColour = "",
    filename: ExportName = "",
    output_dir: ExportFolder = "",
    studio: Studio = Depends(current_studio),
) -> ToolResult:
    result = await studio.export(
        ref,
        output_format=output_format,
        width=width,
        height=height,
        fit=fit,
        preset=preset,
        quality=quality,
        max_kb=max_kb,
        background=background,
        filename=filename,
        output_dir=output_dir,
    )
    return await present_export(result, studio)
