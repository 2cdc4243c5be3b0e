"""The command that writes the gallery."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from gpt_image_mcp.cli.commands.parameters import OutputFile
from gpt_image_mcp.cli.console import Console
from gpt_image_mcp.cli.output_file import absolute_path
from gpt_image_mcp.presentation.text import counted, readable_size
from gpt_image_mcp.settings import read_settings
from gpt_image_mcp.studio import Studio

if TYPE_CHECKING:
    from gpt_image_mcp.cli.gallery.page import GalleryReport


async def gallery(
    *,
    output: OutputFile = "",
    open_page: Annotated[bool, Parameter(name="--open", negative="")] = False,
    limit: Annotated[int, Parameter(validator=Number(gte=1, lte=1_000_000))] = 1000,
) -> int:
    """Write the history as one web page that needs no network, and print its path.

    Args:
        output: The file to write; without, one in the user's data folder. An older gallery is replaced.
        open_page: Show it in the web browser.
        limit: How many images at most, the newest.
    """
    from gpt_image_mcp.cli.gallery.page import default_page, write_gallery

    console = Console()
    async with Studio(read_settings()) as studio:
        images = await studio.history.newest(limit)
    with console.counting("Looking at images"):
        report = await write_gallery(images, absolute_path(output) if output else default_page())
    console.print_lines([str(report.path)])
    console.say(_summary(report))
    if open_page:
        _open(report.path, console)
    return 0


def _summary(report: GalleryReport) -> str:
    parts = [f"{counted(report.images, 'image')}, {readable_size(report.size_bytes)}"]
    if report.missing:
        parts.append(f"files that are missing: {report.missing}")
    if report.unfinished:
        parts.append(f"still without a thumbnail, until the next gallery: {report.unfinished}")
    return "; ".join(parts) + "."


def _open(path: Path, console: Console) -> None:
    import webbrowser

    if not webbrowser.open(path.as_uri()):
        console.say("No web browser could be started; open the file yourself.")
