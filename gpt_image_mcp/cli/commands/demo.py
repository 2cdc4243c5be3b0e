"""The command that shows the main job."""

from __future__ import annotations

from gpt_image_mcp.cli.console import Console


async def demo(*, output_dir: str = "") -> int:
    """Show the main job in the sandbox: no key, no network, no cost.

    Args:
        output_dir: Folder for the images; empty takes the configured one.
    """
    from gpt_image_mcp.cli.demo import run_demo

    await run_demo(output_dir, Console())
    return 0
