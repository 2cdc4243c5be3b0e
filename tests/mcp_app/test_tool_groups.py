"""``GPT_IMAGE_TOOLS``: which tools a server lists and runs."""

from __future__ import annotations

from typing import Any, Literal, cast

import pytest
from fastmcp import Client
from mcp.shared.exceptions import MCPError

from gpt_image_mcp.mcp_app.middleware import TOOLS_OF_GROUP
from gpt_image_mcp.server import mcp
from gpt_image_mcp.setting_types import TOOL_GROUPS


def _client(era: str) -> Client[Any]:
    return Client(mcp, mode=cast("Literal['auto', 'legacy']", era))


@pytest.mark.usefixtures("served")
@pytest.mark.parametrize("era", ["auto", "legacy"])
@pytest.mark.parametrize(
    "groups", [("core",), ("sessions",), ("core", "remote"), ("sessions", "export"), ("all",), ()]
)
async def test_only_the_tools_of_the_named_groups_are_listed(
    monkeypatch: pytest.MonkeyPatch, era: str, groups: tuple[str, ...]
) -> None:
    monkeypatch.setenv("GPT_IMAGE_TOOLS", " , ".join(groups).upper())
    async with _client(era) as client:
        listed = {tool.name for tool in await client.list_tools()}
    wanted = groups if groups and groups != ("all",) else TOOL_GROUPS
    assert listed == {name for group, names in TOOLS_OF_GROUP.items() if group in wanted for name in names}


@pytest.mark.parametrize("era", ["auto", "legacy"])
async def test_a_tool_that_is_not_listed_says_which_setting_hides_it(
    monkeypatch: pytest.MonkeyPatch, era: str
) -> None:
    monkeypatch.setenv("GPT_IMAGE_TOOLS", "core,export")
    monkeypatch.setenv("GPT_IMAGE_SANDBOX", "1")
    async with _client(era) as client:
        hidden = await client.call_tool("list_edit_sessions", {}, raise_on_error=False)
        offered = await client.call_tool("estimate_cost", {}, raise_on_error=False)
    (block,) = hidden.content
    assert hidden.is_error
    assert block.type == "text"
    assert block.text.startswith("not_found: list_edit_sessions ")
    assert "GPT_IMAGE_TOOLS is core,export" in block.text
    assert "add sessions" in block.text
    assert not offered.is_error


async def test_a_tool_that_nobody_has_is_not_blamed_on_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[str] = []
    for groups in ("sessions", "all"):
        monkeypatch.setenv("GPT_IMAGE_TOOLS", groups)
        async with _client("auto") as client:
            with pytest.raises(MCPError) as unknown:
                await client.call_tool("nope_tool", {})
        answers.append(str(unknown.value))
    assert all(answer.startswith("Unknown tool: 'nope_tool'.") for answer in answers)
    assert "generate_image" not in answers[0]
    assert "generate_image" in answers[1]


async def test_a_server_that_only_is_inspected_lists_every_tool() -> None:
    listed = {tool.name for tool in await mcp.list_tools()}
    assert listed == {tool.name for tool in await mcp.local_provider.list_tools()}


async def test_every_tool_is_in_one_group() -> None:
    registered = sorted(tool.name for tool in await mcp.local_provider.list_tools())
    assert sorted(name for names in TOOLS_OF_GROUP.values() for name in names) == registered
    assert set(TOOLS_OF_GROUP) == set(TOOL_GROUPS)
