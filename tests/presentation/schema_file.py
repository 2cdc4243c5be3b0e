"""The output schemas that tools publish, generated from the models of structured content.

Every byte of a schema is paid for in each conversation. So one tool publishes all of an image result, and
the others only what a caller acts on; titles, descriptions and null are left out everywhere. What is left is
what every client's converter takes: each value has one type, each list its items, and no object says what
other members it may have.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gpt_image_mcp.presentation.deletion import DeletionContent
from gpt_image_mcp.presentation.estimates import EstimateContent
from gpt_image_mcp.presentation.exports import ExportContent
from gpt_image_mcp.presentation.history import HistoryContent
from gpt_image_mcp.presentation.structured import (
    BatchContent,
    EndedSessionContent,
    ImagesContent,
    InputContent,
    SessionsContent,
    StructuredContent,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from gpt_image_mcp.presentation.schemas import Schema

_ALL = "*"


@dataclass(frozen=True, slots=True)
class Published:
    """What a tool publishes of its structured content.

    Attributes:
        fields: In the order of the schema, with blanks between. ``images.id`` is the id of each image,
            ``images.*`` all that is in an image, ``status.*`` all values of the status.
        models: What the tool may return.
        always: Fields that are optional in the model, and there in every result of this tool.
    """

    fields: str
    models: tuple[type[StructuredContent], ...]
    always: tuple[str, ...] = ()


_ACTED_ON = "status images.id images.file_path next cost_usd_estimated job_id"
_SESSION = Published(
    f"{_ACTED_ON} session_id turn parent_turn", (ImagesContent,), always=("session_id", "turn")
)
PUBLISHED = {
    "generate_image": Published(
        "status.* model prompt requested images.* cost_basis route notes sandbox next applied usage "
        "cost_usd_estimated session_id turn parent_turn job_id elapsed_seconds expected_seconds",
        (ImagesContent,),
    ),
    "edit_image": Published(_ACTED_ON, (ImagesContent,)),
    "start_edit_session": _SESSION,
    "continue_edit_session": _SESSION,
    "batch_edit_images": Published(
        "status items.input items.status items.error total next cost_usd_estimated job_id", (BatchContent,)
    ),
    "get_image": Published(
        "status next images.id images.file_path items cost_usd_estimated job_id",
        (ImagesContent, BatchContent, InputContent),
    ),
    "find_images": Published(
        "images.id images.file_path images.prompt total cost_usd_total cost_usd_by_day cost_usd_by_model "
        "next next_offset cost_usd_by_session deleted_images open_calls",
        (HistoryContent,),
    ),
    "estimate_cost": Published(
        "model size quality n output_format input_images cost_basis by_quality budget notes next "
        "cost_usd_estimated cost_range_usd",
        (EstimateContent,),
    ),
    "delete_image": Published("status id file_path notes next", (DeletionContent,)),
    "list_edit_sessions": Published(
        "sessions.session_id sessions.status sessions.turns sessions.last_prompt next", (SessionsContent,)
    ),
    "end_edit_session": Published("ended session_id next", (EndedSessionContent,)),
    "export_image": Published("status files.file_path notes next", (ExportContent,)),
}


def generate_schemas() -> dict[str, Schema]:
    """The output schema of each tool."""
    return {tool: _published(published) for tool, published in PUBLISHED.items()}


def _published(published: Published) -> Schema:
    documents = [model.model_json_schema() for model in published.models]
    properties: Schema = {}
    for name, inner in _grouped(published.fields.split()).items():
        document = next(document for document in documents if name in document["properties"])
        properties[name] = _part(document["properties"][name], inner, document.get("$defs", {}))
    optional = {name for name in properties for document in documents if name not in document["required"]}
    return _object(properties, optional - {*published.always})


def _grouped(names: Iterable[str]) -> dict[str, list[str]]:
    """The first part of each dotted name, with what follows it."""
    grouped: dict[str, list[str]] = {}
    for name in names:
        first, _, rest = name.partition(".")
        grouped.setdefault(first, []).extend([rest] if rest else [])
    return grouped


def _part(schema: Schema, names: Sequence[str], definitions: Schema) -> Schema:
    """The schema of one field, with those of its own fields that are named."""
    schema = _resolved(schema, definitions)
    kind = schema["type"]
    if kind == "array":
        return {"type": kind, "items": _part(schema["items"], names, definitions)}
    if _ALL in names and "enum" in schema:
        return {"type": kind, "enum": schema["enum"]}
    if not names or "properties" not in schema:
        return {"type": kind}
    return _nested(schema, names, definitions)


def _resolved(schema: Schema, definitions: Schema) -> Schema:
    """The schema without the choice of null, which is never sent, and without references."""
    choices: list[Schema] = schema.get("anyOf", [schema])
    value = next(choice for choice in choices if choice.get("type") != "null")
    found: Schema = definitions[value["$ref"].rpartition("/")[2]] if "$ref" in value else value
    return found


def _nested(schema: Schema, names: Sequence[str], definitions: Schema) -> Schema:
    """An object in another. Which fields it always has is said where some of them are optional."""
    shown = list(schema["properties"]) if _ALL in names else list(names)
    properties = {name: _part(schema["properties"][name], [], definitions) for name in shown}
    optional = set(shown) - {*schema.get("required", [])}
    if len(optional) == len(shown) or not (optional or _ALL in names):
        return {"type": "object", "properties": properties}
    return _object(properties, optional)


def _object(properties: Schema, optional: Collection[str]) -> Schema:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required}
