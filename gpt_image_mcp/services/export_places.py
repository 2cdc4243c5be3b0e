"""Where an export goes: the folder and the name that a caller chose, or the folder of the source."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from gpt_image_mcp.calls.destination import folder_and_name, names_folder
from gpt_image_mcp.errors import OutputRejected, quoted
from gpt_image_mcp.folders import project_root, require_allowed, require_target
from gpt_image_mcp.library import storage
from gpt_image_mcp.library.naming import check_filename
from gpt_image_mcp.paths import is_within, unquoted
from gpt_image_mcp.values.options import OutputOptions
from gpt_image_mcp.visible_text import without_unseen

if TYPE_CHECKING:
    from gpt_image_mcp.imaging.export_presets import ExportOptions
    from gpt_image_mcp.services.inputs import Source
    from gpt_image_mcp.settings import Settings

EXTENSIONS = {"jpeg": "jpg"}
_FORMATS = {".jpg": "jpeg", **{f".{name}": name for name in ("png", "jpeg", "webp", "avif", "ico", "svg")}}
_NO_FORMAT_OF_OURS = re.compile(r"\.(gif|bmp|tiff?|heic|pdf)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the files of an export go.

    Attributes:
        folder: Judged, but not tried yet.
        filename: An exact name with its ending; empty for one that is made from the source's.
        is_chosen: Whether the caller named the folder.
        overwrite: Whether a file of the exact name is replaced.
    """

    folder: Path
    filename: str
    is_chosen: bool
    overwrite: bool


def with_named_format(options: ExportOptions) -> ExportOptions:
    """The options with the format that the ending of an exact name says.

    Raises:
        OutputRejected: If the ending is of a format that is not written, or not of the one chosen.
    """
    filename = unquoted(options.filename)
    shown = without_unseen(filename)
    said = _FORMATS.get(Path(shown).suffix.lower(), "")
    other = _NO_FORMAT_OF_OURS.search(shown)
    if other:
        message = f"filename is {quoted(filename)}, and {other[1].lower()} is not written."
        raise OutputRejected(
            message, next_step="End it with .png, .jpg, .webp, .avif, .ico or, of an SVG, .svg."
        )
    if said and options.output_format not in ("", said):
        message = f"filename is {quoted(filename)}, and output_format is {options.output_format}."
        raise OutputRejected(message, next_step="Leave out output_format, or choose an ending that agrees.")
    return replace(options, filename=filename, output_format=said or options.output_format)


def choose_place(options: ExportOptions, settings: Settings) -> Place:
    """What the options say of folder and name. Blocking.

    Raises:
        OutputRejected: If the folder or the name cannot be used.
    """
    asked = OutputOptions(filename=options.filename, output_dir=options.output_dir)
    folder, filename = folder_and_name(asked, settings)
    if filename:
        check_filename(filename)
        require_target(folder / filename, settings, overwrite=options.overwrite)
    has_folder = bool(unquoted(options.output_dir)) or names_folder(options.filename)
    replaces = options.overwrite and bool(filename)
    return Place(folder=folder, filename=filename, is_chosen=has_folder, overwrite=replaces)


def place_beside(source: Source, place: Place, settings: Settings) -> Place:
    """The folder of a source that lies in the project, where the caller named none. Blocking."""
    if place.is_chosen or source.path is None:
        return place
    folder = source.path.parent
    try:
        root = project_root(settings)
        if root == Path(root.anchor) or not is_within(folder, (root,)):
            return place
        storage.require_writable(require_allowed(folder, settings))
    except OutputRejected:
        return place
    require_target(folder / place.filename, settings, overwrite=place.overwrite)
    return replace(place, folder=folder)


def file_name(place: Place, output_format: str) -> str:
    """The exact name, with the ending of the format where it has none."""
    if Path(place.filename).suffix.lower() in _FORMATS:
        return place.filename
    return f"{place.filename}.{EXTENSIONS.get(output_format, output_format)}"
