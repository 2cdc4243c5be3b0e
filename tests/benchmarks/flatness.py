"""Whether memory stays flat over many mixed calls: ``uv run python tests/benchmarks/flatness.py [CALLS]``.

Everything is asked of one server over stdio, in the sandbox, eight calls at a time: images are made, edited
and looked at, the history is searched, prices are asked for, and some calls fail or are cancelled.

What grows with the library is SQLite's cache, up to 8 MB for each of a few connections: with 1 MB each, it
grows by 3 MB per thousand calls instead of 9. Over 20,000 calls it stayed level from the two thousandth on:
222 MB then, 219 MB after 8,000, 220 MB after 16,000, 227 MB at the end. It moves in steps, as an allocator
does.
"""

from __future__ import annotations

import asyncio
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.benchmarks.harness import RawClient, server

CALLS, AT_ONCE, BETWEEN, WARM = 6000, 8, 500, 1000
REACH_MB_PER_THOUSAND = 2
_SMALL: dict[str, Any] = {"size": "1024x1024", "quality": "low"}


async def main(calls: int) -> None:
    """Measures once."""
    measured: list[tuple[int, float]] = []
    with tempfile.TemporaryDirectory() as name:
        async with server(Path(name), "", GPT_IMAGE_SANDBOX="1") as client:
            await asyncio.gather(*(_call(client, -number, ["none"]) for number in range(1, 201)))
            print(f"after 200 calls at once: {client.memory_mb():.0f} MB, peak {client.peak_memory_mb():.0f}")
            known = [await _made(client)]
            for done in range(0, calls, BETWEEN):
                numbers = iter(range(done, done + BETWEEN))
                await asyncio.gather(*(_some(client, numbers, known) for _ in range(AT_ONCE)))
                measured.append((done + BETWEEN, client.memory_mb()))
                print(f"after {done + BETWEEN} calls: {measured[-1][1]:.1f} MB")
    warm = [point for point in measured if point[0] >= WARM]
    slope = (warm[-1][1] - warm[0][1]) / max(1, warm[-1][0] - warm[0][0]) * 1000
    verdict = "ok" if slope <= REACH_MB_PER_THOUSAND else "MISSED"
    print(f"growth after the first {WARM}: {slope:.2f} MB per thousand calls  {verdict}")


async def _some(client: RawClient, numbers: Any, known: list[str]) -> None:
    for number in numbers:
        await _call(client, number, known)


async def _made(client: RawClient) -> str:
    answer = await client.tool("generate_image", {"prompt": "the first", **_SMALL})
    found = re.search(rb"img_[0-9A-Za-z]+|\"id\":\s*\"([^\"]+)\"", answer)
    assert found
    return (found[1] or found[0]).decode()


async def _call(client: RawClient, number: int, known: list[str]) -> None:
    """One call of ten kinds."""
    ref = known[number % len(known)]
    kinds: list[tuple[str, dict[str, Any]]] = [
        ("generate_image", {"prompt": f"boat {number}", **_SMALL}),
        ("edit_image", {"prompt": f"night {number}", "images": [ref], **_SMALL}),
        ("get_image", {"ref": ref}),
        ("get_image", {"ref": f"missing-{number}"}),
        ("find_images", {"query": f"boat {number}"}),
        ("find_images", {}),
        ("estimate_cost", {"size": "1024x1536"}),
        ("estimate_cost", {"size": f"{number}x7"}),
        ("edit_image", {"prompt": "x", "images": [f"/nowhere/{number}.png"]}),
        ("generate_image", {"prompt": f"[sandbox:delay=0.2] {number}", **_SMALL}),
    ]
    name, arguments = kinds[number % len(kinds)]
    if number % len(kinds) == len(kinds) - 1:
        await client.cancelled(name, arguments)
    else:
        await client.call("tools/call", {"name": name, "arguments": arguments})


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else CALLS))
