"""Converts our tools the way a client does, with that client's own library, and prints what becomes of them.

Runs in the environment of the group ``converters``: ``converting.py CONVERTER PYTHON`` starts our server with
the Python that is named, lists its tools through the MCP SDK before 2, and prints for each the schema that
the client would send to its model, as JSON. Then it calls one of them the client's way.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import TYPE_CHECKING, Any

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

Schema = dict[str, Any]
QUOTE: Schema = {"quality": "low", "n": 2}


async def gemini(session: ClientSession) -> tuple[dict[str, Schema], str]:
    """google-genai, with a schema of Gemini's own form; refuses keywords that this form lacks."""
    from google.genai._mcp_utils import mcp_to_gemini_tools
    from google.genai.types import JSONSchema, Schema

    listed = (await session.list_tools()).tools
    for tool in listed:
        for schema in (tool.inputSchema, tool.outputSchema):
            Schema.from_json_schema(json_schema=JSONSchema(**schema), raise_error_on_unsupported_field=True)
    declared = [tool.function_declarations[0] for tool in mcp_to_gemini_tools(listed)]
    schemas = {tool.name: tool.parameters.model_dump(mode="json", exclude_none=True) for tool in declared}
    return schemas, str(await session.call_tool("estimate_cost", QUOTE))


async def openai(session: ClientSession) -> tuple[dict[str, Schema], str]:
    """openai-agents in strict mode, which leaves a tool out of that mode if it cannot convert it."""
    from agents.mcp import MCPServerStdio
    from agents.mcp.util import MCPUtil

    server = MCPServerStdio({"command": "unused"})
    listed = (await session.list_tools()).tools
    tools = [MCPUtil.to_function_tool(tool, server, convert_schemas_to_strict=True) for tool in listed]
    relaxed = [tool.name for tool in tools if not tool.strict_json_schema]
    assert not relaxed, f"not strict: {relaxed}"
    # In strict mode a model has to fill in everything.
    quote = next(tool.params_json_schema for tool in tools if tool.name == "estimate_cost")
    filled = {name: part["default"] for name, part in quote["properties"].items()}
    schemas = {tool.name: tool.params_json_schema for tool in tools}
    return schemas, str(await session.call_tool("estimate_cost", {**filled, **QUOTE}))


async def langchain(session: ClientSession) -> tuple[dict[str, Schema], str]:
    """langchain-mcp-adapters, and from there to the form of OpenAI's API in strict mode."""
    from langchain_core.utils.function_calling import convert_to_openai_tool
    from langchain_mcp_adapters.tools import load_mcp_tools

    tools = {tool.name: tool for tool in await load_mcp_tools(session)}
    converted = [convert_to_openai_tool(tool, strict=True)["function"] for tool in tools.values()]
    schemas = {function["name"]: function["parameters"] for function in converted}
    return schemas, str(await tools["estimate_cost"].ainvoke(QUOTE))


async def anthropic(session: ClientSession) -> tuple[dict[str, Schema], str]:
    """The Anthropic SDK: the form of tools, and that of structured outputs for both schemas."""
    from anthropic import transform_schema
    from anthropic.lib.tools.mcp import async_mcp_tool

    listed = (await session.list_tools()).tools
    for tool in listed:
        transform_schema(tool.inputSchema)
        transform_schema(tool.outputSchema)
    tools = {tool.name: async_mcp_tool(tool, session) for tool in listed}
    schemas = {name: tool.to_dict()["input_schema"] for name, tool in tools.items()}
    return schemas, str(await tools["estimate_cost"].call(QUOTE))


CONVERTERS: dict[str, Callable[[ClientSession], Awaitable[tuple[dict[str, Schema], str]]]] = {
    "gemini": gemini,
    "openai": openai,
    "langchain": langchain,
    "anthropic": anthropic,
}


async def main(converter: str, python: str) -> None:
    """Prints what the converter makes of the tools, and what a call answered."""
    server = StdioServerParameters(
        command=python, args=["-m", "gpt_image_mcp"], env={**os.environ, "GPT_IMAGE_SANDBOX": "1"}
    )
    async with stdio_client(server) as (read, write), ClientSession(read, write) as session:
        await session.initialize()
        schemas, answer = await CONVERTERS[converter](session)
    print(json.dumps({"schemas": schemas, "answer": answer}))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
