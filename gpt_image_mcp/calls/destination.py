"""Where the files of a call go: the folder and the exact name that a caller asked for."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from gpt_image_mcp.coercion import format_name
from gpt_image_mcp.errors import OutputRejected, quoted
from gpt_image_mcp.folders import (
    home_folder,
    output_folder,
    project_path,
    require_allowed,
    require_target,
    visibly_named,
)
from gpt_image_mcp.library import storage
from gpt_image_mcp.library.naming import Naming, check_filename, file_names
from gpt_image_mcp.paths import local_path, unquoted
from gpt_image_mcp.visible_text import without_unseen

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gpt_image_mcp.settings import Settings
    from gpt_image_mcp.values.options import OutputOptions

_FORMATS = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp", ".gif": "gif", ".svg": "svg"}
_USUAL_FORMAT, _USUAL_ENDING = "png", {"jpeg": "jpg"}
# Endings are letters; what follows the dot in v1.2 or boat.v2 belongs to the name.
_NO_FORMAT_OF_OURS = re.compile(r"\.([a-z]{2,5})", re.IGNORECASE)
_PLAIN_NEXT = "Pass a name such as logo.png or assets/logo.png; a folder in it starts at the project."


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where the files of a call go, decided and checked before it is paid for.

    Attributes:
        folder: What was asked for goes here.
        home: What belongs to it goes here, if that is not ``folder``: metadata, and pictures as returned.
        filename: An exact name without a folder; empty for unique names.
        replaceable: The names under which the caller lets a file be replaced. What has another, because
            more came than was asked for or in another format, replaces none.
    """

    folder: Path
    home: Path
    filename: str
    replaceable: frozenset[str]


def choose_destination(options: OutputOptions, settings: Settings) -> Destination:
    """Decides where the files of a call go, and tries writing there. Blocking.

    Raises:
        OutputRejected: If the name, the folder or a file that would be replaced is not allowed.
        StorageFailed: If the store does not take files.
    """
    folder, filename = folder_and_name(options, settings)
    names = tuple(exact_names(filename, options)) if filename else ()
    for name in names:
        require_target(folder / name, settings, overwrite=options.overwrite)
    home = home_folder(folder, settings)
    return Destination(
        folder=storage.require_writable(folder),
        home=home,
        filename=filename,
        replaceable=frozenset(names if options.overwrite else ()),
    )


def target_files(options: OutputOptions, settings: Settings) -> tuple[Path, ...]:
    """The files that a call with an exact name writes, as far as they are free or may be replaced.

    Raises:
        OutputRejected: If the name or the folder is not allowed.
    """
    folder, filename = folder_and_name(options, settings)
    return tuple(folder / name for name in exact_names(filename, options))


def exact_names(filename: str, options: OutputOptions) -> Iterator[str]:
    """The names of the files of a call that has an exact name, with their endings.

    Raises:
        OutputRejected: If the ending cannot be had; see ``named_format``.
    """
    made = str(format_name(named_format(replace(options, filename=filename))))
    naming = Naming(kind="image", filename=filename)
    for number in range(1, options.n + 1) if options.n > 1 else [0]:
        yield next(file_names(naming, "", extension=_USUAL_ENDING.get(made, made), number=number))


def named_format(options: OutputOptions) -> str:
    """The format that the ending of an exact name says, where the caller did not choose another.

    Raises:
        OutputRejected: If the ending is of a format that images are not made in, or not of the one chosen.
    """
    asked, filename = str(format_name(options.output_format)), unquoted(options.filename)
    ending, said = Path(filename).suffix, format_of_ending(Path(filename))
    if not said and (other := _NO_FORMAT_OF_OURS.fullmatch(ending)):
        message = f"filename is {quoted(filename)}, and images are not made as {other[1].lower()}."
        raise OutputRejected(
            message,
            next_step="End it with .png, .jpg, .webp, .gif or .svg; export_image converts images afterwards.",
        )
    if not said or asked in (said, _USUAL_FORMAT):
        return said or options.output_format
    message = f"filename is {quoted(filename)}, and output_format is {asked}."
    raise OutputRejected(
        message, next_step="Leave out output_format, or choose an ending that agrees with it."
    )


def format_of_ending(path: Path) -> str:
    """The format that the ending of a name says; empty if it says none that images are made in."""
    return _FORMATS.get(path.suffix.lower(), "")


def parse_filename(text: str) -> Path:
    """The path that an exact name means: absolute, or relative with names that every system can store.

    What of the name nobody sees is left out.

    Raises:
        OutputRejected: If it leads upwards, names no file, or is none.
    """
    asked = unquoted(text)
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
    for part in (path.name,) if path.is_absolute() else path.parts:
        check_filename(part)
    return path.with_name(without_unseen(path.name))


def names_folder(filename: str) -> bool:
    """Whether an exact name says where its file goes: ``assets/logo.png`` does, and ``./logo.png``."""
    return "/" in unquoted(filename).replace("\\", "/")


def folder_and_name(options: OutputOptions, settings: Settings) -> tuple[Path, str]:
    """The folder, judged, and the exact name without it."""
    asked = unquoted(options.filename)
    if not asked:
        return output_folder(settings, options.output_dir), ""
    path = parse_filename(asked)
    if path.is_absolute() and unquoted(options.output_dir):
        message = f"filename is {quoted(asked)}, an absolute path, and output_dir names a folder too."
        raise OutputRejected(message, next_step="Leave one of them out.")
    if names_folder(asked) and not unquoted(options.output_dir):
        folder = project_path(path.parent, settings)
    else:
        folder = output_folder(settings, options.output_dir) / path.parent
    return require_allowed(visibly_named(folder), settings), path.name
