"""The output schemas that tools publish, generated from the models of structured content.

Every byte of a schema is paid for in each conversation. So a tool publishes only what a caller acts on, and
titles, descriptions, null and what is required are left out. What an image holds is published where images
are made and edited. What is left is what every client's converter takes: each value has one type, each list
its items, and no object says what other members it may have.
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
from gpt_image_mcp.presentation.uploads import UploadLinkContent

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gpt_image_mcp.presentation.schemas import Schema


@dataclass(frozen=True, slots=True)
class Published:
    """What a tool publishes of its structured content.

    Attributes:
        fields: In the order of the schema, with blanks between. ``images.id`` is the id of each image.
        models: What the tool may return.
    """

    fields: str
    models: tuple[type[StructuredContent], ...]


_ACTED_ON = "status images.id images.file_path cost_usd_estimated next job_id"
_SESSION = Published("status images cost_usd_estimated next job_id session_id turn", (ImagesContent,))
PUBLISHED = {
    "generate_image": Published(_ACTED_ON, (ImagesContent,)),
    "edit_image": Published(_ACTED_ON, (ImagesContent,)),
    "start_edit_session": _SESSION,
    "continue_edit_session": _SESSION,
    "batch_edit_images": Published("status items cost_usd_estimated next job_id", (BatchContent,)),
    "get_image": Published("status images items next job_id", (ImagesContent, BatchContent, InputContent)),
    "find_images": Published(
        "images total cost_usd_total cost_usd_by_model next next_offset",
        (HistoryContent,),
    ),
    "estimate_cost": Published(
        "cost_usd_estimated cost_range_usd by_quality budget next", (EstimateContent,)
    ),
    "delete_image": Published("status next", (DeletionContent,)),
    "list_edit_sessions": Published("sessions.session_id next", (SessionsContent,)),
    "end_edit_session": Published("ended next", (EndedSessionContent,)),
    "export_image": Published("files.file_path next", (ExportContent,)),
    "create_upload_link": Published("upload_url ref expires_at curl next", (UploadLinkContent,)),
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
    return {"type": "object", "properties": properties}


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
    if not names:
        return {"type": kind}
    properties = {name: _part(schema["properties"][name], [], definitions) for name in names}
    return {"type": kind, "properties": properties}


def _resolved(schema: Schema, definitions: Schema) -> Schema:
    """The schema without the choice of null, which is never sent, and without references."""
    choices: list[Schema] = schema.get("anyOf", [schema])
    value = next(choice for choice in choices if choice.get("type") != "null")
    found: Schema = definitions[value["$ref"].rpartition("/")[2]] if "$ref" in value else value
    return found
