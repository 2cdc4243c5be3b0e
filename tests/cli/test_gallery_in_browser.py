"""The gallery in a real Chromium, used as a person would."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.browser import chromium, find_chromium
from tests.gallery_samples import HOSTILE, sample_image, write_page, write_picture
from tests.programs import required

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.browser import Page


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A page of a real browser."""
    executable = required(find_chromium(), "Chromium")
    with chromium(executable, tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture
def gallery(page: Page, tmp_path: Path) -> Page:
    """A gallery of 60 images, hostile ones among them, open in the browser."""
    write_picture(tmp_path / "a.png")
    images = [
        sample_image(tmp_path / "a.png", number, prompt=f"boat number {number}") for number in range(60)
    ]
    for number, text in enumerate(HOSTILE):
        images[number] = sample_image(tmp_path / "a.png", number, prompt=text)
    images[50] = sample_image(
        tmp_path / "a.png", 50, prompt="Café au lait", session=("edit-1", 2), parents=(images[55].id,)
    )
    images[55] = sample_image(tmp_path / "a.png", 55, prompt="a cup", session=("edit-1", 1), usd=None)
    images[58] = sample_image(tmp_path / "gone.png", 58, prompt="lost", sandbox=True)
    write_page(images, tmp_path / "g.html")
    page.open((tmp_path / "g.html").as_uri())
    page.wait_for("document.querySelectorAll('.card').length === 60")
    return page


def _shown(page: Page) -> list[str]:
    shown: list[str] = page.evaluate("[...document.querySelectorAll('.card .text')].map(e => e.textContent)")
    return shown


def _search(page: Page, text: str) -> list[str]:
    page.evaluate(
        f"byId('search').value = {json.dumps(text)}; byId('filters').dispatchEvent(new Event('input'));"
    )
    return _shown(page)


def test_the_browser_runs_no_prompt_and_asks_no_network(gallery: Page) -> None:
    assert gallery.evaluate("window.hacked") is None
    assert _shown(gallery)[0] == HOSTILE[0]
    requested = [
        event["params"]["request"]["url"]
        for event in gallery.events
        if event.get("method") == "Network.requestWillBeSent"
    ]
    assert requested
    assert all(url.startswith(("file:", "data:")) for url in requested)
    assert not [event for event in gallery.events if event.get("method") == "Runtime.exceptionThrown"]
    assert not [event for event in gallery.events if event.get("method") == "Log.entryAdded"]


def test_the_browser_counts_and_sums_up(gallery: Page) -> None:
    totals = gallery.evaluate("byId('totals').textContent")
    assert totals == "60 images · $2.90 · 1 of unknown cost · 1 missing · 1 from the sandbox"
    assert _search(gallery, "cup")
    assert gallery.evaluate("byId('totals').textContent") == "1 of 60 images · $0.00 · 1 of unknown cost"


def test_an_image_and_the_one_it_was_retouched_from_cost_once(page: Page, tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png")
    raw = sample_image(tmp_path / "a.png", 2, call_id="job-1")
    retouched = sample_image(tmp_path / "a.png", 1, prompt="a hat", parents=(raw.id,), call_id="job-1")
    later = sample_image(tmp_path / "a.png", 0, parents=(retouched.id,), call_id="job-2")
    write_page([later, retouched, raw], tmp_path / "g.html")
    page.open((tmp_path / "g.html").as_uri())
    assert page.evaluate("byId('totals').textContent") == "3 images · $0.1000"
    _search(page, "hat")
    assert page.evaluate("byId('totals').textContent") == "1 of 3 images · $0.0500"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("NUMBER boat 41", ["boat number 41"]),
        ("cafe LAIT", ["Café au lait"]),
        ("纸船", [HOSTILE[3].replace("\ud83d", "\ufffd")]),
        ("قارباً", [HOSTILE[2]]),
        ("00003a", ["lost"]),
        ("nothing like it", []),
    ],
)
def test_the_search_finds_words_in_any_order_and_script(gallery: Page, text: str, found: list[str]) -> None:
    assert [shown.replace("\ud83d", "\ufffd") for shown in _search(gallery, text)] == found
    assert gallery.evaluate("byId('nothing').hidden") is bool(found)


def test_a_session_is_shown_turn_by_turn(gallery: Page) -> None:
    gallery.evaluate("document.querySelector('[data-session]').click()")
    assert _shown(gallery) == ["a cup", "Café au lait"]


def test_a_parent_link_jumps_to_its_card_and_marks_it(gallery: Page) -> None:
    assert _search(gallery, "lait") == ["Café au lait"]
    gallery.evaluate("document.querySelector('.card a.chip').click()")
    assert gallery.evaluate("document.querySelector('.card.found .text').textContent") == "a cup"
    assert gallery.evaluate("document.activeElement.closest('.card').id").endswith("000037")
    assert len(_shown(gallery)) == 60


def _wait_for_prompt(page: Page, text: str) -> None:
    page.wait_for(f"byId('viewer').open && byId('prompt').textContent === {json.dumps(text)}")


def test_the_keys_do_what_the_help_says(gallery: Page) -> None:
    gallery.press("?")
    gallery.wait_for("byId('keys').open")
    gallery.press("Escape")
    # The focus leaves the closed dialog with the next frame.
    gallery.wait_for("!byId('keys').open && document.activeElement === document.body")
    for number in range(2):
        gallery.press("ArrowRight")
        gallery.wait_for(f"document.activeElement === document.querySelectorAll('.open')[{number}]")
    gallery.press("Enter")
    _wait_for_prompt(gallery, HOSTILE[1])
    gallery.press("ArrowRight")
    _wait_for_prompt(gallery, HOSTILE[2])
    gallery.press("Escape")
    gallery.wait_for("!byId('viewer').open && document.querySelector('.card.found')")
    assert gallery.evaluate("document.querySelector('.card.found .text').textContent") == HOSTILE[2]
    gallery.press("/")
    gallery.wait_for("document.activeElement.id === 'search'")


def test_the_large_view_shows_the_whole_prompt_the_lineage_and_the_file(gallery: Page) -> None:
    gallery.evaluate("view(cards[4])")
    assert gallery.evaluate("byId('prompt').textContent.length") == len(HOSTILE[4])
    gallery.wait_for("byId('large').complete && byId('large').naturalWidth === 640")
    gallery.evaluate("view(cards[50])")
    titles = gallery.evaluate("[...document.querySelectorAll('#lineage h3')].map(e => e.textContent)")
    assert titles == ["Made from", "Session, in order"]
    gallery.evaluate("document.querySelector('#lineage a').click()")
    assert gallery.evaluate("byId('prompt').textContent") == "a cup"
    gallery.evaluate("view(cards[58])")
    assert "no longer at" in gallery.evaluate("byId('gone').textContent")


def test_the_theme_follows_the_system_until_it_is_switched(gallery: Page) -> None:
    colour = "getComputedStyle(document.body).backgroundColor"
    dark = [{"name": "prefers-color-scheme", "value": "dark"}]
    gallery.send("Emulation.setEmulatedMedia", features=dark)
    assert gallery.evaluate(colour) == "rgb(20, 20, 22)"
    gallery.evaluate("byId('theme').click()")
    assert gallery.evaluate(colour) == "rgb(246, 245, 242)"
    gallery.evaluate("localStorage.clear()")
    gallery.send("Emulation.setEmulatedMedia", features=[])


def test_a_narrow_window_scrolls_down_only(gallery: Page) -> None:
    gallery.send(
        "Emulation.setDeviceMetricsOverride", width=320, height=700, deviceScaleFactor=1, mobile=True
    )
    assert gallery.evaluate("document.documentElement.scrollWidth") == 320
    gallery.send("Emulation.clearDeviceMetricsOverride")


def test_everything_that_can_be_used_has_a_name(gallery: Page) -> None:
    unnamed = gallery.evaluate(
        "[...document.querySelectorAll('button, a, input, select, img, dialog')].filter(e => !(e.ariaLabel"
        " || e.textContent.trim() || e.alt || e.labels?.length || e.getAttribute('aria-labelledby')"
        " || e.id === 'large')).map(e => e.outerHTML)"
    )
    assert unnamed == []
