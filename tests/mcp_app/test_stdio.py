"""The server as a process, driven over real pipes by a client we did not write."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

import pytest
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.types import ImageContent, TextContent

import gpt_image_mcp
from tests.standin import serve_standin

INITIALIZE = {
    "protocolVersion": "2025-06-18",
    "capabilities": {},
    "clientInfo": {"name": "test", "version": "1"},
}


def _server(**settings: str) -> StdioServerParameters:
    return StdioServerParameters(
        command=sys.executable, args=["-m", "gpt_image_mcp"], env={**os.environ, **settings}
    )


async def test_a_client_gets_file_preview_and_cost_from_an_http_api() -> None:
    async with serve_standin() as standin:
        server = _server(OPENAI_API_KEY="sk-test", OPENAI_BASE_URL=standin.base_url)
        async with stdio_client(server) as (read, write), ClientSession(read, write) as session:
            started = await session.initialize()
            tools = await session.list_tools()
            result = await session.call_tool("generate_image", {"prompt": "a paper boat", "quality": "low"})
        assert started.server_info.name == "gpt-image-mcp"
        assert started.server_info.version == gpt_image_mcp.__version__
        assert {tool.name for tool in tools.tools} >= {"generate_image", "get_image", "estimate_cost"}
        assert not result.is_error
        answer = result.structured_content
        assert answer is not None
        saved = Path(answer["images"][0]["file_path"])
        assert saved.stat().st_size == answer["images"][0]["size_bytes"]
        assert isinstance(result.content[0], ImageContent)
        assert answer["cost_usd_estimated"] > 0
        assert answer["sandbox"] is False
        assert len(standin.posts) == 1
        assert "sk-test" not in json.dumps(answer)


async def test_without_a_key_the_server_starts_and_says_what_to_set() -> None:
    async with stdio_client(_server()) as (read, write), ClientSession(read, write) as session:
        await session.initialize()
        result = await session.call_tool("generate_image", {"prompt": "a fox"})
        at_once = await session.call_tool("generate_image", {"prompt": "a fox", "wait_seconds": 0})
        again = await session.call_tool("generate_image", {"prompt": "a fox", "model": "sandbox"})
    assert result.is_error
    assert at_once.is_error
    text = result.content[0]
    assert isinstance(text, TextContent)
    assert text.text.startswith("missing_api_key: ")
    assert "OPENAI_API_KEY" in text.text
    assert "sandbox" in text.text
    assert not again.is_error
    assert again.structured_content is not None
    assert again.structured_content["sandbox"] is True


async def test_a_wrong_key_is_refused_without_being_shown() -> None:
    async with serve_standin() as standin:
        server = _server(OPENAI_API_KEY="sk-invalid-abcdef", OPENAI_BASE_URL=standin.base_url)
        async with stdio_client(server) as (read, write), ClientSession(read, write) as session:
            await session.initialize()
            result = await session.call_tool("generate_image", {"prompt": "a fox"})
    text = result.content[0]
    assert isinstance(text, TextContent)
    assert text.text.startswith("authentication_failed: ")
    assert "sk-" not in text.text


def _run(*arguments: str, stdin: str = "", **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gpt_image_mcp", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
        env={**os.environ, **settings},
    )


def test_a_malformed_setting_stops_the_start_with_a_message() -> None:
    done = _run(GPT_IMAGE_WAIT_SECONDS="soon")
    assert done.returncode == 2
    assert done.stdout == ""
    assert "GPT_IMAGE_WAIT_SECONDS" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [(), ("serve",), ("serve", "--transport", "stdio")])
def test_stdout_carries_nothing_but_the_protocol(arguments: tuple[str, ...]) -> None:
    request = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": INITIALIZE}
    done = _run(*arguments, stdin=f"this is not json\n{json.dumps(request)}\n", GPT_IMAGE_DEBUG="1")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["id"] for line in lines if "result" in line] == [1]
    assert done.returncode == 0


def _exchange(
    messages: list[dict[str, Any]], *, stderr: IO[str] | None = None, **settings: str
) -> list[dict[str, Any]]:
    """Sends messages to a server all at once; gives its first two answers."""
    with subprocess.Popen(
        [sys.executable, "-m", "gpt_image_mcp"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        env={**os.environ, **settings},
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for message in messages:
            process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        process.stdin.flush()
        answers = [json.loads(process.stdout.readline()) for _ in range(2)]
        process.stdin.close()
    return answers


LOADED = """
import asyncio, json, sys
{server}
from fastmcp import Client
async def list_tools():
    async with Client(mcp) as client:
        await client.list_tools()
asyncio.run(list_tools())
names = {{name.partition(".")[0] for name in sys.modules}}
print(json.dumps(sorted(names)))
"""
BARE = """
from fastmcp import FastMCP
mcp = FastMCP("bare", version="1")
@mcp.tool
def hello(name: str) -> str:
    return name
"""


def _loaded_modules(server: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", LOADED.format(server=server)], capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stdout))


def test_nothing_is_imported_before_the_first_call_that_a_bare_server_does_not_import() -> None:
    ours = _loaded_modules("from gpt_image_mcp.server import mcp")
    bare = _loaded_modules(BARE)
    extra = {name for name in ours - bare if name not in sys.stdlib_module_names}
    assert extra == {"gpt_image_mcp"}


def test_the_list_of_tools_does_not_wait_for_the_store_of_session_state(tmp_path: Path) -> None:
    messages: list[dict[str, Any]] = [
        {"id": 1, "method": "initialize", "params": INITIALIZE},
        {"method": "notifications/initialized"},
        {"id": 2, "method": "tools/list", "params": {}},
    ]
    with (tmp_path / "imports").open("w+") as imports:
        answers = _exchange(messages, stderr=imports, PYTHONPROFILEIMPORTTIME="1")
        imports.seek(0)
        imported = imports.read()
    assert "generate_image" in [tool["name"] for tool in answers[1]["result"]["tools"]]
    assert " fastmcp\n" in imported
    assert "key_value" not in imported


def test_the_package_itself_imports_nothing_heavy() -> None:
    code = "import sys, gpt_image_mcp; print(sorted(m for m in sys.modules if m.startswith('gpt_image_mcp')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['gpt_image_mcp']"


def test_a_server_whose_loop_is_stuck_is_gone_after_its_grace() -> None:
    code = (
        "import asyncio, functools, time; from gpt_image_mcp.signals import leave_within;"
        "from gpt_image_mcp.mcp_app.stdio import Client\n"
        "async def stay(): Client(0, 1, functools.partial(leave_within, -5)); time.sleep(3600)\n"
        "asyncio.run(stay())"
    )
    done = subprocess.run([sys.executable, "-c", code], stdin=subprocess.DEVNULL, timeout=60, check=False)
    assert done.returncode == 0
