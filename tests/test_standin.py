"""The stand-in over real HTTP: the same answers as the sandbox, real faults of the connection."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

from tests.openai_api.sandbox.test_generations import ARGUMENTS, make
from tests.standin import Standin, serve_standin

ROOT = Path(__file__).parents[1]


def _client(standin: Standin, **options: Any) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(api_key="sk-test", base_url=standin.base_url, max_retries=0, **options)


async def test_the_sdk_gets_a_picture_over_http() -> None:
    async with serve_standin() as standin, _client(standin) as client:
        response = await make(client)
        stream = await client.images.generate(**ARGUMENTS, stream=True, partial_images=1)
        events = [event.type async for event in stream]
    assert response.data is not None
    assert response.data[0].b64_json
    assert events[-1] == "image_generation.completed"
    assert len(standin.posts) == 2


async def test_a_reset_is_a_broken_connection() -> None:
    async with serve_standin() as standin, _client(standin) as client:
        with pytest.raises(openai.APIConnectionError):
            await make(client, prompt="a fox [sandbox:reset]")


async def test_a_timeout_is_an_answer_that_does_not_come() -> None:
    timeout = httpx2.Timeout(0.5)
    async with serve_standin() as standin, _client(standin, timeout=timeout) as client:
        with pytest.raises(openai.APITimeoutError):
            await make(client, prompt="a fox [sandbox:timeout]")


async def test_as_a_process_it_answers_with_the_bytes_of_a_file(tmp_path: Path) -> None:
    image = tmp_path / "image.png"
    image.write_bytes(b"pretend")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(ROOT / "tests/standin.py"), "--image", str(image)),
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    assert process.stdout is not None
    try:
        port = int(await process.stdout.readline())
        async with httpx2.AsyncClient() as http:
            answer = await http.post(f"http://127.0.0.1:{port}/v1/images/generations", json=ARGUMENTS)
        assert answer.json()["data"][0]["b64_json"] == "cHJldGVuZA=="
    finally:
        process.terminate()
        await process.wait()
