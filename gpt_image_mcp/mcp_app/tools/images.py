"""Tools that make images, look at them and tell what they cost."""

from __future__ import annotations

from fastmcp import Context
from fastmcp.dependencies import CurrentContext, Depends
from fastmcp.tools import ToolResult

from gpt_image_mcp.mcp_app.app import READS, SPENDS, current_studio, patience, tool, watcher
from gpt_image_mcp.mcp_app.tool_results import present, present_estimate, present_found
from gpt_image_mcp.mcp_app.tools.parameters import (
    Background,
    Count,
    CropBox,
    Filename,
    FilenamePrefix,
    Grid,
    InputImages,
    MaxEdge,
    Model,
    Moderation,
    OutputCompression,
    OutputDir,
    OutputFormat,
    PlainCount,
    PlainFormat,
    PlainQuality,
    Prompt,
    Quality,
    Ref,
    Size,
    User,
    Wait,
    WaitSeconds,
)
from gpt_image_mcp.presentation.schemas import ESTIMATE_SCHEMA, FOUND_SCHEMA, IMAGES_SCHEMA
from gpt_image_mcp.studio import Studio
from gpt_image_mcp.values.views import ViewOptions, parse_crop


@tool("Generate image", annotations=SPENDS, output_schema=IMAGES_SCHEMA)
async def generate_image(
    prompt: Prompt,
    model: Model = "",
    size: Size = "auto",
    quality: Quality = "auto",
    n: Count = 1,
    background: Background = "auto",
    output_format: OutputFormat = "png",
    output_compression: OutputCompression = 100,
    moderation: Moderation = "auto",
    output_dir: OutputDir = "",
    filename_prefix: FilenamePrefix = "",
    filename: Filename = "",
    user: User = "",
    wait_seconds: WaitSeconds = -1,
    context: Context = CurrentContext(),
    studio: Studio = Depends(current_studio),
) -> ToolResult:
    """Make new images from a text prompt with OpenAI's gpt-image models.

    Costs money (about $0.006 to $0.40 an image; estimate_cost tells) and takes 5 s to 2 min. Saves the files
    and returns their paths, ids, pixel sizes and cost with a small preview. If it takes long it returns a
    job_id: collect that with get_image and do not call this again.
    """
    result = await studio.generate(
        prompt,
        moderation=moderation,
        wait_seconds=patience(wait_seconds, studio),
        watch=watcher(context),
        model=model,
        size=size,
        quality=quality,
        n=n,
        background=background,
        output_format=output_format,
        output_compression=output_compression,
        output_dir=output_dir,
        filename_prefix=filename_prefix,
        filename=filename,
        user=user,
    )
    return await present(result, studio)


@tool("Get image", annotations=READS, output_schema=FOUND_SCHEMA)
async def get_image(
    ref: Ref,
    max_edge: MaxEdge = 0,
    crop: CropBox = "",
    grid: Grid = False,  # noqa: FBT002 - tools are called by name
    wait_seconds: Wait = -1,
    context: Context = CurrentContext(),
    studio: Studio = Depends(current_studio),
) -> ToolResult:
    """Look at an image again, larger, or at a part of it, or collect the result of a job_id.

    Returns its path, prompt, pixel size and cost with a preview; also shows files and URLs. Free.
    """
    view = ViewOptions(max_edge=max_edge, crop=parse_crop(crop), grid=grid)
    result = await studio.get(ref, wait_seconds=patience(wait_seconds, studio), watch=watcher(context))
    return await present_found(result, studio, view)


@tool("Estimate cost", annotations=READS, output_schema=ESTIMATE_SCHEMA)
async def estimate_cost(
    model: str = "",
    size: str = "auto",
    quality: PlainQuality = "auto",
    n: PlainCount = 1,
    output_format: PlainFormat = "png",
    input_images: InputImages = 0,
    studio: Studio = Depends(current_studio),
) -> ToolResult:
    """Quote in US dollars what generate_image, or an edit with input_images, would cost.

    Also gives the price at every quality and the budget left. Free, sends nothing.
    """
    quoted = await studio.estimate(
        model=model,
        size=size,
        quality=quality,
        n=n,
        output_format=output_format,
        input_images=input_images,
    )
    return present_estimate(quoted)
