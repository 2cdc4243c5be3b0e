"""Signed links: read as they were signed, until they end, as what they are, and changed in no character."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt_image_mcp.errors import LinkEnded, NotFound
from gpt_image_mcp.settings import Settings
from gpt_image_mcp.team.links import LINK_SECONDS, Links, links_of
from tests.team.serving import LINK_KEY

if TYPE_CHECKING:
    from gpt_image_mcp.team.links import LinkKind

NOW = 1_800_000_000.0
NAMED = ("20261121-150301-a1b2c3", "anna")
TOKEN = Links(LINK_KEY, lambda: NOW).sign("image", *NAMED)


def _links(seconds_later: float = 0, key: str = LINK_KEY) -> Links:
    return Links(key, lambda: NOW + seconds_later)


@given(named=st.lists(st.text(max_size=300), min_size=1, max_size=3))
def test_a_link_says_what_was_signed_until_it_ends(named: list[str]) -> None:
    token = _links().sign("export", *named)
    assert _links(LINK_SECONDS - 1).read("export", token) == named
    with pytest.raises(LinkEnded):
        _links(LINK_SECONDS).read("export", token)


@given(data=st.data())
def test_a_link_changed_in_any_character_leads_nowhere(data: st.DataObject) -> None:
    position = data.draw(st.integers(0, len(TOKEN) - 1))
    letter = data.draw(st.characters(min_codepoint=33, max_codepoint=126).filter(TOKEN[position].__ne__))
    changed = TOKEN[:position] + letter + TOKEN[position + 1 :]
    with pytest.raises(NotFound, match="leads nowhere"):
        _links().read("image", changed)


@given(text=st.text() | st.integers(0, len(TOKEN) - 1).map(lambda end: TOKEN[:end]))
def test_what_was_never_signed_leads_nowhere(text: str) -> None:
    with pytest.raises(NotFound, match="leads nowhere"):
        _links().read("image", text)


@pytest.mark.parametrize("added", ["=", "==", "A", ".", "\n", "!"])
def test_a_link_with_more_behind_it_leads_nowhere(added: str) -> None:
    with pytest.raises(NotFound, match="leads nowhere"):
        _links().read("image", TOKEN + added)


@pytest.mark.parametrize("kind", ["export", "upload"])
def test_a_link_of_one_kind_is_none_of_another(kind: LinkKind) -> None:
    with pytest.raises(NotFound, match="leads nowhere"):
        _links().read(kind, TOKEN)


def test_a_link_that_another_key_signed_leads_nowhere() -> None:
    with pytest.raises(NotFound, match="leads nowhere"):
        _links(key=LINK_KEY[::-1]).read("image", TOKEN)


def test_an_old_link_that_was_changed_is_not_called_old() -> None:
    with pytest.raises(NotFound, match="leads nowhere"):
        _links(LINK_SECONDS).read("image", TOKEN[:-1] + ("A" if TOKEN[-1] != "A" else "B"))


def test_between_clocks_five_minutes_apart_a_link_has_ended_or_lasts_as_much_longer() -> None:
    """The one whose clock is ahead refuses what the other signs; the other way round it lasts ten minutes."""
    with pytest.raises(LinkEnded):
        _links(300).read("image", TOKEN)
    made_ahead = _links(300).sign("image", *NAMED)
    assert _links(599).read("image", made_ahead) == [*NAMED]
    with pytest.raises(LinkEnded):
        _links(600).read("image", made_ahead)


def test_a_link_does_not_come_back_when_the_clock_is_set_back() -> None:
    for seconds in (-LINK_SECONDS - 1, -400 * 86_400):
        with pytest.raises(LinkEnded):
            _links(seconds).read("image", TOKEN)


def test_neither_the_links_nor_a_link_show_the_key() -> None:
    assert LINK_KEY not in repr(_links())
    assert LINK_KEY not in TOKEN


def test_without_a_key_or_people_there_are_no_links(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPT_IMAGE_LINK_KEY", LINK_KEY)
    assert links_of(Settings()) is None
    monkeypatch.setenv("GPT_IMAGE_AUTH", "tokens")
    assert links_of(Settings()) is not None
    monkeypatch.delenv("GPT_IMAGE_LINK_KEY")
    assert links_of(Settings()) is None
