"""The pages hang together, and the static site is built of them without a warning."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.docs.pages import DOCS, all_pages, read_page

if TYPE_CHECKING:
    from pathlib import Path


def test_every_link_leads_somewhere() -> None:
    for page in all_pages():
        for link in page.links:
            target, _, anchor = link.partition("#")
            path = (page.path.parent / target).resolve() if target else page.path
            assert path.exists(), f"{page.name} links to {link}"
            if anchor:
                assert anchor in read_page(path).anchors, f"{page.name} links to {link}"


def test_the_first_page_lists_every_other() -> None:
    index = read_page(DOCS / "index.md")
    (listed,) = index.blocks("{toctree}")
    pages = {path.stem for path in DOCS.glob("*.md")} - {"index"}
    assert {line for line in listed.splitlines() if line and not line.startswith(":")} == pages
    assert {link.removesuffix(".md") for link in index.links} >= pages - {"changelog"}


@pytest.mark.skipif(importlib.util.find_spec("sphinx") is None, reason="the docs group is not installed")
@pytest.mark.timeout(180)
def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    out = tmp_path / "site"
    command = [sys.executable, "-m", "sphinx", "-W", "-q", "-b", "html", "-d", str(tmp_path / "doctrees")]
    done = subprocess.run([*command, str(DOCS), str(out)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "gpt-image-mcp" in (out / "index.html").read_text(encoding="utf-8")
    assert {path.stem for path in DOCS.glob("*.md")} <= {path.stem for path in out.glob("*.html")}
