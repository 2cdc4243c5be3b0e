"""What the libraries of clients make of our tools: nothing is refused, and nothing is lost.

The libraries are of the group ``converters`` and have an environment of their own, whose Python ``.ci/run``
names in ``CONVERTERS_PYTHON``; without it, uv makes one.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gpt_image_mcp.mcp_app.middleware import TOOLS_OF_GROUP
from tests.programs import required

SCRIPT = Path(__file__).with_name("converting.py")
SNAPSHOTS = Path(__file__).parent / "snapshots"


def _python() -> list[str]:
    """The command of a Python that has the libraries."""
    if python := os.environ.get("CONVERTERS_PYTHON"):
        return [python]
    uv = required(shutil.which("uv"), "uv")
    project = str(SCRIPT.parents[2])
    return [uv, "run", "--quiet", "--isolated", "--project", project, "--only-group", "converters", "python"]


def _form(schema: dict[str, Any]) -> dict[str, Any]:
    """What of a schema must not get lost, in the words of JSON Schema."""
    form: dict[str, Any] = {"type": schema["type"].lower()}
    form |= {name: schema[name] for name in ("enum", "description") if name in schema}
    if "items" in schema:
        form["items"] = _form(schema["items"])
    return form | {"members": {name: _form(part) for name, part in schema.get("properties", {}).items()}}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("converter", ["gemini", "openai", "langchain", "anthropic"])
def test_a_client_that_converts_schemas_keeps_every_tool_whole(converter: str) -> None:
    # What is inherited for our own environment must not reach uv.
    environment = {
        name: value for name, value in os.environ.items() if name not in {"UV_NO_SYNC", "VIRTUAL_ENV"}
    }
    done = subprocess.run(
        [*_python(), str(SCRIPT), converter, sys.executable],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    converted = json.loads(done.stdout)
    # What only a served library offers is not listed over stdio.
    local = [path for path in SNAPSHOTS.glob("*.json") if path.stem not in TOOLS_OF_GROUP["remote"]]
    published = {path.stem: json.loads(path.read_text())["inputSchema"] for path in local}
    assert {name: _form(schema) for name, schema in converted["schemas"].items()} == {
        name: _form(schema) for name, schema in published.items()
    }
    assert "2 image(s) with gpt-image-2, size auto, quality low" in converted["answer"]
