"""The numbers of a large library, in one run: ``uv run python tests/benchmarks/history.py``.

Fills databases with 10,000 and with 100,000 images, which takes a minute, and measures each kind of search in
both. All images were made in edit sessions of four turns: many sessions make sums take longest. With the
address of an empty PostgreSQL database as argument, the 100,000 are searched there instead of in SQLite.
"""

from __future__ import annotations

import asyncio
import json
import random
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.benchmarks.harness import report, server, standin, timed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from gpt_image_mcp.library.search.query import SearchCriteria
    from gpt_image_mcp.values.images import StoredImage

# The sizes of the libraries, with the milliseconds that a search with its sums may take there.
REACH_MS = {10_000: 30, 100_000: 250}
ROUNDS = 9
COLOURS = ["red", "blue", "green", "golden", "silver", "black", "white", "violet", "orange", "teal"]
THINGS = ["fox", "boat", "lighthouse", "city", "forest", "teapot", "bicycle", "robot", "garden", "castle"]
PLACES = [
    "snow",
    "rain",
    "desert",
    "harbour",
    "library",
    "kitchen",
    "mountains",
    "moonlight",
    "fog",
    "market",
]
HOURS = ["dawn", "dusk"]
MODELS = ["gpt-image-2", "gpt-image-1.5", "gpt-image-2.5-flare"]
CHARACTERS = "雪山の狐水面月光森林城市未来空海花火"


def _images(folder: Path, count: int) -> Iterator[StoredImage]:
    """Images of a year and a half, eight minutes apart."""
    from gpt_image_mcp.money import Cost
    from gpt_image_mcp.values.images import Applied, Provenance, Requested, StoredImage
    from gpt_image_mcp.values.responses import TokenUsage

    chance = random.Random(1)  # noqa: S311 - the same library every time
    newest = datetime.now(UTC)
    applied = Applied(size="1024x1024", quality="low", background="opaque", output_format="png")
    usage = TokenUsage(input_tokens=20, output_tokens=196, total_tokens=216)
    model = ""
    for number in range(count):
        model = chance.choice(MODELS) if number % 4 == 0 else model
        when = newest - timedelta(minutes=8 * (count - number))
        words = [chance.choice(COLOURS), chance.choice(THINGS), "in the", chance.choice(PLACES)]
        words += ["at", chance.choice(HOURS)]
        detail = "".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=7))
        japanese = "".join(chance.choices(CHARACTERS, k=8)) if number % 10 == 0 else ""
        provenance = Provenance(
            kind="image",
            prompt=f"a photograph of a {' '.join(words)}, {detail}, soft light, film grain {japanese}",
            model=model,
            requested=Requested(quality="low"),
            applied=applied,
            cost=Cost(usd=Decimal("0.0061"), basis="usage"),
            usage=usage,
            call_id=f"job-{number}",
            session_id=f"session-{number // 4}",
        )
        image_id = f"{when:%Y%m%d-%H%M%S}-{number % 0xFFFFFF:06x}"
        yield StoredImage(
            id=image_id,
            file_path=folder / f"image-{image_id}.png",
            size_bytes=1_400_000,
            sha256=f"{number:064x}",
            mime_type="image/png",
            width=1024,
            height=1024,
            created_at=when,
            provenance=provenance,
        )


def fill(url: str, folder: Path, count: int) -> None:
    """Makes a library in one transaction, image by image as the server would."""
    from gpt_image_mcp.library.database import Database
    from gpt_image_mcp.library.images import add_image

    opened = Database(url)
    started = time.perf_counter()
    with opened.writing() as connection:
        for image in _images(folder, count):
            add_image(connection, image)
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("ANALYZE")  # which its autovacuum does within a minute or two
    opened.close()
    print(f"filled with {count} images in {time.perf_counter() - started:.0f} s")


def _searches(newest: StoredImage) -> dict[str, SearchCriteria]:
    from gpt_image_mcp.library.search.query import SearchCriteria

    now = datetime.now(UTC)
    days = {days: now - timedelta(days=days) for days in (7, 30, 40, 365)}
    session_id, prompt = newest.provenance.session_id, newest.provenance.prompt
    everyday = "a photograph of a fox in the snow at dusk"
    return {
        "nothing, so the newest": SearchCriteria(),
        "a word that no image has": SearchCriteria(query="wolf"),
        "a word of one image": SearchCriteria(query=newest.id[-6:]),
        "two Chinese characters": SearchCriteria(query="雪山"),
        "a word of every tenth image": SearchCriteria(query="fox"),
        "three such words": SearchCriteria(query="golden teapot fog"),
        "a word of every second image": SearchCriteria(query="dusk"),
        "a word of all images": SearchCriteria(query="photograph"),
        "a beginning of many words": SearchCriteria(query="b"),
        "words that all, some and half have": SearchCriteria(query=everyday),
        "a whole prompt": SearchCriteria(query=prompt),
        "a prompt of 3,000 words": SearchCriteria(
            query=" ".join([prompt, *(f"{n}style" for n in range(3000))])
        ),
        "a model": SearchCriteria(model="gpt-image-1.5"),
        "a session": SearchCriteria(session_id=session_id),
        "an old session": SearchCriteria(session_id="session-7"),
        "the last week": SearchCriteria(since=days[7]),
        "all but the last month": SearchCriteria(until=days[30]),
        "a model, before": SearchCriteria(model="gpt-image-1.5", until=days[40]),
        "half of the images, of a model": SearchCriteria(query="dusk", model="gpt-image-1.5"),
        "half of the images, before": SearchCriteria(query="dusk", until=days[40]),
        "all images, of a session": SearchCriteria(query="photograph", session_id="session-7"),
        "all images, of a year": SearchCriteria(query="photograph", since=days[365]),
    }


def measure_searches(url: str) -> dict[str, tuple[int, float]]:
    """Each kind of search in a process that has the database open: how many match, and milliseconds."""
    from gpt_image_mcp.library.database import Database
    from gpt_image_mcp.library.search.query import ImageSearch, SearchCriteria

    opened = Database(url)
    search = ImageSearch(opened)
    newest = search.run(SearchCriteria(), limit=1).images[0]
    measured = {
        name: (search.run(criteria, limit=1).total, _median_ms(partial(search.run, criteria, limit=20)))
        for name, criteria in _searches(newest).items()
    }
    opened.close()
    return measured


def print_searches(measured: Mapping[int, Mapping[str, tuple[int, float]]]) -> None:
    """A row for each search; for each library how many match, milliseconds, and what is beyond the reach."""
    heads = [f"{f'of {count:,}':>10} {f'ms (<= {REACH_MS[count]})':>12}" for count in measured]
    print(f"{'search, with its sums':38}", *heads)
    for name in next(iter(measured.values())):
        cells = [
            f"{total:10,} {took:12.1f}{'' if took <= REACH_MS[count] else ' MISSED'}"
            for count, (total, took) in ((count, searches[name]) for count, searches in measured.items())
        ]
        print(f"{name:38}", *cells)


def _median_ms(work: Callable[[], object]) -> float:
    times: list[float] = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        work()
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)


async def measure_opening(folder: Path, large: str, image: Path) -> None:
    """The first call of a server on the large library beside that on an empty one, in turn."""
    rounds: list[tuple[float, float]] = []
    with standin(image) as base_url:
        for number in range(ROUNDS):
            empty = f"sqlite:///{folder / f'empty-{number}.db'}"
            rounds.append(
                (
                    await _first_call_ms(folder, base_url, empty),
                    await _first_call_ms(folder, base_url, large),
                )
            )
    added = statistics.median(beside_large - beside_empty for beside_empty, beside_large in rounds)
    report("added to the first call", max(added, 0.0), 20, unit="ms", reach=1)


async def _first_call_ms(folder: Path, base_url: str, url: str) -> float:
    async with server(folder, base_url, GPT_IMAGE_DATABASE_URL=url) as client:
        return await timed(partial(client.tool, "find_images", {"query": "no such word"}, done=b'"total":0'))


async def measure_looking(folder: Path, base_url: str) -> None:
    """get_image of a 4K PNG at 1024 pixels."""
    async with server(folder, base_url) as client:
        made = await client.tool("generate_image", {"prompt": "a large picture", "size": "3840x2160"})
        image = json.loads(made)["result"]["structuredContent"]["images"][0]
        look = {"ref": image["id"], "max_edge": 1024}
        took = [await timed(partial(client.tool, "get_image", look)) for _ in range(ROUNDS + 1)][1:]
    path = Path(image["file_path"])
    report("get_image of a 4K PNG at 1024", statistics.median(took), 150, unit="ms", reach=1)
    print(f"   {path.stat().st_size / 1e6:.1f} MB; decoding it alone takes {_decoding_ms(path):.1f} ms")


def _large_picture(path: Path) -> None:
    """3840x2160, smooth shapes with a little grain."""
    from PIL import Image, ImageChops

    grain = Image.effect_noise((3840, 2160), 2)
    slopes = [Image.linear_gradient("L").resize((3840, 2160)).rotate(angle) for angle in (0, 180, 0)]
    bands = [ImageChops.add(slope, grain, scale=2) for slope in slopes]
    Image.merge("RGB", bands).save(path, compress_level=6)


def _decoding_ms(path: Path) -> float:
    from PIL import Image

    return _median_ms(lambda: Image.open(path).load())


async def main() -> None:
    """Measures everything once."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        urls = {count: f"sqlite:///{folder / f'{count}.db'}" for count in REACH_MS}
        largest, image = max(urls), folder / "small.png"
        if len(sys.argv) > 1:
            urls[largest] = sys.argv[1]
        for count, url in urls.items():
            fill(url, folder, count)
        print_searches({count: measure_searches(url) for count, url in urls.items()})
        _large_picture(image)
        await measure_opening(folder, urls[largest], image)
        with standin(image) as base_url:
            await measure_looking(folder, base_url)


if __name__ == "__main__":
    asyncio.run(main())
