"""The numbers of the main job, side by side in one run: ``uv run python tests/benchmarks/main_job.py``.

Everything runs on this machine: the OpenAI API is a loopback stand-in in a process of its own that answers
with a 1.4 MB PNG. Machines are noisy, so each number is a median and is compared with a baseline of the same
run. Byte code is written, as it is on users' machines.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.benchmarks.harness import (
    INITIALIZE,
    RawClient,
    encode_preview,
    environment,
    photo,
    report,
    server,
    standin,
    timed,
)

BARE_SERVER = """
from fastmcp import FastMCP
mcp = FastMCP("bare", version="1")
@mcp.tool
def hello(name: str) -> str:
    "Says hello."
    return name
mcp.run(show_banner=False)
"""
PROMPT = {"prompt": "a paper boat", "size": "1024x1024", "quality": "high"}
START_ROUNDS, CALL_ROUNDS, PARALLEL = 15, 31, 16


def initialize_milliseconds(command: list[str], env: dict[str, str]) -> float:
    """From spawn to the reply to ``initialize``."""
    request = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": INITIALIZE}
    started = time.perf_counter()
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=env,
        cwd=env["HOME"],
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(request).encode() + b"\n")
        process.stdin.flush()
        process.stdout.readline()
        elapsed = time.perf_counter() - started
        process.kill()
    return elapsed * 1000


def measure_start(folder: Path) -> None:
    """Start-up beside a bare FastMCP server with one tool, in turn."""
    bare = folder / "bare.py"
    bare.write_text(BARE_SERVER)
    env = environment(folder)
    commands = {"bare": [sys.executable, str(bare)], "ours": [sys.executable, "-m", "gpt_image_mcp"]}
    times: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(START_ROUNDS + 1):
        # In turn, each as often first as second.
        for name, command in sorted(commands.items(), reverse=number % 2 == 0):
            times[name].append(initialize_milliseconds(command, env))
    ours, bare_ms = (statistics.median(times[name][1:]) for name in ("ours", "bare"))
    report("spawn to initialize", ours, bare_ms, unit="ms", reach=1.0)


class Bare:
    """What a call costs without us: SDK call, base64 decode and file write, then one preview encode."""

    def __init__(self, base_url: str, folder: Path) -> None:
        import openai

        self._client = openai.AsyncOpenAI(api_key="sk-benchmark", base_url=base_url, max_retries=0)
        self._files = (folder / f"bare-{number}.png" for number in itertools.count())

    async def call(self) -> tuple[float, float]:
        """Milliseconds of the call with its file, and of the preview."""
        started = time.perf_counter()
        answer = await self._client.images.generate(
            model="gpt-image-2", prompt=PROMPT["prompt"], size="1024x1024", quality="high"
        )
        assert answer.data is not None
        data = base64.b64decode(answer.data[0].b64_json or "")
        next(self._files).write_bytes(data)
        fetched = time.perf_counter()
        encode_preview(data)
        return (fetched - started) * 1000, (time.perf_counter() - fetched) * 1000


async def measure_overhead(folder: Path, base_url: str) -> float:
    """One call beside the bare sum, in turn, so that a slow moment hits both; gives that sum for later."""
    bare = Bare(base_url, folder)
    rounds: list[tuple[float, float, float, float]] = []
    size = 0
    async with (
        server(folder, base_url) as shown,
        server(folder, base_url, GPT_IMAGE_INLINE="none") as unseen,
    ):
        for _ in range(CALL_ROUNDS + 2):
            fetching, encoding = await bare.call()
            with_preview = await timed(partial(shown.tool, "generate_image", PROMPT))
            without_preview = await timed(partial(unseen.tool, "generate_image", PROMPT))
            rounds.append((fetching, fetching + encoding, with_preview, without_preview))
        size = len(await shown.tool("generate_image", PROMPT))
    medians = [statistics.median(column) for column in zip(*rounds[2:], strict=True)]
    fetching, whole, with_preview, without_preview = medians
    report("one call with preview", with_preview, whole, unit="ms", reach=1.3)
    report("one call, GPT_IMAGE_INLINE=none", without_preview, fetching, unit="ms", reach=1.5)
    report("result on the wire", size / 1000, 160, unit="kB", reach=1)
    return float(whole)


async def measure_parallel(folder: Path, image: Path, bare_sum_ms: float) -> None:
    """Sixteen calls at once against an upstream that takes a second each, and the peak memory."""
    with standin(image, delay_seconds=1) as base_url:
        async with server(folder, base_url, GPT_IMAGE_MAX_CONCURRENCY=str(PARALLEL)) as client:
            await client.tool("generate_image", PROMPT)
            rounds = [await timed(lambda: together(client)) for _ in range(3)]
    ideal = 1000 + PARALLEL * bare_sum_ms / (os.cpu_count() or 1)
    report(f"{PARALLEL} calls at once", statistics.median(rounds), ideal, unit="ms", reach=1.25)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    report("largest process of the run", peak, 250, unit="MB", reach=1)


async def together(client: RawClient) -> None:
    """All calls at once."""
    # Different prompts: the same call would be joined and made once.
    prompts = ({**PROMPT, "prompt": f"a paper boat, number {number}"} for number in range(PARALLEL))
    await asyncio.gather(*(client.tool("generate_image", prompt) for prompt in prompts))


async def main() -> None:
    """Measures everything once."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        image = folder / "photo.png"
        photo(image)
        print(f"stand-in answers with {image.stat().st_size / 1e6:.2f} MB; {os.cpu_count()} cores")
        measure_start(folder)
        with standin(image) as base_url:
            bare_sum_ms = await measure_overhead(folder, base_url)
        await measure_parallel(folder, image, bare_sum_ms)


if __name__ == "__main__":
    asyncio.run(main())
