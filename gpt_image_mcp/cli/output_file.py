"""The option ``--output FILE``, which gives folder, name and format together."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gpt_image_mcp.coercion import format_name
from gpt_image_mcp.errors import OutputRejected
from gpt_image_mcp.paths import local_path

if TYPE_CHECKING:
    from gpt_image_mcp.values.options import OutputOptions

_FORMAT_OF_SUFFIX = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp"}
_USUAL_SUFFIX = {"jpeg": ".jpg"}


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
    """The options with the folder, the name and the format of a file, or with a folder alone.

    A name without an ending gets the one of ``options.output_format``. Without either nothing changes.

    Raises:
        OutputRejected: If it is no path, its ending belongs to no format that images can have, or the file
            exists and ``overwrite`` is not set.
    """
    if not output:
        return options
    file = absolute_path(output)
    if output.endswith(("/", os.sep)) or file.is_dir():
        return replace(options, output_dir=str(file))
    asked = str(format_name(options.output_format))
    suffix = file.suffix.lower() or _USUAL_SUFFIX.get(asked, f".{asked}")
    if suffix not in _FORMAT_OF_SUFFIX:
        message = f"{file.name} ends with {suffix}, and images are made as {', '.join(_FORMAT_OF_SUFFIX)}."
        raise OutputRejected(message, next_step="Choose one of these endings.")
    file = file.with_suffix(suffix)
    if file.exists() and not options.overwrite:
        message = f"The file {file} exists."
        raise OutputRejected(message, next_step="Choose another --output, or pass --overwrite.")
    return replace(
        options,
        output_dir=str(file.parent),
        filename=file.name,
        output_format=_FORMAT_OF_SUFFIX[suffix],
    )
