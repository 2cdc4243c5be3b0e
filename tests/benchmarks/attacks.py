"""How soon a search is answered beside an attack, and what memory it takes, a line for each.

``uv run python tests/benchmarks/attacks.py [NAME ...]`` runs all, or those that are named, each beside a
server of its own. To reach: 1,000 ms for 95 of 100 searches, 1,274 MB at the most, and the server gone 8 s
after its input ends (the grace is 2 s).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.benchmarks.harness import (
    RawClient,
    environment,
    http_server,
    memory_mb,
    server,
    timed,
)

SECONDS, PAUSE_SECONDS, PATIENCE_SECONDS = 8, 0.05, 60
REACH_MS, REACH_MB, REACH_GONE_SECONDS = 1000, 1274, 8
SETTINGS = {"GPT_IMAGE_SANDBOX": "1", "GPT_IMAGE_SHUTDOWN_GRACE_SECONDS": "2"}
Search = Callable[[], Awaitable[object]]


def png(path: Path, width: int, height: int) -> Path:
    """Writes a black grey PNG of any size, row by row."""
    packer, row = zlib.compressobj(9), bytes(1 + width)
    rows = max(1, (1 << 20) // len(row))
    packed = bytearray()
    for start in range(0, height, rows):
        packed += packer.compress(row * min(rows, height - start))
    packed += packer.flush()
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes((8, 0, 0, 0, 0))
    parts = [(b"IHDR", header), (b"IDAT", bytes(packed)), (b"IEND", b"")]
    chunks = (
        len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")
        for kind, data in parts
    )
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
    return path


def jpeg_of_scans(path: Path, scans: int) -> Path:
    """Writes a progressive JPEG that repeats its last scan."""
    from PIL import Image

    Image.new("L", (4000, 4000), 90).save(path, progressive=True)
    data = path.read_bytes()
    last = data.rindex(b"\xff\xda")
    path.write_bytes(data[:last] + data[last:-2] * scans + data[-2:])
    return path


def _edit(*images: Path | str, **more: Any) -> tuple[str, dict[str, Any]]:
    return "edit_image", {"prompt": "x", "images": [str(image) for image in images], **more}


def _glob(folder: Path) -> tuple[str, dict[str, Any]]:
    del folder
    return "batch_edit_images", {"prompt": "x", "images": ["/**/*.png"]}


def _fifo(folder: Path) -> tuple[str, dict[str, Any]]:
    os.mkfifo(folder / "fifo.png")
    return _edit(folder / "fifo.png")


def _sparse(folder: Path) -> tuple[str, dict[str, Any]]:
    path = png(folder / "sparse.png", 64, 64)
    os.truncate(path, 200_000_000_000)
    return _edit(path)


def _regions(folder: Path) -> tuple[str, dict[str, Any]]:
    wide = {"shape": "polygon", "points": [[0, 0], [1, 0.1], [0.9, 1], [0.1, 0.8]], "feather": 0.2}
    return _edit(png(folder / "wide.png", 3840, 2160), regions=[wide] * 64)


def _marks(folder: Path) -> tuple[str, dict[str, Any]]:
    zigzag = {"shape": "path", "points": [[0, 0], [1, 1]] * 500}
    name, arguments = _edit(png(folder / "marked.png", 3840, 2160), marks=[zigzag] * 64)
    return name, {**arguments, "model": "gpt-image-2.5-flare"}


class _Drip(BaseHTTPRequestHandler):
    """Answers every request with a PNG that never ends."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        with contextlib.suppress(OSError):
            while True:
                self.wfile.write(b"\x89PNG")
                time.sleep(0.1)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as it is called there
        """Says nothing."""


def _slow_url(folder: Path) -> tuple[str, dict[str, Any]]:
    del folder
    web = ThreadingHTTPServer(("127.0.0.1", 0), _Drip)
    web.daemon_threads = True
    threading.Thread(target=web.serve_forever, daemon=True).start()
    return _edit(f"http://127.0.0.1:{web.server_port}/a.png")


CALLS: dict[str, Callable[[Path], tuple[str, dict[str, Any]]]] = {
    "glob": _glob,
    "bomb": lambda folder: _edit(png(folder / "bomb.png", 30_000, 30_000)),
    "scans": lambda folder: _edit(jpeg_of_scans(folder / "scans.jpg", 5000)),
    "strip": lambda folder: _edit(png(folder / "strip.png", 1, 80_000_000)),
    "sixteen": lambda folder: _edit(*(png(folder / f"{n}.png", 9000, 8000 + n) for n in range(16))),
    "zero": lambda _: _edit("/dev/zero"),
    "fifo": _fifo,
    "sparse": _sparse,
    "slow-url": _slow_url,
    "regions": _regions,
    "marks": _marks,
}


@asynccontextmanager
async def _calling(client: RawClient, call: tuple[str, dict[str, Any]]) -> AsyncGenerator[None]:
    """Makes the same call over and over, four at a time."""

    async def over_and_over(number: int) -> None:
        while True:
            name, arguments = call
            await client.call(
                "tools/call", {"name": name, "arguments": {**arguments, "prompt": f"{number} {time.time()}"}}
            )

    tasks = [asyncio.create_task(over_and_over(number)) for number in range(4)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()


async def send(name: str, port: str) -> None:
    """Opens connections that send so much and no more, each anew when it is ended, in its own process."""
    first, connections = HTTP[name]

    async def over_and_over() -> None:
        while True:
            with contextlib.suppress(OSError):
                reader, writer = await asyncio.open_connection("127.0.0.1", int(port))
                writer.write(first)
                await reader.read()
                writer.close()
            await asyncio.sleep(1)

    await asyncio.gather(*(over_and_over() for _ in range(connections)))


_POST = b"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
_STALLED = _POST + b"Content-Length: 70000000\r\n\r\n" + b"a" * 3_900_000
HTTP: dict[str, tuple[bytes, int]] = {
    "half-sent": (b"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: ", 900),
    "stalled": (_STALLED, 200),
    "connections": (b"", 1500),
}


async def measure(name: str, search: Search, pid: int) -> tuple[str, float]:
    """Searches for a while; gives the row so far, and the most memory."""
    took: list[float] = []
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        try:
            took.append(await asyncio.wait_for(timed(search), PATIENCE_SECONDS))
        except TimeoutError:
            took.append(PATIENCE_SECONDS * 1000)
        await asyncio.sleep(PAUSE_SECONDS)
    p95 = sorted(took)[int(len(took) * 0.95)]
    median = statistics.median(took)
    verdict = "ok" if p95 <= REACH_MS else "MISSED"
    return f"{name:12} {len(took):4} {median:8.1f} {p95:8.1f} ms {verdict:6}", memory_mb(pid, "VmHWM")


def _show(row: str, peak: float, gone: float | None) -> None:
    ends = "" if gone is None else f" {gone:6.1f} s {'ok' if gone <= REACH_GONE_SECONDS else 'MISSED'}"
    print(f"{row} {peak:8.0f} MB {'ok' if peak <= REACH_MB else 'MISSED':6}{ends}", flush=True)


async def over_stdio(name: str, folder: Path) -> None:
    """An attack by calls, or by what lies in the library."""
    settings = {**SETTINGS, "GPT_IMAGE_ALLOW_PRIVATE_URLS": "1"}
    async with server(folder, "http://127.0.0.1:9/v1", **settings) as client:
        await client.tool("generate_image", {"prompt": "a boat", "quality": "low"})
        search = partial(client.tool, "find_images", {}, done=b'"total":')
        attack = _rebuilding(folder) if name == "metadata" else _calling(client, CALLS[name](folder))
        async with attack as beside:
            await asyncio.sleep(0.5)
            row, peak = await measure(name, search, client.pid)
        started = time.monotonic()
    _show(row, max([peak, *(beside or [])]), time.monotonic() - started)


@asynccontextmanager
async def _rebuilding(folder: Path) -> AsyncGenerator[list[float]]:
    """Puts a metadata file of 1 GB beside the image and rebuilds the library; gives its memory over time."""
    (metadata,) = folder.rglob(".metadata")
    with (metadata / "huge.json").open("wb") as huge:
        huge.write(b'{"id": "')
        for _ in range(1000):
            huge.write(b"a" * 1_000_000)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gpt_image_mcp", "history", "rebuild"),
        env=environment(folder, **SETTINGS),
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    peaks: list[float] = []
    watching = asyncio.create_task(_watch(process, peaks))
    try:
        yield peaks
    finally:
        watching.cancel()
        with contextlib.suppress(ProcessLookupError):
            process.kill()


async def _watch(process: asyncio.subprocess.Process, peaks: list[float]) -> None:
    while process.returncode is None:
        with contextlib.suppress(OSError):
            peaks.append(memory_mb(process.pid, "VmHWM"))
        await asyncio.sleep(PAUSE_SECONDS)


async def over_http(name: str, folder: Path) -> None:
    """An attack by connections, beside a client that was there before."""
    from fastmcp import Client

    with http_server(folder, **SETTINGS) as (process, url):
        async with Client(url) as client:
            await client.call_tool("find_images", {})
            port = url.split(":")[2].split("/")[0]
            sender = await asyncio.create_subprocess_exec(sys.executable, __file__, "--send", name, port)
            try:
                await asyncio.sleep(0.5)
                search = partial(client.call_tool, "find_images", {})
                row, peak = await measure(name, search, process.pid)
            finally:
                sender.kill()
    _show(row, peak, None)


async def main(names: list[str]) -> None:
    """Runs attacks one after the other."""
    unknown = set(names) - {*CALLS, *HTTP, "metadata"}
    if unknown:
        sys.exit(f"There is no {', '.join(unknown)}; there are {', '.join((*CALLS, 'metadata', *HTTP))}.")
    print(f"{'attack':12} {'n':>4} {'median':>8} {'p95':>8}            {'peak':>8}           gone after")
    for name in names or [*CALLS, "metadata", *HTTP]:
        folder = Path(tempfile.mkdtemp())
        try:
            await (over_http if name in HTTP else over_stdio)(name, folder)
        except (OSError, RuntimeError, AssertionError) as error:
            print(f"{name:12} failed: {type(error).__name__}: {str(error)[:200]}", flush=True)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    asyncio.run(send(*sys.argv[2:]) if sys.argv[1:2] == ["--send"] else main(sys.argv[1:]))
