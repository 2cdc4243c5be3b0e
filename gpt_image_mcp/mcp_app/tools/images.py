"""Tools that make images, look at them and tell what they cost."""

from __future__ import annotations

from dataclasses import replace

from fastmcp import Context
from fastmcp.dependencies import CurrentContext, Depends
from fastmcp.tools import ToolResult

from gpt_image_mcp.mcp_app.app import READS, SPENDS, current_studio, mcp, patience, watcher
from gpt_image_mcp.mcp_app.published import WORDS
from gpt_image_mcp.mcp_app.tool_results import present, present_comparison, present_estimate, present_found
from gpt_image_mcp.mcp_app.tools.output_options import MAY_BE_SANDBOX, output_options
from gpt_image_mcp.mcp_app.tools.parameters import (
    AboutMarkup,
    BudgetUsd,
    CropBox,
    Grid,
    ImageCount,
    InputImages,
    JobWait,
    MaxEdge,
    Moderation,
    Prompt,
    Ref,
    Wait,
)
from gpt_image_mcp.presentation.schemas import OUTPUT_SCHEMAS
from gpt_image_mcp.studio import Studio
from gpt_image_mcp.values.options import OutputOptions
from gpt_image_mcp.values.views import ViewOptions, parse_crop


@mcp.tool(
    title="Generate image",
    description=(
        "Draw new images from a text prompt, and save them; edit_image changes one. Costs money for each "
        f"({WORDS.prices}; estimate_cost tells) and takes 5 to 120 s. Returns paths, ids, sizes and cost "
        "with a small preview. Collect a job_id with get_image."
    ),
    annotations=SPENDS,
    output_schema=OUTPUT_SCHEMAS["generate_image"],
)
@output_options(words=MAY_BE_SANDBOX, before={"output_dir": "moderation"})
async def generate_image(
    *,
    prompt: Prompt,
    output: OutputOptions,
    moderation: Moderation = "auto",
    wait_seconds: Wait = -1,
    context: Context = CurrentContext(),
    studio: Studio = Depends(current_studio),
) -> ToolResult:
    result = await studio.generate(
        prompt,
        moderation=moderation,
        wait_seconds=patience(wait_seconds, studio),
        watch=watcher(context),
        **output.arguments(),
    )
    return await present(result, studio)


@mcp.tool(
    title="Get image",
    description=(
        "Look at an image again, larger, or at a part of it; compare several on one numbered sheet; or "
        "collect the result of a job_id. Returns path, whole prompt, parents, pixel size and cost with a "
        "preview; of a session all turns. Also shows files and URLs. Free."
    ),
    annotations=READS,
    output_schema=OUTPUT_SCHEMAS["get_image"],
)
async def get_image(
    *,
    ref: Ref,
    max_edge: MaxEdge = 0,
    crop: CropBox = "",
    grid: Grid = False,
    wait_seconds: JobWait = -1,
    context: Context = CurrentContext(),
    studio: Studio = Depends(current_studio),
) -> ToolResult:
    view = ViewOptions(max_edge=max_edge, crop=parse_crop(crop), grid=grid)
    if isinstance(ref, list):
        return present_comparison(await studio.compare(ref, view))
    result = await studio.get(ref, wait_seconds=patience(wait_seconds, studio), watch=watcher(context))
    return await present_found(result, studio, view)


@mcp.tool(
    title="Estimate cost",
    description=(
        "Quote in US dollars what generate_image, or an edit with input_images, would cost, at every "
        "quality; what budget_usd pays for; the budget left; whether a key is set. Free."
    ),
    annotations=READS,
    output_schema=OUTPUT_SCHEMAS["estimate_cost"],
)
@output_options(
    words={"size": "auto, WxH, 16:9, square, wide, tall, 2k or 4k."},
    without=(
        *("n", "output_compression", "output_dir", "filename_prefix", "filename", "overwrite", "user"),
        "frame_duration_ms",
    ),
)
async def estimate_cost(
    *,
    output: OutputOptions,
    n: ImageCount = 1,
    markup: AboutMarkup = False,
    input_images: InputImages = 0,
    budget_usd: BudgetUsd = 0,
    studio: Studio = Depends(current_studio),
) -> ToolResult:
    images = replace(output, n=n).arguments()
    return present_estimate(
        await studio.estimate(input_images=input_images, budget_usd=budget_usd, markup=markup, **images)
    )
