"""The command that writes a contact sheet."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Annotated, cast, get_args

from cyclopts import Parameter

from gpt_image_mcp.calls.destination import format_of_ending, target_files
from gpt_image_mcp.cli.commands.parameters import AsJson, Flag, OutputFile
from gpt_image_mcp.cli.console import Console
from gpt_image_mcp.cli.output_file import written_to
from gpt_image_mcp.errors import OutputRejected, StorageFailed
from gpt_image_mcp.folders import output_folder
from gpt_image_mcp.library.storage import write_exclusive, write_over
from gpt_image_mcp.object_paths import location
from gpt_image_mcp.presentation.comparison import comparison_content, comparison_text
from gpt_image_mcp.settings import read_settings
from gpt_image_mcp.studio import Studio
from gpt_image_mcp.threads import in_saving
from gpt_image_mcp.values.options import OutputOptions
from gpt_image_mcp.values.views import InlineImage, PreviewFormat

NEXT_STEP = "gpt-image-mcp edit takes the id of the chosen one."
_MOST_BYTES = 10_000_000


async def compare(
    refs: Annotated[list[str], Parameter(negative="")],
    /,
    *,
    output: OutputFile = "",
    overwrite: Flag = False,
    as_json: AsJson = False,
) -> int:
    """Show up to 12 pictures side by side, numbered and labelled, as one image file, and print its path.

    Args:
        refs: Ids of images, sessions or finished jobs, files or addresses.
        output: The file to write, whose extension chooses the format; without, one in the output folder.
        overwrite: Replace the file of this name.
        as_json: Print the structured result on stdout.
    """
    options = written_to(OutputOptions(overwrite=overwrite), output)
    console, settings = Console(), read_settings()
    file = output_folder(settings, options.output_dir) / "compare.jpg"
    if options.filename:
        (file,) = target_files(options, settings)
    output_format = _sheet_format(file)
    async with Studio(settings) as studio:
        compared = await studio.compare(refs, max_bytes=_MOST_BYTES, output_format=output_format)
    sheet = cast("InlineImage", compared.sheet)  # no sheet has as many bytes
    path = await in_saving(_write, sheet.data, file, overwrite=overwrite)
    if as_json:
        console.print_json(comparison_content(compared, next_step=NEXT_STEP, file_path=path))
    else:
        console.say(*comparison_text(compared, NEXT_STEP).split("\n"))
        console.print_lines([location(path)])
    return 0


def _sheet_format(file: Path) -> PreviewFormat:
    made = format_of_ending(file)
    if made not in get_args(PreviewFormat):
        message = f"The sheet would be {file.name}, and no sheet is made as {file.suffix.lower()}."
        raise OutputRejected(message, next_step="End --output with .png, .jpg or .webp.")
    return cast("PreviewFormat", made)


def _write(data: bytes, path: Path, *, overwrite: bool) -> Path:
    numbered = (f"{path.stem}-{number}{path.suffix}" for number in itertools.count(2))
    try:
        if overwrite:
            return write_over(path, data)
        return write_exclusive(path.parent, itertools.chain([path.name], numbered), data)
    except OSError as error:
        message = f"The sheet could not be written to {location(path)}: {error.strerror or error}."
        raise StorageFailed(message, next_step="Free some space, or pass another --output.") from error
