"""``GPT_IMAGE_TOOLS``: which tools a server lists and runs."""

from __future__ import annotations

from typing import Any, Literal, cast

import pytest
from fastmcp import Client

from gpt_image_mcp.mcp_app.tool_groups import group_of_tool
from gpt_image_mcp.server import mcp
from gpt_image_mcp.settings import TOOL_GROUPS

SESSIONS = {"start_edit_session", "continue_edit_session", "end_edit_session", "list_edit_sessions"}


def _client(era: str) -> Client[Any]:
    return Client(mcp, mode=cast("Literal['auto', 'legacy']", era))


@pytest.mark.parametrize("era", ["auto", "legacy"])
@pytest.mark.parametrize(
    "groups", [("core",), ("sessions",), ("core", "sessions"), ("sessions", "export"), ("all",), ()]
)
async def test_only_the_tools_of_the_named_groups_are_listed(
    monkeypatch: pytest.MonkeyPatch, era: str, groups: tuple[str, ...]
) -> None:
    monkeypatch.setenv("GPT_IMAGE_TOOLS", " , ".join(groups).upper())
    async with _client(era) as client:
        listed = {tool.name for tool in await client.list_tools()}
    wanted = groups if groups and groups != ("all",) else TOOL_GROUPS
    assert listed == {name for name, group in group_of_tool.items() if group in wanted}


async def test_every_published_tool_has_a_group() -> None:
    assert {tool.name for tool in await mcp.list_tools()} == group_of_tool.keys()


def test_the_session_tools_are_a_group_of_their_own() -> None:
    assert {name for name, group in group_of_tool.items() if group == "sessions"} == SESSIONS
    assert group_of_tool["generate_image"] == "core"


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
            answer = await client.call_tool("nope_tool", {}, raise_on_error=False)
        assert answer.is_error
        answers += [block.text for block in answer.content if block.type == "text"]
    assert answers == ["Unknown tool: 'nope_tool'"] * 2


async def test_a_server_that_only_is_inspected_lists_every_tool() -> None:
    assert {tool.name for tool in await mcp.list_tools()} == set(group_of_tool)
