"""Running the examples of a page, in order, as a reader would: one folder, one home, in the sandbox."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tomllib
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from pathlib import Path

    from fastmcp import Client

    from tests.docs.pages import Page

# What runs or is checked, and what only shows something: the reader's own shell, a client, a file of theirs.
CHECKED = ("bash", "python", "json", "toml", "yaml")
# What tests/team/test_walk.py runs.
WALKED = ("sh",)
SHOWN = ("text", "{toctree}", "{include} ../CHANGELOG.md")
_TIME_LIMIT_SECONDS = 120
_FLEETING = ("id", "file_path", "filename", "uri", "size_bytes")
_UVX = """#!/bin/sh
if [ "$1 $2 $3" != "--from . gpt-image-mcp" ]; then echo "not from the checkout: uvx $*" >&2; exit 64; fi
shift 3
exec "{python}" -m gpt_image_mcp "$@"
"""
# The tests are what runs this, so it only starts their runner.
_UV = """#!/bin/sh
if [ "$1 $2" != "run pytest" ]; then echo "not the test command: uv $*" >&2; exit 64; fi
exec "{python}" -m pytest --version
"""
_SCRIPT = """#!/bin/sh
exec "{python}" -m gpt_image_mcp "$@"
"""


class Reader:
    """Does what a page says.

    Ids differ each time, so the examples write ``SESSION_ID``, ``IMAGE_ID`` and ``JOB_ID``: what the calls
    before gave.
    """

    def __init__(self, page: Page, client: Client[Any], programs: Path) -> None:
        self._page = page
        self._client = client
        self._environment = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
        self._ids: dict[str, str] = {}
        self._answer: dict[str, Any] = {}

    async def follow(self) -> int:
        """Runs every example; gives how many there were."""
        count = 0
        for fence in self._page.fences:
            where = f"{self._page.name}, line {fence.line}"
            if fence.language == "bash":
                await asyncio.to_thread(self._run, ["bash", "-euo", "pipefail", "-c", fence.text], where)
            elif fence.language == "python":
                await asyncio.to_thread(self._run, [sys.executable, "-c", fence.text], where)
            elif fence.language == "json":
                # A list is a file that a client imports.
                document = json.loads(fence.text)
                await self._send({} if fence.text.startswith("[") else document, where)
            elif fence.language == "toml":
                tomllib.loads(fence.text)
            elif fence.language == "yaml":
                yaml.safe_load(fence.text)
            count += fence.language in CHECKED
        return count

    def _run(self, command: list[str], where: str) -> None:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            env=self._environment,
            timeout=_TIME_LIMIT_SECONDS,
        )
        assert done.returncode == 0, f"{where}:\n{done.stderr}"
        assert done.stdout, f"{where} prints nothing"

    async def _send(self, document: dict[str, Any], where: str) -> None:
        """Makes a call, or compares the result that the page shows with that of the call before it."""
        if "status" in document:
            assert _lasting(document) == _lasting(self._answer), where
        if set(document) != {"name", "arguments"}:
            return
        arguments = self._filled_in(document["arguments"])
        result = await self._client.call_tool(document["name"], arguments, raise_on_error=False)
        assert not result.is_error, f"{where}: {result.content}"
        assert result.structured_content
        self._answer = result.structured_content
        self._remember(self._answer)

    def _filled_in(self, arguments: dict[str, Any]) -> dict[str, Any]:
        text = json.dumps(arguments)
        for name, value in self._ids.items():
            text = text.replace(name, value)
        assert "_ID" not in text, f"{self._page.name}: no call before gave the id in {text}"
        filled: dict[str, Any] = json.loads(text)
        return filled

    def _remember(self, answer: dict[str, Any]) -> None:
        for name in ("session_id", "job_id"):
            if name in answer:
                self._ids[name.upper()] = answer[name]
        for image in answer.get("images", []):
            self._ids.setdefault("IMAGE_ID", image["id"])


def _lasting(answer: dict[str, Any]) -> dict[str, Any]:
    """A result without what differs each time, and in the sandbox."""
    images = [{**image, **dict.fromkeys(_FLEETING, "")} for image in answer["images"]]
    return {**answer, "images": images, "sandbox": False}


def install_programs(folder: Path) -> Path:
    """Puts ``gpt-image-mcp``, ``uvx`` and ``uv`` into a folder, all running this checkout.

    ``uvx`` itself would resolve and install anew for each command.
    """
    assert shutil.which("bash"), "the examples need bash"
    folder.mkdir()
    for name, text in {"uv": _UV, "uvx": _UVX, "gpt-image-mcp": _SCRIPT}.items():
        program = folder / name
        program.write_text(text.format(python=sys.executable))
        program.chmod(0o755)
    return folder
