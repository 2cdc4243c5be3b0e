"""The command that quotes a price."""

from __future__ import annotations

from gpt_image_mcp.cli.commands.parameters import AsJson
from gpt_image_mcp.cli.console import Console
from gpt_image_mcp.presentation.estimates import estimate_content, estimate_text, next_step_after_estimate
from gpt_image_mcp.settings import read_settings
from gpt_image_mcp.studio import Studio


async def estimate(
    *,
    model: str = "",
    size: str = "auto",
    exact_size: str = "",
    quality: str = "auto",
    n: int = 1,
    output_format: str = "png",
    background: str = "auto",
    complexity: str = "auto",
    frame_count: int = 0,
    markup: bool = False,
    input_images: int = 0,
    budget_usd: float = 0,
    as_json: AsJson = False,
) -> int:
    """Quote what a call would cost, without making it.

    Args:
        model: Model name; empty takes the configured one.
        size: auto, WxH, a ratio such as 16:9, or square, landscape, portrait (also with _2k or _4k), wide,
            tall, 2k, 4k.
        exact_size: Any WxH from 16 to 3840 a side instead of size, cut to the pixel on this machine.
        quality: auto, low, medium, high, on newer models xhigh and max; the others are quoted too.
        n: How many images, 1 to 1000, in as many calls as it takes.
        output_format: png, jpeg or webp; of newer models also gif and svg.
        background: auto, opaque or transparent (not jpeg).
        complexity: auto, low, medium or high, on newer models.
        frame_count: Frames of a gif, 2 to 16; 0 for 9.
        markup: Whether the edit has hints drawn onto its first image.
        input_images: How many input images an edit would have.
        budget_usd: An amount for which to say what fits it: qualities, models, how many.
        as_json: Print the structured quote on stdout.
    """
    async with Studio(read_settings()) as studio:
        quoted = await studio.estimate(
            model=model,
            size=size,
            exact_size=exact_size,
            quality=quality,
            n=n,
            output_format=output_format,
            background=background,
            complexity=complexity,
            frame_count=frame_count,
            markup=markup,
            input_images=input_images,
            budget_usd=budget_usd,
        )
    step = next_step_after_estimate(quoted, generate="Run generate", edit="Run edit")
    if as_json:
        Console().print_json(estimate_content(quoted, next_step=step))
    else:
        Console().print_lines(estimate_text(quoted, step).split("\n"))
    return 0
