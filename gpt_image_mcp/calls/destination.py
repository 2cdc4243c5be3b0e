"""Where the files of a call go: the folder and the exact name that a caller asked for."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gpt_image_mcp.catalogue.validation import refuse_animation_and_vectors
from gpt_image_mcp.coercion import format_name
from gpt_image_mcp.errors import OutputRejected, quoted
from gpt_image_mcp.folders import home_folder, output_folder, project_path, require_allowed, require_writable
from gpt_image_mcp.library.naming import check_filename, numbered
from gpt_image_mcp.paths import is_within, local_path, unquoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gpt_image_mcp.settings import Settings
    from gpt_image_mcp.values.options import OutputOptions

_FORMATS = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp"}
_USUAL_FORMAT, _USUAL_SUFFIX = "png", {"jpeg": ".jpg"}
_NO_FORMAT_OF_OURS = re.compile(r"\.(bmp|tiff?|avif|ico|heic|pdf)$", re.IGNORECASE)
_PLAIN_NEXT = "Pass a name such as logo.png or assets/logo.png; a folder in it starts at the project."


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where the files of a call go, decided and checked before it is paid for.

    Attributes:
        folder: What was asked for goes here.
        home: What belongs to it goes here, if that is not ``folder``: metadata, and pictures as returned.
        filename: An exact name without a folder; empty for unique names.
    """

    folder: Path
    home: Path
    filename: str


def choose_destination(options: OutputOptions, settings: Settings) -> Destination:
    """Decides where the files of a call go, and tries writing there. Blocking.

    Raises:
        OutputRejected: If the name, the folder or a file that would be replaced is not allowed.
    """
    folder, filename = folder_and_name(options, settings)
    if filename:
        check_filename(filename)
        for target in _targets(folder / filename, options):
            require_target(target, settings, overwrite=options.overwrite)
    home = home_folder(folder, settings)
    return Destination(folder=require_writable(folder), home=home, filename=filename)


def named_format(options: OutputOptions) -> str:
    """The format that the ending of an exact name says, where the caller did not choose another.

    Raises:
        OutputRejected: If the ending is of a format that images are not made in, or not of the one chosen.
        UnsupportedByModel: If it is of an animation or a vector file.
    """
    asked, filename = str(format_name(options.output_format)), unquoted(options.filename)
    refuse_animation_and_vectors("filename", filename, ending=Path(filename).suffix)
    if other := _NO_FORMAT_OF_OURS.search(filename):
        message = f"filename is {quoted(filename)}, and images are not made as {other[1].lower()}."
        raise OutputRejected(
            message, next_step="End it with .png, .jpg or .webp; export_image converts images afterwards."
        )
    said = _FORMATS.get(Path(filename).suffix.lower())
    if said is None or asked in (said, _USUAL_FORMAT):
        return said or options.output_format
    message = f"filename is {quoted(filename)}, and output_format is {asked}."
    raise OutputRejected(
        message, next_step="Leave out output_format, or choose an ending that agrees with it."
    )


def require_target(target: Path, settings: Settings, *, overwrite: bool) -> None:
    """Refuses a path that may not be written, or a thing there that is not to be replaced. Blocking.

    Raises:
        OutputRejected: If that is so.
    """
    require_allowed(target, settings)
    if overwrite and os.path.lexists(target):
        _require_replaceable(target, settings)


def folder_and_name(options: OutputOptions, settings: Settings) -> tuple[Path, str]:
    """The folder, judged, and the exact name without it."""
    asked = unquoted(options.filename)
    if not asked:
        return output_folder(settings, options.output_dir), ""
    try:
        path = local_path(asked, base=Path())
    except (RuntimeError, ValueError) as error:
        message = f"filename is {quoted(asked)}, which is not a path: {error}."
        raise OutputRejected(message, next_step=_PLAIN_NEXT) from error
    if not path.is_absolute():
        path = Path(asked.replace("\\", "/"))
    if asked.endswith(("/", "\\")) or ".." in path.parts or not path.name:
        wrong = "leads upwards" if ".." in path.parts else "names a folder and no file"
        message = f"filename is {quoted(asked)}, which {wrong}."
        raise OutputRejected(message, next_step=_PLAIN_NEXT)
    if path.is_absolute() and unquoted(options.output_dir):
        message = f"filename is {quoted(asked)}, an absolute path, and output_dir names a folder too."
        raise OutputRejected(message, next_step="Leave one of them out.")
    for part in () if path.is_absolute() else path.parts[:-1]:
        check_filename(part)
    if len(path.parts) > 1 and not unquoted(options.output_dir):
        folder = project_path(path.parent, settings)
    else:
        folder = output_folder(settings, options.output_dir) / path.parent
    return require_allowed(folder, settings), path.name


def _targets(path: Path, options: OutputOptions) -> Iterator[Path]:
    """The files that a call writes, as far as their names are free."""
    usual = _USUAL_SUFFIX.get(options.output_format, f".{options.output_format}")
    ending = path.suffix if path.suffix.lower() in _FORMATS else usual
    for number in range(1, options.n + 1) if options.n > 1 else [0]:
        yield path.with_name(f"{numbered(path.name, number)}{ending}")


def _require_replaceable(target: Path, settings: Settings) -> None:
    """Refuses to replace what is no regular file, or through a link what lies elsewhere.

    Raises:
        OutputRejected: If that is so.
    """
    kind = _kind(target)
    if target.is_symlink() and not is_within(target, (target.parent, project_path(Path(), settings))):
        kind = "a link that leads elsewhere"
    if kind:
        message = f"overwrite is true, and {quoted(str(target))} is {kind}, which is not replaced."
        raise OutputRejected(message, next_step="Choose another filename, or leave out overwrite.")


def _kind(target: Path) -> str:
    """What a path is if it is no regular file."""
    try:
        mode = target.stat().st_mode
    except OSError:
        return "a link that leads nowhere"
    return "" if stat.S_ISREG(mode) else "a folder" if stat.S_ISDIR(mode) else "no regular file"
