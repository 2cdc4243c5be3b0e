"""The numbers of a large library, in one run: ``uv run python tests/benchmarks/history.py``.

Fills two databases with 100,000 images each, which takes some minutes: in one every tenth image was made in a
long session, in the other all were made in sessions of four.
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
    from collections.abc import Callable, Iterator

    from gpt_image_mcp.values.images import StoredImage

IMAGES, ROUNDS = 100_000, 9
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


def _images(folder: Path, session_of: Callable[[int], str]) -> Iterator[StoredImage]:
    """Images of a year and a half, eight minutes apart."""
    from gpt_image_mcp.money import Cost
    from gpt_image_mcp.values.images import Applied, Provenance, Requested, StoredImage
    from gpt_image_mcp.values.responses import TokenUsage

    chance = random.Random(1)  # noqa: S311 - the same library every time
    newest = datetime.now(UTC)
    applied = Applied(size="1024x1024", quality="low", background="opaque", output_format="png")
    usage = TokenUsage(input_tokens=20, output_tokens=196, total_tokens=216)
    model = ""
    for number in range(IMAGES):
        model = chance.choice(MODELS) if number % 4 == 0 else model
        when = newest - timedelta(minutes=8 * (IMAGES - number))
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
            session_id=session_of(number),
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


def _some_in_long_sessions(number: int) -> str:
    return f"session-{number // 200}" if number % 10 == 0 else ""


def _all_in_short_sessions(number: int) -> str:
    return f"session-{number // 4}"


def fill(database: Path, folder: Path, session_of: Callable[[int], str] = _some_in_long_sessions) -> None:
    """Makes the library in one transaction, image by image as the server would."""
    from sqlalchemy import insert

    from gpt_image_mcp.library.database import Database
    from gpt_image_mcp.library.images import image_values
    from gpt_image_mcp.library.schema import images
    from gpt_image_mcp.library.search.indexing import index_image

    opened = Database(f"sqlite:///{database}")
    started = time.perf_counter()
    with opened.writing() as connection:
        for image in _images(folder, session_of):
            connection.execute(insert(images), image_values(image))
            index_image(connection, image)
    opened.close()
    seconds, megabytes = time.perf_counter() - started, database.stat().st_size / 1e6
    print(f"filled with {IMAGES} images in {seconds:.0f} s; {megabytes:.0f} MB")


def measure_searches(database: Path) -> None:
    """Each kind of search, in a process that has the database open."""
    from gpt_image_mcp.library.database import Database
    from gpt_image_mcp.library.search.find import ImageSearch
    from gpt_image_mcp.library.search.matching import Search

    opened = Database(f"sqlite:///{database}")
    search = ImageSearch(opened)
    now, newest = datetime.now(UTC), search.find(Search(), limit=1).images[0]
    searches = {
        "nothing, so the newest": Search(),
        "one word of a few images": Search(query=newest.id[-6:]),
        "a word of every tenth image": Search(query="fox"),
        "two such words": Search(query="snow fox"),
        "three such words": Search(query="golden teapot fog"),
        "words that all, some and half have": Search(query="a photograph of a fox in the snow at dusk"),
        "a whole prompt": Search(query=newest.provenance.prompt),
        "a beginning of a word": Search(query="light"),
        "a beginning that every third image has": Search(query="b"),
        "a word that every second image has": Search(query="dusk"),
        "the same of a model": Search(query="dusk", model="gpt-image-1.5"),
        "the same but for the last months": Search(query="dusk", until=now - timedelta(days=100)),
        "this word and one that all images have": Search(query="photograph dusk"),
        "two Chinese characters": Search(query="雪山"),
        "a model": Search(model="gpt-image-1.5"),
        "a session": Search(session_id="session-100"),
        "the last week": Search(since=now - timedelta(days=7)),
        "all but the last months": Search(until=now - timedelta(days=100)),
        "a word that all images have": Search(query="photograph"),
        "such a word in a session": Search(query="photograph", session_id="session-100"),
        "such a word of a year, to the minute": Search(query="photograph", since=now - timedelta(days=365)),
        "such a word of a model": Search(query="photograph", model="gpt-image-1.5"),
        "such a word of the oldest weeks": Search(query="photograph", until=now - timedelta(days=540)),
    }
    for name, wanted in searches.items():
        took = _median_ms(partial(search.find, wanted, limit=20))
        total = search.find(wanted, limit=1).total
        report(f"{name} ({total})", took, 50, unit="ms", reach=1)
    opened.close()


def _median_ms(work: Callable[[], object]) -> float:
    times: list[float] = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        work()
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)


async def measure_opening(folder: Path, database: Path, image: Path) -> None:
    """The first call of a server on the large library beside that on an empty one, in turn."""
    rounds: list[tuple[float, float]] = []
    with standin(image) as base_url:
        for number in range(ROUNDS):
            empty = f"sqlite:///{folder / f'empty-{number}.db'}"
            rounds.append(
                (
                    await _first_call_ms(folder, base_url, empty),
                    await _first_call_ms(folder, base_url, f"sqlite:///{database}"),
                )
            )
    added = statistics.median(large - small for small, large in rounds)
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
        database, image = folder / "library.db", folder / "small.png"
        fill(database, folder)
        measure_searches(database)
        print("all images in sessions of four:")
        fill(folder / "sessions.db", folder, _all_in_short_sessions)
        measure_searches(folder / "sessions.db")
        _large_picture(image)
        await measure_opening(folder, database, image)
        with standin(image) as base_url:
            await measure_looking(folder, base_url)


if __name__ == "__main__":
    asyncio.run(main())
