"""Money, time and many calls, side by side in one run: ``uv run python tests/benchmarks/many_calls.py``.

The OpenAI API is a loopback stand-in in a process of its own that answers with a 1.4 MB PNG.
"""

from __future__ import annotations

import asyncio
import base64
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.benchmarks.harness import RawClient, photo, report, server, standin, timed
from tests.library.limits import limits

ROUNDS, RESERVATIONS, PROCESSES, EACH = 21, 300, 8, 50
# How many calls run at once, and within how many milliseconds nearly every list must be answered beside them.
REACHES_MS = {8: 50, 64: 150}
_BARE: Any = {"model": "gpt-image-2", "prompt": "a boat", "size": "1024x1024", "quality": "high"}
PRICE, BUDGET = Decimal("0.010"), Decimal("2.005")
SPENDER = """
import sys
from datetime import UTC, datetime
from decimal import Decimal
from gpt_image_mcp.errors import BudgetExceeded
from gpt_image_mcp.values.history import CallStart
from gpt_image_mcp.library.database import Database
from gpt_image_mcp.library.ledger import Ledger
from gpt_image_mcp.money import Quote
from gpt_image_mcp.values.budgets import Limit

url, name, each, price, budget = sys.argv[1:]
ledger = Ledger(Database(url))
made = 0
for number in range(int(each)):
    call = CallStart(
        id=f"job-{name}-{number}", kind="image", model="m", quality="low", size="auto", prompt="",
        started_at=datetime.now(UTC), quote=Quote(high_usd=Decimal(price), basis=""),
    )
    try:
        ledger.begin_call(call, [Limit(usd=Decimal(budget), period="day")])
        made += 1
    except BudgetExceeded:
        pass
print(made)
"""


def _prompt(text: str) -> dict[str, str]:
    return {"prompt": text, "size": "1024x1024", "quality": "high"}


class Bare:
    """What any client does for one image: fetch it with the SDK, decode it, write it."""

    def __init__(self, base_url: str, folder: Path) -> None:
        import openai

        self._client: Any = openai.AsyncOpenAI(api_key="sk-benchmark", base_url=base_url, max_retries=0)
        self._path = folder / "bare.png"

    async def plain(self) -> None:
        """Without a stream."""
        answer = await self._client.images.generate(**_BARE)
        assert answer.data is not None
        self._path.write_bytes(base64.b64decode(answer.data[0].b64_json or ""))

    async def streamed(self) -> None:
        """With one partial image."""
        stream = await self._client.images.generate(**_BARE, stream=True, partial_images=1)
        async for event in stream:
            self._path.write_bytes(base64.b64decode(event.b64_json))


async def measure_streaming(folder: Path, image: Path) -> None:
    """A whole streamed call beside a plain one: the one partial image is as large as the final one.

    Nothing upstream takes time here, so that all of it is overhead.
    """
    with standin(image) as base_url:
        bare = Bare(base_url, folder)
        async with (
            server(folder, base_url) as plain,
            server(folder, base_url, GPT_IMAGE_PARTIAL_IMAGES="1") as streaming,
        ):
            rounds = [
                (
                    await timed(bare.plain),
                    await timed(partial(plain.tool, "generate_image", _prompt("a boat"))),
                    await timed(bare.streamed),
                    await timed(partial(streaming.tool, "generate_image", _prompt("a boat"))),
                )
                for _ in range(ROUNDS + 2)
            ]
    medians = [statistics.median(column) for column in zip(*rounds[2:], strict=True)]
    bare_plain, plain_ms, bare_streamed, streamed_ms = medians
    print(f"   plain: {bare_plain:.1f} ms with the SDK alone, {plain_ms:.1f} ms with our server")
    print(f"   streamed: {bare_streamed:.1f} ms with the SDK alone, {streamed_ms:.1f} ms with our server")
    report("a streamed call beside a plain one", streamed_ms, plain_ms, unit="ms", reach=1.3)


async def measure_responsiveness(folder: Path, image: Path, running: int) -> None:
    """How soon tools/list is answered while so many calls run, are saved and previewed."""
    with standin(image, delay_seconds=1.5) as base_url:
        async with server(folder, base_url, GPT_IMAGE_MAX_CONCURRENCY=str(running)) as client:
            await client.call("tools/list", {})
            await client.tool("generate_image", _prompt("the first"))
            calls = asyncio.gather(
                *(client.tool("generate_image", _prompt(f"boat {number}")) for number in range(running))
            )
            listed = await _listed_until(calls, client)
            await calls
            peak = client.peak_memory_mb()
    listed.sort()
    p99 = listed[int(len(listed) * 0.99)]
    report(f"tools/list p99 of {len(listed)} beside {running}", p99, REACHES_MS[running], unit="ms", reach=1)
    print(f"   median {statistics.median(listed):.1f} ms, slowest {listed[-1]:.1f} ms, peak {peak:.0f} MB")


async def _listed_until(calls: asyncio.Future[list[bytes]], client: RawClient) -> list[float]:
    listed: list[float] = []
    while not calls.done():
        listed.append(await timed(partial(client.call, "tools/list", {})))
        await asyncio.sleep(0.01)
    return listed


def measure_ledger(folder: Path) -> None:
    """Reserving and settling one call."""
    from gpt_image_mcp.library.database import Database
    from gpt_image_mcp.library.ledger import Ledger
    from gpt_image_mcp.money import Quote
    from gpt_image_mcp.values.history import CallStart

    ledger = Ledger(Database(f"sqlite:///{folder / 'ledger.db'}"))
    took: list[float] = []
    for number in range(RESERVATIONS):
        call = CallStart(
            id=f"job-{number}",
            kind="image",
            model="gpt-image-2",
            quality="low",
            size="1024x1024",
            prompt="a boat",
            started_at=datetime.now(UTC),
            quote=Quote(high_usd=Decimal("0.01"), basis="a benchmark"),
        )
        started = time.perf_counter()
        ledger.begin_call(call, limits(per_call="1", daily="1000"))
        ledger.finish_call(call.id, status="completed", cost_usd=Decimal("0.005"), result_json="{}")
        took.append((time.perf_counter() - started) * 1000)
    report("reserve and settle", statistics.median(took), 5, unit="ms", reach=1)


def measure_budget(folder: Path) -> None:
    """Processes that reserve against one daily budget at the same time."""
    url = f"sqlite:///{folder / 'budget.db'}"
    command = [sys.executable, "-c", SPENDER, url]
    rest = [str(EACH), str(PRICE), str(BUDGET)]
    started = time.perf_counter()
    spenders = [
        subprocess.Popen([*command, str(number), *rest], stdout=subprocess.PIPE, text=True)
        for number in range(PROCESSES)
    ]
    made = sum(int(spender.communicate()[0]) for spender in spenders)
    spent, possible = made * PRICE, int(BUDGET / PRICE)
    verdict = "ok" if made == possible else "MISSED"
    print(
        f"{PROCESSES} processes x {EACH} reservations of ${PRICE}: {made} made, ${spent} of ${BUDGET} "
        f"in {time.perf_counter() - started:.1f} s  {verdict}"
    )


async def main() -> None:
    """Measures everything once."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        image = folder / "photo.png"
        photo(image)
        measure_ledger(folder)
        measure_budget(folder)
        await measure_streaming(folder, image)
        for running in REACHES_MS:
            await measure_responsiveness(folder, image, running)


if __name__ == "__main__":
    asyncio.run(main())
