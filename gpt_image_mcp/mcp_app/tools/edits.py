"""Tools that change images."""

from __future__ import annotations

from fastmcp import Context
from fastmcp.dependencies import CurrentContext, Depends
from fastmcp.tools import ToolResult

from gpt_image_mcp.mcp_app.app import SPENDS, current_studio, mcp, patience, watcher
from gpt_image_mcp.mcp_app.published import WORDS
from gpt_image_mcp.mcp_app.tool_results import present, present_batch
from gpt_image_mcp.mcp_app.tools.output_options import MAY_BE_SANDBOX, STILLS_ONLY, output_options
from gpt_image_mcp.mcp_app.tools.parameters import (
    BatchImages,
    BatchPrompt,
    BatchReferences,
    Concurrency,
    EditPrompt,
    EditType,
    ImageReferences,
    InputFidelity,
    KeepUnmasked,
    Marks,
    Markup,
    Mask,
    OnError,
    Regions,
    StillFormat,
    Wait,
)
from gpt_image_mcp.presentation.schemas import OUTPUT_SCHEMAS
from gpt_image_mcp.studio import Studio
from gpt_image_mcp.values.options import OutputOptions


@mcp.tool(
    title="Edit image",
    description=(
        "Change an image, or combine several into one, as the prompt says, and save the result. To change "
        "only a part, pass regions (read positions off get_image with grid) or a mask: the rest is kept "
        f"pixel for pixel. Costs money ({WORDS.prices}; its inputs cost too) "
        "and takes 5 to 120 s. Collect a job_id with get_image."
    ),
    annotations=SPENDS,
    output_schema=OUTPUT_SCHEMAS["edit_image"],
)
@output_options(words=MAY_BE_SANDBOX)
async def edit_image(
    *,
    prompt: EditPrompt,
    images: ImageReferences,
    mask: Mask = "",
    regions: Regions = [],  # noqa: B006 - never changed; FastMCP shows it in the schema
    edit_type: EditType = "free",
    input_fidelity: InputFidelity = "auto",
    keep_unmasked: KeepUnmasked = True,
    markup: Markup = "",
    marks: Marks = [],  # noqa: B006 - never changed; FastMCP shows it in the schema
    output: OutputOptions,
    wait_seconds: Wait = -1,
    context: Context = CurrentContext(),
    studio: Studio = Depends(current_studio),
) -> ToolResult:
    result = await studio.edit(
        prompt,
        images,
        mask=mask,
        regions=regions,
        edit_type=edit_type,
        input_fidelity=input_fidelity,
        keep_unmasked=keep_unmasked,
        markup=markup,
        marks=marks,
        wait_seconds=patience(wait_seconds, studio),
        watch=watcher(context),
        **output.arguments(),
    )
    return await present(result, studio)


@mcp.tool(
    title="Batch edit",
    description=(
        "Make the same edit on each of many images. Costs money for each; estimate_cost tells how much. "
        "Returns one entry per input, in order: its file and cost, or its error. Collect a job_id with "
        "get_image."
    ),
    annotations=SPENDS,
    output_schema=OUTPUT_SCHEMAS["batch_edit_images"],
)
@output_options(
    words={
        "filename": "Exact name or path, such as out/{name}-red.jpg; {name} is the input's.",
        "output_format": StillFormat,
    },
    without=("n", *STILLS_ONLY),
)
async def batch_edit_images(
    *,
    prompt: BatchPrompt,
    images: BatchImages,
    references: BatchReferences = [],  # noqa: B006 - never changed; FastMCP shows it in the schema
    edit_type: EditType = "free",
    on_error: OnError = "continue",
    concurrency: Concurrency = 3,
    output: OutputOptions,
    wait_seconds: Wait = -1,
    context: Context = CurrentContext(),
    studio: Studio = Depends(current_studio),
) -> ToolResult:
    result = await studio.batch_edit(
        prompt,
        images,
        references=references,
        edit_type=edit_type,
        on_error=on_error,
        concurrency=concurrency,
        wait_seconds=patience(wait_seconds, studio),
        watch=watcher(context),
        **output.arguments(),
    )
    return await present_batch(result, studio)
