"""The gallery of 1,000 images: how long it takes to write, and how it scrolls in Chromium.

Run by hand: ``python tests/benchmarks/gallery.py [folder]``. With an empty cache the thumbnails stop after
their time limit; a warm one has all of them. The sandbox's drawings stand for flat pictures, which unpack
quickly, and grain for photographs, which do not.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from gpt_image_mcp.cli.gallery.page import write_gallery
from gpt_image_mcp.money import Cost
from gpt_image_mcp.values.images import Applied, Provenance, Requested, StoredImage
from tests.benchmarks.harness import photo
from tests.browser import Page, chromium, find_chromium

_IMAGES = 1000
_PIXELS_PER_SECOND = (1500, 3000, 6000)
# Scrolls for five seconds and gives the milliseconds between frames.
_SCROLL = """new Promise(done => {
  const frames = []; const start = performance.now(); let last = start;
  (function step(now) {
    frames.push(now - last); last = now; scrollTo(0, (now - start) / 1000 * %d);
    now - start < 5000 ? requestAnimationFrame(step) : done(frames.slice(2));
  })(start);
})"""


def _images(folder: Path) -> list[StoredImage]:
    """A history of photographs: one file under a thousand names, each a file of its own to the cache."""
    source = folder / "photo.png"
    photo(source)
    made: list[StoredImage] = []
    for number in range(_IMAGES):
        path = folder / f"image-{number}.png"
        path.unlink(missing_ok=True)
        path.hardlink_to(source)
        made.append(_image(path, number))
    return made


def _image(path: Path, number: int) -> StoredImage:
    return StoredImage(
        id=f"20261121-090000-{number:06x}",
        file_path=path,
        size_bytes=path.stat().st_size,
        sha256=hashlib.sha256(path.name.encode()).hexdigest(),
        mime_type="image/png",
        width=1024,
        height=1024,
        created_at=datetime(2026, 11, 21, 9, tzinfo=UTC) - timedelta(minutes=number),
        provenance=Provenance(
            kind="image",
            prompt=f"A paper boat on a calm lake, number {number}, in morning light with fog over the water",
            model="gpt-image-2",
            requested=Requested(),
            applied=Applied(size="1024x1024", quality="low", background="opaque", output_format="png"),
            cost=Cost(usd=Decimal("0.0112"), basis="usage"),
            session_id=f"edit-{number // 5}" if number % 3 else "",
            turn=5 - number % 5,
        ),
    )


def _write(images: list[StoredImage], path: Path, what: str, allowed_seconds: float) -> None:
    started = time.perf_counter()
    report = asyncio.run(write_gallery(images, path, allowed_seconds=allowed_seconds))
    seconds = time.perf_counter() - started
    size = f"{report.size_bytes / 1e6:.1f} MB, {report.unfinished} without a thumbnail"
    print(f"{what:34} {seconds:6.2f} s   {size}")


def _scroll(page: Page, pixels_per_second: int) -> None:
    before = page.evaluate("long.length")
    frames: list[float] = sorted(page.evaluate(_SCROLL % pixels_per_second))
    long: list[Any] = page.evaluate(f"long.slice({before})")
    median, worst = frames[len(frames) // 2], frames[-1]
    tail = frames[int(len(frames) * 0.95)]
    print(
        f"scroll {pixels_per_second:5} px/s   frames: {len(frames)} in 5 s, median {median:.1f} ms, "
        f"95 % {tail:.1f} ms, worst {worst:.1f} ms; tasks over 50 ms: {len(long)}"
    )


def _look(path: Path, profile: Path) -> None:
    executable = find_chromium()
    if executable is None:
        print("no Chromium on this machine")
        return
    with chromium(executable, profile) as page:
        observe = "new PerformanceObserver(l => long.push(...l.getEntries().map(e => e.duration)))"
        page.send(
            "Page.addScriptToEvaluateOnNewDocument",
            source=f"var long = []; {observe}.observe({{ type: 'longtask', buffered: true }});",
        )
        page.open(path.as_uri())
        page.wait_for(f"document.querySelectorAll('.card').length === {_IMAGES}")
        print(
            f"page ready after {page.evaluate('performance.now()'):.0f} ms; "
            f"tasks over 50 ms: {page.evaluate('long.map(Math.round)')}"
        )
        page.evaluate("new Promise(done => setTimeout(done, 1000))")
        for speed in _PIXELS_PER_SECOND:
            _scroll(page, speed)
        typed = "(t => { byId('search').value = 'fog 77'; refresh(); return performance.now() - t; })"
        print(f"search: {page.evaluate(typed + '(performance.now())'):.1f} ms")


def main(folder: Path) -> None:
    """Writes three galleries and scrolls through the last."""
    os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
    images = _images(folder)
    page = folder / "gallery.html"
    _write(images, page, "empty cache, in the usual time", 7)
    _write(images, page, "the rest of the thumbnails", 3600)
    _write(images, page, "warm cache", 7)
    _look(page, folder / "profile")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(Path(temporary))
