"""The reference of tools, resources and prompts, from what the server publishes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from gpt_image_mcp.mcp_app.middleware import group_of
from gpt_image_mcp.presentation.comparison import ComparisonContent
from gpt_image_mcp.presentation.structured import ImagesContent, InputContent
from tests.docs.pages import cell, table
from tests.presentation.schema_file import PUBLISHED

if TYPE_CHECKING:
    from fastmcp import Client
    from mcp.types import Prompt, Tool
    from pydantic import BaseModel

_FULL = "generate_image"
# Those of generate_image that say how the result should be, which other tools share.
_NOT_SHARED = {"prompt"}
EXAMPLES: dict[str, dict[str, Any]] = {
    "generate_image": {
        "prompt": "a paper boat on a calm lake",
        "size": "16:9",
        "quality": "low",
        "output_dir": ".",
        "filename": "boat.png",
    },
    "get_image": {"ref": "boat.png", "crop": "0.25,0.25,0.75,0.75", "grid": True},
    "estimate_cost": {"size": "landscape_4k", "quality": "high", "input_images": 1},
    "edit_image": {
        "prompt": "an evening sky",
        "images": ["boat.png"],
        "regions": [{"shape": "rectangle", "box": [0, 0, 1, 0.4]}],
        "quality": "low",
    },
    "batch_edit_images": {"prompt": "in evening light", "images": ["*.png"], "quality": "low"},
    "export_image": {"ref": "boat.png", "preset": "favicon", "output_dir": "icons"},
    "find_images": {"query": "paper boat", "since": "7d"},
    "delete_image": {"ref": "boat.png"},
    "start_edit_session": {"prompt": "give it a red sail", "images": ["boat.png"], "quality": "low"},
    "continue_edit_session": {"session_id": "SESSION_ID", "prompt": "more wind in the sail"},
    "list_edit_sessions": {},
    "end_edit_session": {"session_id": "SESSION_ID"},
    "create_upload_link": {},
}


async def tools_reference(client: Client[Any]) -> str:
    """Every tool, resource and prompt of a server."""
    tools = {tool.name: tool for tool in await client.list_tools()}
    parts = [_tool(tools[name], tools[_FULL]) for name in EXAMPLES]
    return "\n" + "\n".join([*parts, await _resources(client), _prompts(await client.list_prompts())])


def _tool(tool: Tool, full: Tool) -> str:
    # What only a served library offers cannot be called by the examples' client.
    fence = "text" if group_of(tool.name) == "remote" else "json"
    return (
        f"## `{tool.name}`\n\n{cell(tool.description or '')} Group: `{group_of(tool.name)}`.\n\n"
        f"```{fence}\n{_call(tool.name)}\n```\n\n{_parameters(tool, full)}\n{_returns(tool.name)}"
    )


def _call(name: str) -> str:
    """The example, an argument a line."""
    lines = [f"    {json.dumps(key)}: {json.dumps(value)}" for key, value in EXAMPLES[name].items()]
    arguments = "{\n" + ",\n".join(lines) + "\n  }" if lines else "{}"
    return f'{{\n  "name": "{name}",\n  "arguments": {arguments}\n}}'


def _parameters(tool: Tool, full: Tool) -> str:
    """A row for each parameter; those that all paid tools share only stand with the first."""
    schemas = tool.input_schema["properties"]
    shared: list[str] = []
    if tool.name != full.name and "filename" in schemas:
        shared = [
            name
            for name, schema in full.input_schema["properties"].items()
            if name in schemas.keys() - _NOT_SHARED and _is_same(schema, schemas[name])
        ]
    required = set(tool.input_schema.get("required", []))
    body = [
        [
            f"`{name}`",
            _type(schema),
            _default(schema, is_required=name in required),
            cell(schema["description"]),
        ]
        for name, schema in schemas.items()
        if name not in shared
    ]
    parts = [table(["parameter", "type", "default", "meaning"], body)] if body else []
    if shared:
        parts.append(f"As for {_link(full.name)}: {_listed(shared)}.\n")
    return "\n".join(parts) or "No parameters.\n"


def _is_same(schema: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two parameters differ in their words at most."""
    return {**schema, "description": ""} == {**other, "description": ""}


def _type(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return ", ".join(f"`{choice}`" for choice in schema["enum"])
    if schema["type"] == "array":
        return f"list of {_NAMES[schema['items']['type']]}"
    low, high = schema.get("minimum"), schema.get("maximum")
    bounds = "" if low is None else f", {low:g} or more" if high is None else f", {low:g} to {high:g}"
    return f"{_NAMES[schema['type']]}{bounds}"


_NAMES = {
    "string": "text",
    "integer": "integer",
    "number": "number",
    "boolean": "yes or no",
    "object": "objects",
}


def _default(schema: dict[str, Any], *, is_required: bool) -> str:
    return "required" if is_required else f"`{json.dumps(schema['default'])}`"


def _returns(name: str) -> str:
    if name == "get_image":
        return (
            f"Returns the same as {_link(_FULL)}; for a batch, as {_link('batch_edit_images')}; for an image "
            f"that was not made here, {_fields(InputContent)}; for a list, {_fields(ComparisonContent)}.\n"
        )
    (content,) = PUBLISHED[name].models
    if content is ImagesContent and name != _FULL:
        return f"Returns the same as {_link(_FULL)}.\n"
    return f"Returns {_fields(content)}.\n"


def _fields(content: type[BaseModel]) -> str:
    """What a tool really returns: the schemas leave most of it out, because every client pays for them."""
    sometimes = [name for name, field in content.model_fields.items() if field.default is None]
    always = _listed([name for name in content.model_fields if name not in sometimes])
    return f"{always}; where there is one, {_listed(sometimes)}" if sometimes else always


def _link(name: str) -> str:
    return f"[`{name}`](#{name})"


def _listed(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


async def _resources(client: Client[Any]) -> str:
    fixed = [(str(entry.uri), entry.mime_type, entry.description) for entry in await client.list_resources()]
    templates = [
        (entry.uri_template, entry.mime_type, entry.description)
        for entry in await client.list_resource_templates()
    ]
    body = [[f"`{uri}`", f"`{kind}`", cell(words or "")] for uri, kind, words in (*fixed, *templates)]
    return "## Resources\n\n" + table(["address", "type", "holds"], body)


def _prompts(prompts: list[Prompt]) -> str:
    body = [
        [f"`{prompt.name}`", cell(prompt.description or ""), _listed(_arguments(prompt))]
        for prompt in prompts
    ]
    return "## Prompts\n\n" + table(["prompt", "makes", "arguments"], body)


def _arguments(prompt: Prompt) -> list[str]:
    return [argument.name for argument in prompt.arguments or []]
