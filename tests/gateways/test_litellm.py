"""Through the real proxy of LiteLLM: pictures arrive, refusals keep their meaning, unknown costs are unknown.

The proxy is of the group ``litellm`` and has an environment of its own, whose Python ``.ci/run`` names in
``LITELLM_PYTHON``; without it, uv makes one.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from gpt_image_mcp import Settings, Studio
from gpt_image_mcp.errors import AuthenticationFailed, ModerationBlocked, UpstreamRejected
from tests.faults.observed import QUICK, spent_usd
from tests.programs import required
from tests.standin import serve_standin

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from tests.standin import Standin

ROOT = Path(__file__).parents[2]
KEY = "sk-of-the-proxy-0123456789"
START = "import sys; from litellm import run_server; sys.exit(run_server())"
START_SECONDS = 240


def _python() -> list[str]:
    """The command of a Python that has the proxy."""
    if python := os.environ.get("LITELLM_PYTHON"):
        return [python]
    uv = required(shutil.which("uv"), "uv")
    return [uv, "run", "--quiet", "--isolated", "--project", str(ROOT), "--only-group", "litellm", "python"]


def _configuration(standin: Standin) -> dict[str, Any]:
    """Two names for the model behind the proxy: OpenAI's own, and one of the house."""
    upstream = {"model": "openai/gpt-image-2", "api_base": standin.base_url, "api_key": "sk-upstream"}
    names = ("gpt-image-2", "house-pictures")
    return {
        "model_list": [{"model_name": name, "litellm_params": upstream} for name in names],
        "general_settings": {"master_key": KEY},
        "litellm_settings": {"telemetry": False, "num_retries": 0},
    }


def _unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@asynccontextmanager
async def _proxy(standin: Standin, folder: Path) -> AsyncGenerator[str]:
    """The proxy before a stand-in; gives its address."""
    file = folder / "litellm.yaml"
    file.write_text(json.dumps(_configuration(standin)))  # which is YAML, too
    port = _unused_port()
    options = ["--config", str(file), "--host", "127.0.0.1", "--port", str(port)]
    # What is inherited for our own environment must not reach uv.
    inherited = {
        name: value for name, value in os.environ.items() if name not in {"UV_NO_SYNC", "VIRTUAL_ENV"}
    }
    process = await asyncio.create_subprocess_exec(
        *(*_python(), "-c", START, *options),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**inherited, "LITELLM_LOCAL_MODEL_COST_MAP": "True"},
    )
    try:
        output = await _started(process)
        yield f"http://127.0.0.1:{port}/v1"
        output.cancel()
    finally:
        process.terminate()
        await process.wait()


async def _started(process: asyncio.subprocess.Process) -> asyncio.Task[bytes]:
    """Waits until the proxy listens; what it prints later is read and dropped."""
    assert process.stdout is not None
    said = b""
    async with asyncio.timeout(START_SECONDS):
        while b"Uvicorn running" not in said:
            line = await process.stdout.readline()
            said += line
            assert line, f"the proxy did not start:\n{said.decode()}"
    return asyncio.create_task(process.stdout.read())


@pytest.mark.timeout(300)
async def test_pictures_edits_refusals_and_unknown_costs_come_through_the_proxy(tmp_path: Path) -> None:
    Image.new("RGB", (816, 816), "teal").save("photo.png")
    async with serve_standin() as standin, _proxy(standin, tmp_path) as address:
        settings = {"api_key": KEY, "base_url": address}
        async with Studio(Settings.model_validate(settings)) as studio:
            made = await studio.generate("a fox", **QUICK)
            edited = await studio.edit("at night", ["photo.png"], **QUICK)
            for result in (made, edited):
                with Image.open(result.images[0].file_path) as image:
                    assert image.size == (816, 816)
                assert result.cost is not None
                assert result.cost.basis == "usage"
            spent = await spent_usd(studio)
            with pytest.raises(ModerationBlocked, match="safety"):
                await studio.generate("a fight [sandbox:moderation_blocked]", **QUICK)
            with pytest.raises(UpstreamRejected, match="Invalid model name"):
                await studio.generate("a fox", model="no-such-name", **QUICK)
            assert await spent_usd(studio) == spent
            uncounted = await studio.generate("an owl [sandbox:no_usage]", **QUICK)
            assert uncounted.cost is not None
            assert uncounted.cost.basis == "quote"
            assert any("no token usage" in note for note in uncounted.notes)
            renamed = await studio.generate("an owl", model="house-pictures", **QUICK)
            assert renamed.cost is not None
            assert (renamed.cost.usd, renamed.cost.basis) == (None, "unknown")
        async with Studio(Settings.model_validate({**settings, "api_key": "sk-wrong"})) as studio:
            with pytest.raises(AuthenticationFailed, match="OPENAI_API_KEY"):
                await studio.generate("a fox", **QUICK)
    assert len(standin.posts) == 5
