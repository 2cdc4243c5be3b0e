"""Reads manifests: files that list the images of a batch, one JSON object on each line."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, cast

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from gpt_image_mcp.coercion import has_too_many_values
from gpt_image_mcp.errors import InvalidArgument, quoted
from gpt_image_mcp.imaging.marks import Mark
from gpt_image_mcp.imaging.regions import Region
from gpt_image_mcp.imaging.shapes import read_shapes
from gpt_image_mcp.services.batch_items import MOST_REFERENCES, BatchItem, label
from gpt_image_mcp.services.edit_planning import EditOptions
from gpt_image_mcp.services.globbing import MOST_FILES
from gpt_image_mcp.values.json import MOST_VALUES
from gpt_image_mcp.values.options import OutputOptions

if TYPE_CHECKING:
    from pathlib import Path

_STDIN, _STDIN_NUMBER = "-", 0
_MOST_CHARACTERS = 50_000_000
_EDIT_NAMES = frozenset(entry.name for entry in fields(EditOptions))
_OUTPUT_NAMES = frozenset(entry.name for entry in fields(OutputOptions))
_EDIT, _OUTPUT = TypeAdapter(EditOptions), TypeAdapter(OutputOptions)


class _Line(BaseModel):
    """The fields of a line that are no plain options; all others are."""

    model_config = ConfigDict(extra="allow")

    image: str
    prompt: str = ""
    references: tuple[str, ...] = Field(default=(), max_length=MOST_REFERENCES)
    regions: tuple[object, ...] = ()
    marks: tuple[object, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, line: object) -> object:
        """As everywhere, null means the default."""
        if not isinstance(line, dict):
            return line
        given = cast("dict[str, object]", line)
        return {name: value for name, value in given.items() if value is not None}


def read_manifest(file: Path, *, prompt: str, output: OutputOptions) -> tuple[BatchItem, ...]:
    """Reads the items of a batch; empty lines are skipped.

    Args:
        file: Each line is a JSON object with ``image``, and perhaps ``prompt``, ``references`` and options;
            ``-`` is stdin.
        prompt: For lines without one.
        output: The options of lines that have none of their own.

    Raises:
        InvalidArgument: If the file cannot be read, is empty, lists too many images, or a line is malformed.
    """
    lines = [entry for entry in enumerate(_text(file).split("\n"), start=1) if entry[1].strip()]
    if not 1 <= len(lines) <= MOST_FILES:
        message = f"The manifest lists {len(lines)} images; it must be 1 to {MOST_FILES}."
        raise InvalidArgument(message, next_step="Split it into several calls.")
    return tuple(_item(number, line, prompt=prompt, output=output) for number, line in lines)


def _text(file: Path) -> str:
    """All that a file or pipe holds; a device may never end."""
    try:
        # Not ``sys.stdin``: a thread that still reads from it when the process ends would hold it up.
        source = _STDIN_NUMBER if str(file) == _STDIN else file
        with open(source, encoding="utf-8-sig", closefd=source is file) as stream:
            text = stream.read(_MOST_CHARACTERS + 1)
    except (OSError, UnicodeError) as error:
        message = f"The manifest {file} cannot be read: {getattr(error, 'strerror', None) or error}."
        raise InvalidArgument(message, next_step="Pass a UTF-8 file with a JSON object a line.") from error
    if len(text) > _MOST_CHARACTERS:
        message = f"The manifest {file} has more than {_MOST_CHARACTERS:,} characters."
        raise InvalidArgument(message, next_step="Name images by path or id, or split it into several calls.")
    return text


def _item(number: int, line: str, *, prompt: str, output: OutputOptions) -> BatchItem:
    if has_too_many_values(line):
        raise _malformed(number, f"it has more than {MOST_VALUES:,} values")
    try:
        entry = _Line.model_validate_json(line)
        given = entry.model_extra or {}
        if unknown := sorted(given.keys() - _EDIT_NAMES - _OUTPUT_NAMES):
            raise _malformed(number, f"{quoted(unknown[0])} is no option")
        own = _OUTPUT.validate_python({name: given[name] for name in given.keys() & _OUTPUT_NAMES})
        edit = _EDIT.validate_python({name: given[name] for name in given.keys() & _EDIT_NAMES})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise _malformed(number, f"{where} {first['msg']}".strip()) from error
    try:
        regions, marks = read_shapes(Region, entry.regions), read_shapes(Mark, entry.marks)
    except InvalidArgument as error:
        message = f"Line {number} of the manifest: {error.message}"
        raise InvalidArgument(message, next_step=error.next_step) from error
    differing: Any = {name: getattr(own, name) for name in given.keys() & _OUTPUT_NAMES}
    return BatchItem(
        image=entry.image,
        prompt=entry.prompt or prompt,
        references=entry.references,
        output=label(output.with_choices(differing), entry.image),
        edit=replace(edit, regions=regions, marks=marks),
    )


def _malformed(number: int, reason: str) -> InvalidArgument:
    message = f"Line {number} of the manifest is malformed: {reason}."
    return InvalidArgument(
        message, next_step='Write a line like {"image": "photo.png", "prompt": "make it night"}.'
    )
