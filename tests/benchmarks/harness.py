"""What the benchmarks share: a stand-in for the API, our server as a process, and how numbers are shown."""

from __future__ import annotations

import asyncio
import contextlib
import io
import itertools
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Generator

ROOT = Path(__file__).parents[2]
INITIALIZE = {
    "protocolVersion": "2025-06-18",
    "capabilities": {},
    "clientInfo": {"name": "benchmark", "version": "1"},
}


def photo(path: Path) -> None:
    """Writes a 1024x1024 PNG of about 1.4 MB: smooth shapes with grain, like a photograph."""
    from PIL import Image, ImageChops

    grain = [Image.effect_noise((1024, 1024), 4) for _ in range(3)]
    slopes = [Image.linear_gradient("L").resize((1024, 1024)).rotate(angle) for angle in (0, 90, 180)]
    bands = [ImageChops.add(slope, noise, scale=2) for slope, noise in zip(slopes, grain, strict=True)]
    Image.merge("RGB", bands).save(path, compress_level=6)


@contextlib.contextmanager
def standin(image: Path, *, delay_seconds: float = 0) -> Generator[str]:
    """The stand-in for the OpenAI API, as a process; gives its base URL."""
    command = [sys.executable, str(ROOT / "tests/standin.py"), "--port", "0", "--image", str(image)]
    if delay_seconds:
        command += ["--delay", str(delay_seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        try:
            port = int(process.stdout.readline())
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()


def environment(folder: Path, **settings: str) -> dict[str, str]:
    """A user's environment: a home of its own, byte code written."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    homes = {
        "HOME": str(folder),
        "XDG_DATA_HOME": str(folder / "data"),
        "XDG_CONFIG_HOME": str(folder / "config"),
    }
    return {**kept, **homes, **settings}


def encode_preview(data: bytes) -> None:
    """One preview of the usual size and kind."""
    from PIL import Image

    image = Image.open(io.BytesIO(data)).convert("RGB").resize((768, 768), Image.Resampling.BICUBIC)
    image.save(io.BytesIO(), "JPEG", quality=82)


class RawClient:
    """JSON-RPC over pipes and nothing else, so that the time measured is the server's."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._stdin, self._stdout, self.pid = process.stdin, process.stdout, process.pid
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[bytes]] = {}
        self._reading = asyncio.create_task(self._read())

    async def call(self, method: str, params: dict[str, Any]) -> bytes:
        """One request; gives the line that answers it."""
        number = next(self._ids)
        future = self._waiting[number] = asyncio.get_running_loop().create_future()
        await self._send({"id": number, "method": method, "params": params})
        answer: bytes = await future
        return answer

    async def tool(
        self, name: str, arguments: dict[str, Any], *, done: bytes = b'"status":"completed"'
    ) -> bytes:
        """One tool call; fails unless its answer says that it worked."""
        answer = await self.call("tools/call", {"name": name, "arguments": arguments})
        assert done in answer, answer[:500]
        return answer

    async def cancelled(self, name: str, arguments: dict[str, Any]) -> None:
        """One tool call that is cancelled a little later, and that nothing answers."""
        number = next(self._ids)
        params = {"name": name, "arguments": arguments}
        await self._send({"id": number, "method": "tools/call", "params": params})
        await asyncio.sleep(0.05)
        await self._send({"method": "notifications/cancelled", "params": {"requestId": number}})

    def peak_memory_mb(self) -> float:
        """The most memory the server has used so far."""
        return memory_mb(self.pid, "VmHWM")

    def memory_mb(self) -> float:
        """The memory the server uses now."""
        return memory_mb(self.pid, "VmRSS")

    async def _send(self, message: dict[str, Any]) -> None:
        self._stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
        await self._stdin.drain()

    async def _read(self) -> None:
        while line := await self._stdout.readline():
            number = int(re.search(rb'"id":\s*(\d+)', line[:100] + line[-100:])[1])  # type: ignore[index]
            waiting = self._waiting.pop(number, None)
            if waiting and not waiting.done():
                waiting.set_result(line)


def memory_mb(pid: int, which: str) -> float:
    """The memory of a process by Linux: ``VmRSS`` is that of now, ``VmHWM`` the most so far."""
    found = re.search(rf"{which}:\s*(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


@contextlib.asynccontextmanager
async def server(folder: Path, base_url: str, **settings: str) -> AsyncGenerator[RawClient]:
    """Our server as a process, with a client connected over stdio."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gpt_image_mcp"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(folder, OPENAI_API_KEY="sk-benchmark", OPENAI_BASE_URL=base_url, **settings),
        cwd=folder,
        limit=2**24,
    )
    client = RawClient(process)
    await client.call("initialize", INITIALIZE)
    try:
        yield client
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()


@contextlib.contextmanager
def http_server(folder: Path, **settings: str) -> Generator[tuple[subprocess.Popen[str], str]]:
    """Our server as a process, over HTTP, and where MCP is."""
    command = [sys.executable, "-m", "gpt_image_mcp", "serve", "--transport", "http", "--port", "0"]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env=environment(folder, **settings), cwd=folder
    ) as process:
        assert process.stderr is not None
        try:
            yield process, process.stderr.readline().split()[4].rstrip(",")
        finally:
            process.kill()


async def timed(work: Callable[[], Awaitable[object]]) -> float:
    """Milliseconds of one piece of work."""
    started = time.perf_counter()
    await work()
    return (time.perf_counter() - started) * 1000


def report(what: str, value: float, baseline: float, *, unit: str, reach: float) -> None:
    """One line: value, baseline, ratio and the ratio to reach."""
    ratio = value / baseline
    verdict = "ok" if ratio <= reach else "MISSED"
    print(f"{what:44} {value:8.1f} {unit:3} / {baseline:8.1f} = {ratio:5.2f}x  (reach {reach}x)  {verdict}")
