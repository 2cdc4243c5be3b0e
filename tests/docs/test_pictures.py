"""The pictures of the documentation show what is made today, and are small.

``UPDATE_DOCS=1 uv run pytest tests/docs/test_pictures.py`` writes them anew.
"""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

from PIL import Image, ImageChops, ImageStat

from tests.browser import find_chromium
from tests.docs.pages import DOCS, README
from tests.docs.pictures import gallery, made_in_sandbox
from tests.programs import required

if TYPE_CHECKING:
    from pathlib import Path

PICTURES = DOCS / "pictures"
MOST_BYTES = 60_000
# Ids, times and fonts differ from run to run and machine to machine; another layout differs far more.
MOST_DIFFERENCE, MOST_PIXELS = 8, 2


def _hold_to(name: str, made: bytes) -> None:
    path = PICTURES / name
    if os.environ.get("UPDATE_DOCS"):
        path.write_bytes(made)
    assert path.stat().st_size <= MOST_BYTES
    with Image.open(path) as kept, Image.open(io.BytesIO(made)) as now:
        assert all(abs(was - is_now) <= MOST_PIXELS for was, is_now in zip(kept.size, now.size, strict=True))
        small = (160, 160 * kept.height // kept.width)
        difference = ImageChops.difference(kept.convert("L").resize(small), now.convert("L").resize(small))
        assert ImageStat.Stat(difference).mean[0] < MOST_DIFFERENCE, f"docs/pictures/{name} is out of date"


async def test_the_pictures_made_in_the_sandbox_are_those_of_today(tmp_path: Path) -> None:
    for name, made in (await made_in_sandbox(tmp_path)).items():
        _hold_to(name, made)


def test_the_picture_of_the_gallery_is_that_of_today(tmp_path: Path) -> None:
    _hold_to("gallery.jpg", gallery(required(find_chromium(), "Chromium"), tmp_path))


def test_every_picture_is_on_a_page() -> None:
    pages = "".join(path.read_text(encoding="utf-8") for path in (README, *DOCS.glob("*.md")))
    assert [path.name for path in PICTURES.iterdir() if f"pictures/{path.name})" not in pages] == []
