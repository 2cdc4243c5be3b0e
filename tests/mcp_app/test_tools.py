"""The published contract of each tool: a change of one word is a change for every model that reads it.

``UPDATE_SNAPSHOTS=1 uv run pytest tests/mcp_app/test_tools.py`` writes the snapshots anew.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastmcp import Client
    from mcp.types import Tool

SNAPSHOTS = Path(__file__).parent / "snapshots"
LARGEST_LIST_BYTES = 20_000
READ_ONLY = {"get_image", "find_images", "estimate_cost", "list_edit_sessions"}


def _published(tool: Tool) -> dict[str, Any]:
    return tool.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"meta"})


async def test_each_tool_is_published_as_its_snapshot_says(client: Client[Any]) -> None:
    tools = {tool.name: _published(tool) for tool in await client.list_tools()}
    if os.environ.get("UPDATE_SNAPSHOTS"):
        SNAPSHOTS.mkdir(exist_ok=True)
        for name, document in tools.items():
            (SNAPSHOTS / f"{name}.json").write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")
    kept = {path.stem: json.loads(path.read_text()) for path in SNAPSHOTS.glob("*.json")}
    assert tools == kept


async def test_the_output_options_stand_where_the_tool_takes_them(client: Client[Any]) -> None:
    tools = {tool.name: list(tool.input_schema["properties"]) for tool in await client.list_tools()}
    look = ["model", "size", "quality", "n", "background", "output_format", "output_compression"]
    file = ["output_dir", "filename_prefix", "filename", "user"]
    assert tools["generate_image"] == ["prompt", *look, "moderation", *file, "wait_seconds"]
    assert tools["edit_image"][-12:] == [*look, *file, "wait_seconds"]
    assert tools["estimate_cost"] == ["model", "size", "quality", "n", "output_format", "input_images"]


async def test_the_whole_list_is_small_on_the_wire(client: Client[Any]) -> None:
    tools = [
        tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in await client.list_tools()
    ]
    assert len(json.dumps(tools, separators=(",", ":"))) <= LARGEST_LIST_BYTES


async def test_schemas_are_of_the_kind_that_every_client_accepts(client: Client[Any]) -> None:
    for tool in await client.list_tools():
        text = json.dumps(tool.input_schema)
        assert tool.input_schema["type"] == "object"
        assert "anyOf" not in text
        assert "null" not in text
        required = set(tool.input_schema.get("required", []))
        assert all(
            "default" in part
            for name, part in tool.input_schema["properties"].items()
            if name not in required
        )
        assert tool.description
        assert tool.title
        assert tool.annotations is not None
        assert tool.annotations.read_only_hint is (tool.name in READ_ONLY)
