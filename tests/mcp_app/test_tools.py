"""The published contract of each tool: a change of one word is a change for every model that reads it.

``UPDATE_SNAPSHOTS=1 uv run pytest tests/mcp_app/test_tools.py`` writes the snapshots anew.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

import pytest

from gpt_image_mcp.imaging.marks import Mark
from gpt_image_mcp.imaging.regions import Region

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastmcp import Client
    from mcp.types import Tool

SNAPSHOTS = Path(__file__).parent / "snapshots"
LARGEST_LIST_BYTES = 24_500
# What may stand in a schema of each type, besides its description and default.
MEMBERS: dict[str, set[str]] = {
    "object": {"properties", "required"},
    "array": {"items"},
    "string": {"enum"},
    "integer": {"minimum", "maximum"},
    "number": {"minimum", "maximum"},
    "boolean": set(),
}
READ_ONLY = {"get_image", "find_images", "estimate_cost", "list_edit_sessions"}


def _published(tool: Tool) -> dict[str, Any]:
    return tool.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"meta"})


async def test_each_tool_is_published_as_its_snapshot_says(served_client: Client[Any]) -> None:
    tools = {tool.name: _published(tool) for tool in await served_client.list_tools()}
    if os.environ.get("UPDATE_SNAPSHOTS"):
        SNAPSHOTS.mkdir(exist_ok=True)
        for name, document in tools.items():
            (SNAPSHOTS / f"{name}.json").write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")
    kept = {path.stem: json.loads(path.read_text()) for path in SNAPSHOTS.glob("*.json")}
    assert tools == kept


async def test_a_local_server_publishes_the_same_but_what_is_for_clients_elsewhere(
    client: Client[Any],
) -> None:
    kept = {path.stem: json.loads(path.read_text()) for path in SNAPSHOTS.glob("*.json")}
    del kept["create_upload_link"]
    assert {tool.name: _published(tool) for tool in await client.list_tools()} == kept


async def test_the_output_options_stand_where_the_tool_takes_them(client: Client[Any]) -> None:
    tools = {tool.name: list(tool.input_schema["properties"]) for tool in await client.list_tools()}
    look = [
        "model",
        "size",
        "exact_size",
        "quality",
        "n",
        "background",
        "output_format",
        "output_compression",
    ]
    file = ["output_dir", "filename_prefix", "filename", "overwrite"]
    newest = ["complexity", "frame_count", "frame_duration_ms"]
    assert tools["generate_image"] == ["prompt", *look, *file, *newest, "wait_seconds"]
    assert tools["edit_image"][-16:] == [*look, *file, *newest, "wait_seconds"]
    for stills in ("batch_edit_images", "start_edit_session", "continue_edit_session"):
        assert not set(newest) & set(tools[stills])
    asked = ["model", "size", "exact_size", "quality", "background", "output_format", *newest[:2]]
    assert tools["estimate_cost"] == [*asked, "n", "markup", "input_images", "budget_usd"]


async def test_the_whole_list_is_small_on_the_wire(client: Client[Any]) -> None:
    result = await client.list_tools_mcp()
    listed = result.model_dump(mode="json", by_alias=True, exclude_none=True)
    assert len(json.dumps(listed, separators=(",", ":"))) <= LARGEST_LIST_BYTES


async def test_every_optional_parameter_says_its_default(served_client: Client[Any]) -> None:
    for tool in await served_client.list_tools():
        parameters = tool.input_schema["properties"]
        required = set(tool.input_schema.get("required", []))
        assert {name for name, part in parameters.items() if "default" not in part} == required
        assert all(part.get("default", 0) is not None for part in parameters.values())
        assert all(re.fullmatch(r"[a-z][a-z0-9_]{0,63}", name) for name in (tool.name, *parameters))
        assert tool.description
        assert tool.title
        assert tool.annotations is not None
        assert bool(tool.annotations.read_only_hint) is (tool.name in READ_ONLY)


def _faults(schema: dict[str, Any], where: str, *, is_input: bool) -> Iterator[str]:
    """What converters of clients lose or refuse in a schema: OpenAI's strict mode, Gemini's, Anthropic's."""
    kind = schema.get("type")
    if not isinstance(kind, str) or kind not in MEMBERS:
        yield f"{where} has the type {kind!r}"
        return
    if surplus := schema.keys() - {"type", "description", "default", *MEMBERS[kind]}:
        yield f"{where} has {surplus}"
    if kind == "array":
        yield from _faults(schema.get("items", {}), f"{where}[]", is_input=is_input)
    # What a result holds is only read; what a caller has to write must be declared.
    if kind == "object" and is_input and not schema.get("properties"):
        yield f"{where} is an object without members"
    if not all(isinstance(choice, str) and choice for choice in schema.get("enum", ["some"])):
        yield f"{where} has an empty choice"
    properties: dict[str, Any] = schema.get("properties", {})
    if not {*schema.get("required", [])} <= properties.keys():
        yield f"{where} requires what it does not declare"
    for name, part in properties.items():
        yield from _faults(part, f"{where}.{name}", is_input=is_input)


async def test_schemas_keep_to_what_the_converter_of_every_client_takes(served_client: Client[Any]) -> None:
    for tool in await served_client.list_tools():
        assert tool.output_schema is not None
        faults = [
            *_faults(tool.input_schema, f"{tool.name} in", is_input=True),
            *_faults(tool.output_schema, f"{tool.name} out", is_input=False),
        ]
        assert not faults


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False},
        {"type": "object", "properties": {}},
        {"type": "object"},
        {"type": "array"},
        {"type": ["string", "null"]},
        {"enum": ["a"]},
        {"type": "string", "enum": [""]},
        {"anyOf": [{"type": "string"}, {"type": "null"}]},
        {"$ref": "#/$defs/Region"},
        {"type": "array", "items": {"type": "object", "additionalProperties": True}},
        {"type": "object", "properties": {"a": {}}},
    ],
)
def test_the_rule_of_schemas_notices_what_some_converter_refuses(schema: dict[str, Any]) -> None:
    assert list(_faults(schema, "x", is_input=True))


def _choices(annotation: Any) -> tuple[str, ...]:
    return get_args(annotation) if get_origin(annotation) is Literal else ()


async def test_the_published_region_has_the_members_of_a_region(client: Client[Any]) -> None:
    tools = {tool.name: tool.input_schema["properties"] for tool in await client.list_tools()}
    for name in ("edit_image", "start_edit_session", "continue_edit_session"):
        members = tools[name]["regions"]["items"]["properties"]
        assert members.keys() == Region.model_fields.keys()
        for member, declared in members.items():
            assert tuple(declared.get("enum", ())) == _choices(Region.model_fields[member].annotation)


async def test_the_published_mark_has_the_members_of_a_mark(client: Client[Any]) -> None:
    tools = {tool.name: tool.input_schema["properties"] for tool in await client.list_tools()}
    members = tools["edit_image"]["marks"]["items"]["properties"]
    assert members.keys() == Mark.model_fields.keys()
    for member, declared in members.items():
        assert tuple(declared.get("enum", ())) == _choices(Mark.model_fields[member].annotation)
    assert not any("marks" in properties for name, properties in tools.items() if name != "edit_image")
