"""The option ``--output FILE``, which gives folder, name and format together."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gpt_image_mcp.calls.destination import exact_names
from gpt_image_mcp.errors import OutputRejected
from gpt_image_mcp.paths import local_path, real_path

if TYPE_CHECKING:
    from gpt_image_mcp.values.options import OutputOptions


def absolute_path(text: str) -> Path:
    """The path that an argument means; a relative one starts at the working directory.

    Raises:
        OutputRejected: If it is no path, or the working directory was deleted.
    """
    try:
        return local_path(text, base=Path()).absolute()
    except (OSError, RuntimeError, ValueError) as error:
        message = f"The path {text!r} cannot be used: {getattr(error, 'strerror', None) or error}."
        raise OutputRejected(message, next_step="Pass an absolute path.") from error


def written_to(options: OutputOptions, output: str) -> OutputOptions:
    """The options with the exact path of a file, or with a folder; without either nothing changes.

    Raises:
        OutputRejected: If it is no path, its ending cannot be had, or a file exists and ``overwrite`` is not
            set: a person does not look for a name that was not asked for.
    """
    if not output:
        return options
    file = absolute_path(output)
    if output.endswith(("/", os.sep)) or os.path.isdir(file):
        return replace(options, output_dir=str(file))
    file = real_path(file.parent) / file.name if ".." in file.parts else file
    files = [file.parent / name for name in exact_names(file.name, options)]
    existing = next(filter(os.path.lexists, files), None)
    if existing and not options.overwrite:
        message = f"The file {existing} exists."
        raise OutputRejected(message, next_step="Choose another --output, or pass --overwrite.")
    return replace(options, output_dir="", filename=str(file))
