"""The option ``--output FILE``, which gives folder, name and format together."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gpt_image_mcp.coercion import format_name
from gpt_image_mcp.errors import OutputRejected

if TYPE_CHECKING:
    from pathlib import Path

    from gpt_image_mcp.values.options import OutputOptions

_FORMAT_OF_SUFFIX = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp"}
_USUAL_SUFFIX = {"jpeg": ".jpg"}


def written_to(options: OutputOptions, file: Path | None) -> OutputOptions:
    """The options with the folder, the name and the format of a file.

    A name without an ending gets the one of ``options.output_format``. Without a file nothing changes.

    Raises:
        OutputRejected: If the ending belongs to no format that images can have, or the file exists and
            ``overwrite`` is not set.
    """
    if file is None:
        return options
    file = file.expanduser()
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
        output_dir=str(file.absolute().parent),
        filename=file.name,
        output_format=_FORMAT_OF_SUFFIX[suffix],
    )
