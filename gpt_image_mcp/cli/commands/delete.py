"""The command that deletes an image."""

from __future__ import annotations

from gpt_image_mcp.cli.commands.parameters import AsJson, Flag
from gpt_image_mcp.cli.console import Console
from gpt_image_mcp.presentation.deletion import deletion_content, deletion_text, next_step_after_deletion
from gpt_image_mcp.settings import read_settings
from gpt_image_mcp.studio import Studio


async def delete(ref: str, /, *, yes: Flag = False, as_json: AsJson = False) -> int:
    """Delete one image with its previews, metadata and history entry; without --yes only say what would go.

    Args:
        ref: Its id or file. What it cost stays in all sums.
        yes: Delete it.
        as_json: Print what went, or would go, as JSON.
    """
    async with Studio(read_settings()) as studio:
        deletion = await studio.delete(ref, confirm=yes)
    step = next_step_after_deletion(deletion, confirm="pass --yes")
    if as_json:
        Console().print_json(deletion_content(deletion, next_step=step))
    else:
        Console().print_lines(deletion_text(deletion, step).split("\n"))
    return 0
