"""The numbers of editing, side by side in one run: ``uv run python tests/benchmarks/editing.py``.

As in ``main_job.py`` the OpenAI API is a loopback stand-in in a process of its own; each number is a median
and stands beside a baseline of the same run.
"""

from __future__ import annotations

import asyncio
import base64
import os
import statistics
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.benchmarks.harness import (
    encode_preview,
    photo,
    report,
    server,
    standin,
    timed,
)

ROUNDS = 21
BATCH, AT_ONCE, UPSTREAM_SECONDS = 100, 8, 0.2
MANY, LARGE_MB, HUGE_MB = 16, 10, 50
OVERHEAD_MS, PEAK_MB = 80, 450
ANSWER = "answer.png"


class Bare:
    """What an edit costs without us: SDK call, base64 decode and file write, then one preview encode."""

    def __init__(self, base_url: str, image: Path) -> None:
        import openai

        self._client = openai.AsyncOpenAI(api_key="sk-benchmark", base_url=base_url, max_retries=0)
        self._image = image

    async def call(self, *, shows: bool = True) -> None:
        """One edit, with its preview or without."""
        answer = await self._client.images.edit(
            model="gpt-image-2",
            prompt="make it night",
            image=("image-1.png", self._image.read_bytes(), "image/png"),
            size="1024x1024",
            quality="high",
        )
        assert answer.data is not None
        data = base64.b64decode(answer.data[0].b64_json or "")
        self._image.with_name("bare.png").write_bytes(data)
        if shows:
            encode_preview(data)


def large_png(path: Path, megabytes: int) -> None:
    """A PNG of noise, which does not compress, of about so many megabytes."""
    from PIL import Image

    edge = int((megabytes * 1e6 / 3) ** 0.5) - 8
    channels = [Image.frombytes("L", (edge, edge), os.urandom(edge * edge)) for _ in range(3)]
    Image.merge("RGB", channels).save(path, compress_level=0)


def plain_png(path: Path) -> None:
    """A PNG of a few kilobytes, so that hardly anything but calls is measured."""
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (1024, 1024), "navy")
    ImageDraw.Draw(image).ellipse((200, 200, 800, 800), fill="gold")
    image.save(path)


def arguments(*images: Path) -> dict[str, object]:
    """An edit of these images."""
    return {
        "prompt": "make it night",
        "images": [str(image) for image in images],
        "size": "1024x1024",
        "quality": "high",
    }


async def measure_overhead(folder: Path, base_url: str, image: Path) -> float:
    """One edit beside the bare sum, in turn; gives the bare sum."""
    bare = Bare(base_url, image)
    rounds: list[tuple[float, float]] = []
    async with server(folder, base_url) as client:
        for _ in range(ROUNDS + 2):
            baseline = await timed(bare.call)
            rounds.append((baseline, await timed(partial(client.tool, "edit_image", arguments(image)))))
    baseline, ours = (statistics.median(column) for column in zip(*rounds[2:], strict=True))
    report("an edit with one 1.4 MB input", ours, baseline, unit="ms", reach=9)
    report("  of which ours", ours - baseline, OVERHEAD_MS, unit="ms", reach=1)
    return float(baseline)


async def measure_batch(folder: Path, image: Path, *, what: str) -> None:
    """A hundred images beside what the upstream and the SDK alone take, in turn."""
    pictures = folder / f"pictures-{what}"
    pictures.mkdir()
    for number in range(BATCH):
        (pictures / f"{number:03}.png").write_bytes(image.read_bytes())
    batch = {
        "prompt": "warmer",
        "images": [str(pictures)],
        "concurrency": AT_ONCE,
        "size": "1024x1024",
        "quality": "high",
        "wait_seconds": 600,
    }
    settings = {"GPT_IMAGE_MAX_CONCURRENCY": str(AT_ONCE), "GPT_IMAGE_INLINE": "none"}
    rounds: list[tuple[float, float]] = []
    with standin(folder / ANSWER, delay_seconds=UPSTREAM_SECONDS) as base_url:
        async with server(folder, base_url, **settings) as client:
            await client.tool("edit_image", arguments(image))
            for _ in range(3):
                ours = await timed(partial(client.tool, "batch_edit_images", batch)) / 1000
                rounds.append((ours, await bare_batch(base_url, image)))
    ours, bare = (statistics.median(column) for column in zip(*rounds, strict=True))
    waits = BATCH / AT_ONCE * UPSTREAM_SECONDS
    report(f"{BATCH} {what} at {AT_ONCE}, SDK alone", bare, waits, unit="s", reach=9)
    report(f"{BATCH} {what} at {AT_ONCE}, over that", ours, bare, unit="s", reach=1.25)


async def bare_batch(base_url: str, image: Path) -> float:
    """Seconds for the same edits with the SDK alone, so many at once, in this process."""
    bare, slots = Bare(base_url, image), asyncio.Semaphore(AT_ONCE)

    async def one() -> None:
        async with slots:
            await bare.call(shows=False)

    started = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(BATCH)))
    return time.perf_counter() - started


async def measure_memory(folder: Path, base_url: str, image: Path) -> None:
    """The peak of a server that sends many large inputs, and of one that sends the largest allowed."""
    many = [folder / f"large-{number}.png" for number in range(MANY)]
    for path in many:
        large_png(path, LARGE_MB)
    huge = folder / "huge.png"
    large_png(huge, HUGE_MB)
    async with server(folder, base_url) as client:
        await client.tool("edit_image", arguments(image))
        usual = client.peak_memory_mb()
        await client.tool("edit_image", arguments(*many))
        report(f"peak of {MANY} x {LARGE_MB} MB", client.peak_memory_mb(), PEAK_MB, unit="MB", reach=1)
    async with server(folder, base_url) as client:
        await client.tool("edit_image", arguments(image))
        usual = client.peak_memory_mb()
        await client.tool("edit_image", arguments(huge))
        held = client.peak_memory_mb() - usual
        report(f"added by {huge.stat().st_size / 1e6:.0f} MB", held, HUGE_MB, unit="MB", reach=2)


async def measure_data_url(folder: Path) -> None:
    """Showing a data URL of ten megabytes beside reading it for an edit, in turn, in this process."""
    from pydantic import SecretStr

    from gpt_image_mcp import Settings, Studio
    from gpt_image_mcp.services.container import Container

    large_png(folder / "embedded.png", LARGE_MB)
    url = "data:image/png;base64," + base64.b64encode((folder / "embedded.png").read_bytes()).decode()
    database = SecretStr(f"sqlite:///{folder}/embedded.db")
    settings = Settings(sandbox=True, database_url=database)
    rounds: list[tuple[float, float]] = []
    container = Container(settings)
    async with Studio(settings) as studio:
        inputs = await container.inputs()
        for _ in range(ROUNDS):
            baseline = await timed(partial(inputs.load, [url]))
            rounds.append((baseline, await timed(partial(studio.get, url))))
    await container.aclose()
    baseline, ours = (statistics.median(column) for column in zip(*rounds, strict=True))
    report(f"get of a data URL of {LARGE_MB} MB, over reading it", ours, baseline, unit="ms", reach=1.5)


async def main() -> None:
    """Measures everything once."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        image = folder / "photo.png"
        photo(image)
        photo(folder / ANSWER)  # of another grain: an answer that repeats an input is none
        print(f"inputs and answers of {image.stat().st_size / 1e6:.2f} MB; {os.cpu_count()} cores")
        with standin(folder / ANSWER) as base_url:
            await measure_overhead(folder, base_url, image)
            await measure_memory(folder, base_url, image)
        await measure_data_url(folder)
        await measure_batch(folder, image, what="x 1.4 MB")
        drawing = folder / "drawing.png"
        plain_png(drawing)
        await measure_batch(folder, drawing, what="drawings")


if __name__ == "__main__":
    asyncio.run(main())
