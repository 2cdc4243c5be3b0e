"""FastMCP's own command with our server file: what ``docs/clients.md`` tells of it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest
from fastmcp import Client
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

FASTMCP = (sys.executable, "-m", "fastmcp.cli")


@pytest.fixture(scope="module")
def server_file() -> str:
    """Where ``server.py`` is."""
    spec = find_spec("gpt_image_mcp.server")
    assert spec is not None
    assert spec.origin is not None
    return spec.origin


def _fastmcp(*arguments: str, cwd: Path) -> str:
    """What FastMCP's command prints."""
    done = subprocess.run([*FASTMCP, *arguments], capture_output=True, text=True, check=True, cwd=cwd)
    return done.stdout


def test_the_server_is_inspected(project: Path, server_file: str) -> None:
    printed = _fastmcp("inspect", server_file, "--format", "mcp", cwd=project)
    document: dict[str, Any] = json.loads(printed[printed.index("{") :])
    assert "generate_image" in {tool["name"] for tool in document["tools"]}


async def test_the_server_is_run_over_stdio(project: Path, server_file: str) -> None:
    server = StdioServerParameters(
        command=FASTMCP[0],
        args=[*FASTMCP[1:], "run", server_file, "--no-banner"],
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


@contextmanager
def _served_over_http(server_file: str, folder: Path, **settings: str) -> Generator[str]:
    """``fastmcp run --transport http`` on a free port; gives the address of MCP."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with subprocess.Popen(
        [*FASTMCP, "run", server_file, "--no-banner", "--transport", "http", "--port", str(port)],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "GPT_IMAGE_SANDBOX": "1", **settings},
        cwd=folder,
    ) as process:
        assert process.stderr is not None
        try:
            said = ""
            while "Uvicorn running" not in said:
                line = process.stderr.readline()
                assert line, said
                said += line
            yield f"http://127.0.0.1:{port}/mcp"
        finally:
            process.kill()


async def test_local_files_are_guarded_over_http_there_too(project: Path, server_file: str) -> None:
    (project / "shared").mkdir()
    private, shared = project / "private.png", project / "shared" / "photo.png"
    for place in (private, shared):
        Image.new("RGB", (64, 64), "red").save(place)
    with _served_over_http(server_file, project) as url:
        for refused in await _edits(url, shared):
            assert refused.meta is not None
            assert refused.meta["gpt-image-mcp/error"]["code"] == "input_rejected"
    with _served_over_http(server_file, project, GPT_IMAGE_INPUT_ROOTS=str(shared.parent)) as url:
        assert all(refused.is_error for refused in await _edits(url, private))
        assert not any(edited.is_error for edited in await _edits(url, shared))


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
    project: Path, server_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Node's npx would fetch the inspector; the stand-in prints what it is asked to start."""
    npx = project / "bin" / "npx"
    npx.parent.mkdir()
    npx.write_text('#!/bin/sh\necho "$@"\n')
    npx.chmod(0o755)
    monkeypatch.setenv("PATH", f"{npx.parent}{os.pathsep}{os.environ['PATH']}")
    asked = _fastmcp("dev", "inspector", server_file, cwd=project).split()
    assert asked[0] == "@modelcontextprotocol/inspector"
    assert asked[1:6] == ["fastmcp", "run", server_file, "--no-banner", "--transport"]
    assert asked[6] == "stdio"
