"""The main job in the sandbox, step by step, for someone who wants to see it before anything else."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from gpt_image_mcp.settings import read_settings
from gpt_image_mcp.studio import Studio

if TYPE_CHECKING:
    from gpt_image_mcp.console import Console
    from gpt_image_mcp.values import ImageResult, OutputArguments

_POSTER = 'A poster for a small bakery, the words "FRESH AT SEVEN" in large letters, morning light'
_ICON = "A paper boat, flat icon, two colours"


async def run_demo(output_dir: str, console: Console) -> None:
    """Makes the demo's images and prints each file, its cost and the total.

    Raises:
        ImageError: If the output folder cannot be used.
    """
    console.print_lines(["gpt-image-mcp demo: sandbox, no key, no network. Costs are what OpenAI would ask."])
    async with Studio(read_settings().model_copy(update={"sandbox": True, "api_key": None})) as studio:
        steps: tuple[tuple[str, str, OutputArguments], ...] = (
            ("generate a poster, 3:2, high", _POSTER, {"size": "landscape", "quality": "high"}),
            (
                "generate two icon drafts, low, webp",
                _ICON,
                {"n": 2, "quality": "low", "size": "square", "output_format": "webp"},
            ),
        )
        total = Decimal(0)
        for title, prompt, shape in steps:
            output: OutputArguments = {**shape, "output_dir": output_dir, "filename_prefix": "demo"}
            result = await studio.generate(prompt, **output)
            total += _print_step(title, result, console)
    console.print_lines([f"total {_dollars(total)}, really spent $0"])


def _print_step(title: str, result: ImageResult, console: Console) -> Decimal:
    spent = result.cost.usd if result.cost and result.cost.usd is not None else Decimal(0)
    console.print_lines(
        [
            f"\n{title}: {_dollars(spent)}",
            *(f"  {image.file_path}  {image.width}x{image.height}" for image in result.images),
        ]
    )
    return spent


def _dollars(amount: Decimal) -> str:
    return f"${amount:.4f}"
