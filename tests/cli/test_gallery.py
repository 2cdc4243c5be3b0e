"""The gallery: one page that shows everything, asks nobody, and believes no prompt."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from gpt_image_mcp.cli.app import run
from gpt_image_mcp.cli.commands.gallery import _summary  # pyright: ignore[reportPrivateUsage] - its sentences
from gpt_image_mcp.cli.gallery.cards import script_json
from gpt_image_mcp.cli.gallery.page import GalleryReport, default_page, page_of
from gpt_image_mcp.cli.gallery.thumbnails import EDGE_PIXELS, KEPT, Thumbnail
from gpt_image_mcp.errors import OutputRejected, StorageFailed
from tests.gallery_samples import HOSTILE, sample_image, write_page, write_picture

if TYPE_CHECKING:
    from gpt_image_mcp.values.images import StoredImage


class _Reader(HTMLParser):
    """What a browser would find in the page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.blocks: list[tuple[str, dict[str, str | None], str]] = []
        self.addresses: list[str] = []
        self.policy = ""
        self._within: tuple[str, dict[str, str | None]] | None = None
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.addresses += [value for name in ("src", "href", "action") if (value := found.get(name))]
        assert not any(name.startswith("on") or name == "style" for name in found)
        if found.get("http-equiv") == "Content-Security-Policy":
            self.policy = found["content"] or ""
        if tag in {"script", "style"}:
            self._within = (tag, found)

    def handle_data(self, data: str) -> None:
        if self._within:
            self.blocks.append((*self._within, data))

    def handle_endtag(self, tag: str) -> None:
        del tag
        self._within = None

    def json(self, name: str) -> list[Any]:
        """The values of the blocks of a name, in order."""
        return [value for _, at, text in self.blocks if at.get("class") == name for value in json.loads(text)]


def _read(path: Path) -> _Reader:
    return _Reader(path.read_text(encoding="utf-8"))


def test_the_page_holds_every_image_with_its_facts_and_thumbnail(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png")
    image = sample_image(tmp_path / "a.png", 1, session=("edit-1", 2))
    report = write_page([image], tmp_path / "g.html")
    assert (report.images, report.missing, report.unfinished) == (1, 0, 0)
    assert report.size_bytes == (tmp_path / "g.html").stat().st_size
    page = _read(tmp_path / "g.html")
    (card,) = page.json("cards")
    assert card["id"] == image.id
    assert card["path"] == str(image.file_path)
    assert card["url"] == image.file_path.as_uri()
    assert (card["cost_usd"], card["model"], card["quality"]) == ("0.0500", "gpt-image-2", "low")
    assert (card["session_id"], card["turn"], card["state"]) == ("edit-1", 2, "present")
    (url,) = page.json("thumbnails")
    assert url.startswith("data:image/webp;base64,")
    with Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))) as thumbnail:
        assert max(thumbnail.size) <= EDGE_PIXELS * 1.5
        assert thumbnail.width / thumbnail.height == pytest.approx(640 / 480, rel=0.02)


def test_prompts_cannot_leave_their_json(tmp_path: Path) -> None:
    images = [sample_image(tmp_path / "gone.png", number, prompt=text) for number, text in enumerate(HOSTILE)]
    write_page(images, tmp_path / "g.html")
    page = _read(tmp_path / "g.html")
    assert [card["prompt"] for card in page.json("cards")] == list(HOSTILE)
    assert [tag for tag, _, _ in page.blocks].count("script") == 3
    assert (tmp_path / "g.html").read_bytes().isascii() is False  # our own arrows, not a prompt's letters


@given(st.text(st.characters(exclude_categories=())))
def test_script_json_means_the_text_and_holds_no_markup(text: str) -> None:
    written = script_json(text)
    assert json.loads(written) == text
    assert not re.search("[<>&\u2028\u2029]", written)
    assert written.isascii()


def test_the_policy_allows_our_own_script_and_no_other_address(tmp_path: Path) -> None:
    write_page([], tmp_path / "g.html")
    page = _read(tmp_path / "g.html")
    for tag in ("style", "script"):
        (text,) = (text for name, at, text in page.blocks if name == tag and not at)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in page.policy
        assert "http" not in text
    assert "default-src 'none'" in page.policy
    assert "img-src data: file:;" in page.policy
    assert [address for address in page.addresses if not address.startswith("#")] == []


def test_children_follow_from_parents_oldest_first(tmp_path: Path) -> None:
    root = sample_image(tmp_path / "a.png", 9)
    images = [sample_image(tmp_path / "a.png", number, parents=(root.id, root.id)) for number in (1, 2)]
    write_page([*images, root], tmp_path / "g.html")
    cards = _read(tmp_path / "g.html").json("cards")
    assert cards[2]["children"] == [images[1].id, images[0].id]
    assert cards[0]["parents"] == [root.id]


def test_missing_changed_and_broken_files_are_told_apart(tmp_path: Path) -> None:
    names = ("kept.png", "changed.png", "gone.png", "broken.png")
    for width, name in enumerate(names, 320):
        write_picture(tmp_path / name, size=(width, 240))
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    images = [sample_image(tmp_path / name, number) for number, name in enumerate(names)]
    write_picture(tmp_path / "changed.png", size=(64, 48))
    (tmp_path / "gone.png").unlink()
    report = write_page(images, tmp_path / "g.html")
    assert (report.missing, report.unfinished) == (1, 0)
    page = _read(tmp_path / "g.html")
    assert [card["state"] for card in page.json("cards")] == ["present", "changed", "missing", "present"]
    assert [bool(url) for url in page.json("thumbnails")] == [True, True, False, False]
    assert not any(card["shows_file"] for card in page.json("cards"))
    assert [path.name for path in KEPT.folder.iterdir()] == [images[0].sha256]


def test_of_another_file_of_the_same_size_or_a_link_no_thumbnail_is_kept(tmp_path: Path) -> None:
    names = ("a.png", "b.png", "other.png")
    for name in names:
        write_picture(tmp_path / name)
    images = [sample_image(tmp_path / name, number) for number, name in enumerate(names[:2])]
    other = bytearray((tmp_path / "other.png").read_bytes())
    other[-1] ^= 1  # of a checksum that is not looked at
    (tmp_path / "a.png").write_bytes(other)
    elsewhere = (tmp_path / "other.png").rename(tmp_path.with_name(f"{tmp_path.name}-elsewhere.png"))
    (tmp_path / "b.png").unlink()
    (tmp_path / "b.png").symlink_to(elsewhere)
    write_page(images, tmp_path / "g.html")
    page = _read(tmp_path / "g.html")
    assert page.json("cards")[0]["state"] == "changed"
    assert [bool(url) for url in page.json("thumbnails")] == [True, False]
    assert not KEPT.folder.exists() or not list(KEPT.folder.iterdir())


def test_a_thumbnail_outlives_its_file(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png")
    image = sample_image(tmp_path / "a.png", 1)
    write_page([image], tmp_path / "g.html")
    first = _read(tmp_path / "g.html").json("thumbnails")
    image.file_path.unlink()
    assert write_page([image], tmp_path / "g.html").missing == 1
    assert _read(tmp_path / "g.html").json("thumbnails") == first


def test_without_time_the_page_shows_the_files_themselves(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png")
    report = write_page([sample_image(tmp_path / "a.png", 1)], tmp_path / "g.html", allowed_seconds=-1)
    assert report.unfinished == 1
    page = _read(tmp_path / "g.html")
    assert page.json("cards")[0]["shows_file"] is True
    assert page.json("thumbnails") == [""]


@pytest.mark.parametrize(
    ("name", "mode"), [("a.jpg", "RGB"), ("a.webp", "RGBA"), ("a.png", "L"), ("a.png", "RGBA")]
)
def test_every_kind_of_file_gets_a_thumbnail(tmp_path: Path, name: str, mode: str) -> None:
    write_picture(tmp_path / name, size=(1600, 40), mode=mode)
    assert write_page([sample_image(tmp_path / name, 1)], tmp_path / "g.html").unfinished == 0
    (url,) = _read(tmp_path / "g.html").json("thumbnails")
    with Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))) as thumbnail:
        assert thumbnail.mode == ("RGBA" if mode == "RGBA" else "RGB")


def test_a_cache_that_cannot_be_written_only_costs_time(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png")
    KEPT.folder.parent.mkdir(parents=True)
    KEPT.folder.write_bytes(b"in the way")
    write_page([sample_image(tmp_path / "a.png", 1)], tmp_path / "g.html")
    assert _read(tmp_path / "g.html").json("thumbnails") != [""]


def test_a_digest_that_is_a_path_leads_nowhere(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png")
    image = replace(sample_image(tmp_path / "a.png", 1), sha256="../escaped")
    write_page([image], tmp_path / "g.html")
    assert not KEPT.folder.exists()


def test_a_path_of_another_system_gets_no_address() -> None:
    image = sample_image(Path("C:\\pictures\\a.png"), 1)
    page = _Reader(page_of([image], [Thumbnail(state="missing", data=b"")]))
    assert page.json("cards")[0]["url"] == ""
    assert page.json("cards")[0]["path"] == "C:\\pictures\\a.png"


def test_an_older_gallery_is_replaced_and_nothing_else(tmp_path: Path) -> None:
    write_page([], tmp_path / "g.html")
    assert write_page([sample_image(tmp_path / "a.png", 1)], tmp_path / "g.html").images == 1
    (tmp_path / "thesis.html").write_text("<!doctype html><p>mine")
    with pytest.raises(OutputRejected, match=r"thesis\.html"):
        write_page([], tmp_path / "thesis.html")
    assert (tmp_path / "thesis.html").read_text() == "<!doctype html><p>mine"
    with pytest.raises(OutputRejected):
        write_page([], tmp_path)


def test_a_folder_that_cannot_be_made_is_reported(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nowhere/at/all")
    with pytest.raises(StorageFailed):
        write_page([], tmp_path / "link" / "g.html")


def test_more_thumbnails_than_one_block_holds_stay_in_order(tmp_path: Path) -> None:
    images: list[StoredImage] = []
    for number in range(45):
        write_picture(tmp_path / f"{number}.png", size=(8 + number, 8))
        images.append(sample_image(tmp_path / f"{number}.png", number))
    write_page(images, tmp_path / "g.html")
    widths: list[int] = []
    for url in _read(tmp_path / "g.html").json("thumbnails"):
        with Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))) as thumbnail:
            widths.append(thumbnail.width)
    assert widths == [8 + number for number in range(45)]


def test_the_command_shows_what_was_made(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for prompt in ("a red boat", "a blue boat", "a fox"):
        assert run(["generate", prompt, "--sandbox", "--quality", "low", "--size", "1024x1024"]) == 0
    capsys.readouterr()
    assert run(["gallery", "--limit", "2", "-o", "g.html"]) == 0
    shown = capsys.readouterr()
    assert shown.out == f"{project / 'g.html'}\n"
    assert "2 images" in shown.err
    cards = _read(project / "g.html").json("cards")
    assert [card["prompt"] for card in cards] == ["a fox", "a blue boat"]
    assert all(card["sandbox"] for card in cards)


def test_the_command_tells_what_the_page_lacks(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["generate", "a fox", "--sandbox", "--quality", "low", "-o", "fox.png"]) == 0
    (project / "fox.png").unlink()
    assert run(["gallery"]) == 0
    size = default_page().stat().st_size
    assert f"1 image, {round(size / 1000)} kB; files that are missing: 1." in capsys.readouterr().err
    report = GalleryReport(path=project, size_bytes=10**6, images=5, missing=0, unfinished=2)
    assert _summary(report) == "5 images, 1.0 MB; still without a thumbnail, until the next gallery: 2."


def test_the_command_opens_the_page_in_the_browser(project: Path) -> None:
    browser = project / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {project}/opened\n')
    browser.chmod(0o700)
    done = _open_gallery(BROWSER=f"{browser} %s")
    assert done.stdout == f"{default_page()}\n"
    assert (project / "opened").read_text() == f"{default_page().as_uri()}\n"


def test_the_command_says_when_there_is_no_browser(project: Path) -> None:
    done = _open_gallery(PATH=str(project), BROWSER="")
    assert done.stdout == f"{default_page()}\n"
    assert "open the file yourself" in done.stderr


def _open_gallery(**settings: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, because Python looks for browsers only once."""
    done = subprocess.run(
        [sys.executable, "-m", "gpt_image_mcp", "gallery", "--open"],
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
        env={**os.environ, "DISPLAY": "", "WAYLAND_DISPLAY": "", **settings},
    )
    assert done.returncode == 0, done.stderr
    return done
