"""The items of a batch: which images, and what their files are called."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from gpt_image_mcp.calls.destination import named_format, target_files
from gpt_image_mcp.calls.planning import is_free
from gpt_image_mcp.errors import InvalidArgument, OutputRejected, quoted
from gpt_image_mcp.folders import project_folder
from gpt_image_mcp.library import storage
from gpt_image_mcp.library.naming import clean_label, numbered_path
from gpt_image_mcp.paths import real_path, unquoted
from gpt_image_mcp.references import classify
from gpt_image_mcp.services.edit_planning import EditOptions
from gpt_image_mcp.services.globbing import expand
from gpt_image_mcp.values.options import OutputOptions

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from gpt_image_mcp.settings import Settings

MOST_REFERENCES = 8
_STEM, _FIELD = "{name}", re.compile(r"\{[^{}]*\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchItem:
    """One image of a batch and what is to be done with it.

    Attributes:
        references: Pictures that go along with it.
    """

    image: str
    prompt: str
    references: tuple[str, ...] = ()
    output: OutputOptions = field(default_factory=OutputOptions)
    edit: EditOptions = field(default_factory=EditOptions)


def make_items(
    images: Sequence[str],
    prompt: str,
    *,
    references: Sequence[str],
    output: OutputOptions,
    edit_type: str,
    settings: Settings,
) -> tuple[BatchItem, ...]:
    """One item for each image, also of folders and globs; files are labelled with the stem of their input.

    Raises:
        InputNotFound: If a folder or glob has no images.
        InputRejected: If one is not allowed.
        OutputRejected: If the ending of the exact name cannot be had.
        InvalidArgument: If there are too many references, or the exact name of several files is one.
    """
    if len(references) > MOST_REFERENCES:
        message = (
            f"references has {len(references)} pictures; at most {MOST_REFERENCES} go along with each image."
        )
        raise InvalidArgument(message, next_step="Leave some out.")
    found = expand(images, base=project_folder(settings), roots=settings.input_roots)
    edit = EditOptions(edit_type=edit_type)
    return tuple(
        BatchItem(
            image=image,
            prompt=prompt,
            references=tuple(references),
            output=_named(output, image, number),
            edit=edit,
        )
        for number, image in enumerate(found, start=1)
    )


def _named(output: OutputOptions, image: str, number: int) -> OutputOptions:
    if output.filename:
        named_format(output)  # an ending that cannot be had would be hidden by the number
        return replace(output, filename=_exact_name(output.filename, classify(image).stem, number))
    return label(output, image)


def _exact_name(filename: str, stem: str, number: int) -> str:
    """The exact name of one file of a batch: with the stem of its input where it says so, else numbered."""
    if other := next((part for part in _FIELD.findall(filename) if part != _STEM), ""):
        message = f"filename is {quoted(filename)}, and {other} stands for nothing."
        raise InvalidArgument(message, next_step=f"{_STEM} stands for the name of each image.")
    if _STEM in filename:
        return filename.replace(_STEM, clean_label(stem) or str(number))
    return numbered_path(unquoted(filename), number)


def require_paid_alike(items: Iterable[BatchItem], settings: Settings) -> None:
    """Refuses a batch of which only a part is made in the sandbox: its cost would be that of all or none.

    Raises:
        InvalidArgument: If that is so.
    """
    if len({is_free(item.output, settings) for item in items}) > 1:
        message = "Some images of the batch name the model sandbox, where nothing is paid, and others do not."
        raise InvalidArgument(message, next_step="Make a batch of each.")


def without_collisions(items: Sequence[BatchItem], settings: Settings) -> tuple[BatchItem, ...]:
    """Items that may replace what is there now, but never each other's files. Blocking.

    The second of a name gets a number, and only a file that is there before the batch is replaced: what is
    there later may be an image of the batch, of which more came, or in another format, than was asked for.
    """
    if not any(item.output.overwrite for item in items):
        return tuple(items)  # a taken name gets its number when it is written
    taken: set[str] = set()
    return tuple(_apart(item, taken, settings) for item in items)


def _apart(item: BatchItem, taken: set[str], settings: Settings) -> BatchItem:
    """The item with the first name whose files are not taken; they are then."""
    filename, number, output = unquoted(item.output.filename), 1, item.output
    if not filename:
        return item
    try:
        while _spelled(files := target_files(output, settings)) & taken:
            number += 1
            output = replace(output, filename=numbered_path(filename, number), overwrite=False)
    except OutputRejected:
        return item  # it is refused when it is planned
    taken |= _spelled(files)
    return replace(item, output=replace(output, overwrite=output.overwrite and any(map(_is_there, files))))


def _spelled(files: Iterable[Path]) -> set[str]:
    """Files, spelled as one where some file systems take them for one."""
    return {str(real_path(file)).casefold() for file in files}


def _is_there(file: Path) -> bool:
    """Whether a file, or what cannot be replaced, has this name."""
    return os.path.lexists(file) or storage.exists(file)


def label(output: OutputOptions, image: str) -> OutputOptions:
    """The options with the stem of an input added to the label of its file."""
    return replace(output, filename_prefix=f"{output.filename_prefix}-{classify(image).stem}".strip("-"))
