"""FastMCP's own command with our server file: what ``docs/clients.md`` tells of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from fastmcp import Client
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from PIL import Image

from tests.mcp_app.http_servers import FASTMCP, serve_by_fastmcp, server_file

if TYPE_CHECKING:
    from pathlib import Path


def _fastmcp(*arguments: str, cwd: Path) -> str:
    """What FastMCP's command prints."""
    done = subprocess.run([*FASTMCP, *arguments], capture_output=True, text=True, check=True, cwd=cwd)
    return done.stdout


def test_the_server_is_inspected(project: Path) -> None:
    printed = _fastmcp("inspect", server_file(), "--format", "mcp", cwd=project)
    document: dict[str, Any] = json.loads(printed[printed.index("{") :])
    assert "generate_image" in {tool["name"] for tool in document["tools"]}


async def test_the_server_is_run_over_stdio(project: Path) -> None:
    server = StdioServerParameters(
        command=FASTMCP[0],
        args=[*FASTMCP[1:], "run", server_file(), "--no-banner"],
        env={**os.environ, "GPT_IMAGE_SANDBOX": "1"},
        cwd=project,
    )
    async with stdio_client(server) as (read, write), ClientSession(read, write) as session:
        started = await session.initialize()
        tools = await session.list_tools()
        made = await session.call_tool("generate_image", {"prompt": "a boat", "quality": "low"})
    assert started.server_info.name == "gpt-image-mcp"
    assert "generate_image" in {tool.name for tool in tools.tools}
    assert not made.is_error


async def test_local_files_are_guarded_over_http_there_too(project: Path) -> None:
    (project / "shared").mkdir()
    private, shared = project / "private.png", project / "shared" / "photo.png"
    for place in (private, shared):
        Image.new("RGB", (64, 64), "red").save(place)
    with serve_by_fastmcp(project) as running:
        for refused in await _edits(running.url, shared):
            assert refused.meta is not None
            assert refused.meta["gpt-image-mcp/error"]["code"] == "input_rejected"
    with serve_by_fastmcp(project, GPT_IMAGE_INPUT_ROOTS=str(shared.parent)) as running:
        assert all(refused.is_error for refused in await _edits(running.url, private))
        assert not any(edited.is_error for edited in await _edits(running.url, shared))


async def test_nothing_is_saved_outside_the_output_folder_over_http_there_too(project: Path) -> None:
    hooks = project / ".git" / "hooks"
    with serve_by_fastmcp(project) as running:
        async with Client(running.url) as client:
            arguments = {"prompt": "x", "quality": "low", "output_dir": str(hooks)}
            refused = await client.call_tool("generate_image", arguments, raise_on_error=False)
    assert refused.meta is not None
    assert refused.meta["gpt-image-mcp/error"]["code"] == "output_rejected"
    assert not hooks.parent.exists()


async def _edits(url: str, photo: Path) -> list[Any]:
    """What a client of each protocol era gets for an edit of a local file."""
    answers: list[Any] = []
    for era in ("auto", "legacy"):
        mode: Any = era
        async with Client(url, mode=mode) as client:
            arguments = {"prompt": f"x, {era}", "images": [str(photo)]}
            answers.append(await client.call_tool("edit_image", arguments, raise_on_error=False))
    return answers


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for npx is a shell script")
def test_the_inspector_is_told_to_run_the_server_over_stdio(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Node's npx would fetch the inspector; the stand-in prints what it is asked to start."""
    npx = project / "bin" / "npx"
    npx.parent.mkdir()
    npx.write_text('#!/bin/sh\necho "$@"\n')
    npx.chmod(0o755)
    monkeypatch.setenv("PATH", f"{npx.parent}{os.pathsep}{os.environ['PATH']}")
    asked = _fastmcp("dev", "inspector", server_file(), cwd=project).split()
    assert asked[0] == "@modelcontextprotocol/inspector"
    assert asked[1:6] == ["fastmcp", "run", server_file(), "--no-banner", "--transport"]
    assert asked[6] == "stdio"
