"""A batch as a file: one JSON object a line, each an image with a prompt and options of its own."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from gpt_image_mcp.errors import InvalidArgument
from gpt_image_mcp.services.batch_items import BatchItem, label
from gpt_image_mcp.services.edit_planning import EditOptions, read_options
from gpt_image_mcp.values.options import OutputOptions

if TYPE_CHECKING:
    from collections.abc import Iterable

_EDIT_NAMES = frozenset(field.name for field in fields(EditOptions))
_OUTPUT_NAMES = frozenset(entry.name for entry in fields(OutputOptions))
_OUTPUT = TypeAdapter(OutputOptions)


class _Line(BaseModel):
    """What every line has; the rest are options."""

    model_config = ConfigDict(extra="allow")

    image: str
    prompt: str = ""


def read_manifest(lines: Iterable[str], *, prompt: str, output: OutputOptions) -> tuple[BatchItem, ...]:
    """The items that a manifest lists; empty lines are skipped.

    Args:
        lines: JSON objects with ``image``, and where they differ ``prompt``, output and edit options.
        prompt: For lines without one.
        output: Options for all lines, which each may override.

    Raises:
        InvalidArgument: If a line is malformed; names its number.
    """
    return tuple(
        _item(number, line, prompt=prompt, output=output)
        for number, line in enumerate(lines, start=1)
        if line.strip()
    )


def _item(number: int, line: str, *, prompt: str, output: OutputOptions) -> BatchItem:
    try:
        entry = _Line.model_validate_json(line)
        options: dict[str, Any] = entry.model_extra or {}
        unknown = sorted(set(options) - _EDIT_NAMES - _OUTPUT_NAMES)
        if unknown:
            raise _malformed(number, f"{unknown[0]!r} is no option")
        own = {name: value for name, value in options.items() if name in _OUTPUT_NAMES}
        _OUTPUT.validate_python(own)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise _malformed(number, f"{where} {first['msg']}".strip()) from error
    edit: Any = {name: value for name, value in options.items() if name in _EDIT_NAMES}
    return BatchItem(
        image=entry.image,
        prompt=entry.prompt or prompt,
        output=label(replace(output, **own), entry.image),
        edit=read_options(**edit),
    )


def _malformed(number: int, reason: str) -> InvalidArgument:
    message = f"Line {number} of the manifest is malformed: {reason}."
    return InvalidArgument(
        message, next_step='Write a line like {"image": "photo.png", "prompt": "make it night"}.'
    )
