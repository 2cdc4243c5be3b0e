"""The next model is one table in the data file: then it is listed, described, completed, quoted and used."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import gpt_image_mcp

if TYPE_CHECKING:
    from pathlib import Path

TABLE = """
[models."gpt-image-3-flare"]
released = 2026-11-28
sizes = "custom"
qualities = ["low", "medium", "high", "xhigh", "max"]
transparency = "yes"
markup = true
complexity = true
extra_formats = ["gif", "svg"]
prices = "gpt-image-2"
tokens = "gpt-image-2-6"
input_tokens = "patches"
source = "a test"
confidence = "third_party"
"""
USED = """
import asyncio, json
from fastmcp import Client
from gpt_image_mcp.server import mcp

NAME = "gpt-image-3-flare"

async def main():
    async with Client(mcp) as client:
        tools = {tool.name: tool for tool in await client.list_tools()}
        words = tools["generate_image"].input_schema["properties"]["model"]["description"]
        models = json.loads((await client.read_resource("gpt-image://models"))[0].text)
        completed = await client.complete(
            {"type": "ref/prompt", "name": "product_mockup"}, {"name": "model", "value": "gpt-image-3"}
        )
        made = []
        for asked in ({"quality": "low"}, {"output_format": "gif"}, {"background": "transparent"}):
            result = await client.call_tool("generate_image", {"prompt": "a fox", "model": NAME, **asked})
            call = result.structured_content
            made.append((call["model"], call["images"][0]["mime_type"], call["cost_usd_estimated"]))
        quoted = await client.call_tool("estimate_cost", {"model": NAME, "budget_usd": 1, "size": "4k"})
        refused = await client.call_tool(
            "generate_image",
            {"prompt": "a fox", "model": "gpt-image-2", "complexity": "low"},
            raise_on_error=False,
        )
    print(json.dumps({
        "words": words,
        "models": [model["name"] for model in models["models"]],
        "completed": completed.values,
        "made": made,
        "fits": sorted({fit["model"] for fit in quoted.structured_content["fits"]}),
        "refused": refused.content[0].text,
    }))

asyncio.run(main())
"""


def test_a_model_like_another_is_one_table(tmp_path: Path, project: Path) -> None:
    package = tmp_path / "package" / "gpt_image_mcp"
    shutil.copytree(gpt_image_mcp.__path__[0], package, ignore=shutil.ignore_patterns("__pycache__"))
    data = package / "catalogue" / "models.toml"
    data.write_text(data.read_text(encoding="utf-8") + TABLE, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(package.parent), "GPT_IMAGE_SANDBOX": "1"}
    done = subprocess.run(
        [sys.executable, "-c", USED],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=environment,
        cwd=project,
    )
    assert done.returncode == 0, done.stderr
    used = json.loads(done.stdout)
    assert "newest: gpt-image-3-flare;" in used["words"]
    assert "gpt-image-3-flare" in used["models"]
    assert used["completed"] == ["gpt-image-3-flare"]
    kinds = ["image/png", "image/gif", "image/png"]
    assert [call[:2] for call in used["made"]] == [["gpt-image-3-flare", kind] for kind in kinds]
    assert all(0 < call[2] < 1 for call in used["made"])
    assert "gpt-image-3-flare" in used["fits"]
    assert "gpt-image-3-flare" in used["refused"]
