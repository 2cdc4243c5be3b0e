"""The command that converts images on this machine."""

from __future__ import annotations

import os
from typing import Literal

from gpt_image_mcp.cli.commands.parameters import AsJson, Flag, OutputFile
from gpt_image_mcp.cli.console import Console
from gpt_image_mcp.cli.output_file import absolute_path
from gpt_image_mcp.object_paths import location
from gpt_image_mcp.presentation.exports import export_content, export_text
from gpt_image_mcp.settings import read_settings
from gpt_image_mcp.studio import Studio


async def export(
    ref: str,
    /,
    *,
    output: OutputFile = "",
    output_format: str = "",
    width: int = 0,
    height: int = 0,
    fit: Literal["auto", "contain", "cover", "stretch"] = "auto",
    preset: Literal["none", "favicon", "app_icon", "social"] = "none",
    quality: int = 0,
    max_kb: float = 0,
    background: str = "",
    overwrite: Flag = False,
    as_json: AsJson = False,
) -> int:
    """Convert an image into another format or size, or the files of a preset, and print their paths. Free.

    Args:
        ref: An image id, a file or an address.
        output: The file to write, whose extension chooses the format; or a folder, with / at its end.
            Without, beside a source in the project, else where images go.
        output_format: png, jpeg, webp, avif or ico; svg for a cleaned copy of an SVG.
        width: Pixels; 0 follows from the height.
        height: Likewise.
        fit: How the picture goes into width and height; auto crops for presets and else shows all of it.
        preset: A set: favicon (with the lines for a page), app_icon or social.
        quality: 1 to 100, for jpeg, webp and avif.
        max_kb: The best quality within so many thousand bytes, then fewer pixels if no size is given.
        background: A colour behind transparency and in bars, or transparent.
        overwrite: Replace the file that --output names.
        as_json: Print the structured result on stdout.
    """
    output_dir, filename = _folder_and_file(output, is_set=preset != "none")
    console = Console()
    async with Studio(read_settings()) as studio:
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
            overwrite=overwrite,
            output_dir=output_dir,
            filename=filename,
        )
    if as_json:
        console.print_json(export_content(result))
        return 0
    console.say(*export_text(result).split("\n"))
    console.print_lines(location(file.file_path) for file in result.files)
    return 0


def _folder_and_file(output: str, *, is_set: bool) -> tuple[str, str]:
    """The folder or else the file that ``--output`` names; a set of files goes into a folder."""
    if not output:
        return "", ""
    path = absolute_path(output)
    is_folder = is_set or output.endswith(("/", os.sep)) or os.path.isdir(path)
    return (str(path), "") if is_folder else ("", str(path))
