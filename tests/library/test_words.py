"""Words: any part of a prompt finds it, in any script, whatever its case and accents."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt_image_mcp.library.search.words import indexed_words, wanted_words


def _is_found(query: str, text: str) -> bool:
    """As the database decides: each wanted word begins one of the words of the text."""
    known = indexed_words(text)
    return all(any(word.startswith(wanted) for word in known) for wanted in wanted_words(query))


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("fox snow", "Snow, and a red FOX"),
        ("fuchs", "Ein Füchs"),
        ("FÜCHS", "ein fuchs"),
        ("strasse", "Hauptstraße Straße"),
        ("light", "a lighthouse"),
        ("лис", "Рыжая лиса в снегу"),
        ("ελλαδα", "Ελλάδα"),
        ("狐", "雪山の狐"),
        ("雪山", "大きな雪山の狐"),
        ("山の狐", "雪山の狐"),
        ("キツネ 雪", "雪の中のキツネ"),
        ("สวัสดี", "ภาพสวัสดีตอนเช้า"),
        ("눈", "눈 속의 여우"),
        ("ثعلب", "ثعلب أحمر في الثلج"),
        ("लोमड़ी", "बर्फ में लाल लोमड़ी"),
        ("🦊", "a fox 🦊️ in the snow"),
        ("fine", "ﬁne art"),
        ("2026", "poster for 2026!"),
    ],
)
def test_a_text_is_found_by_part_of_it(query: str, text: str) -> None:
    assert _is_found(query, text)


@pytest.mark.parametrize(
    ("query", "text"), [("wolf", "a fox"), ("fox wolf", "a fox"), ("山雪", "雪山の狐"), ("ox", "a fox")]
)
def test_what_is_not_in_a_text_does_not_find_it(query: str, text: str) -> None:
    assert not _is_found(query, text)


def test_punctuation_is_no_word() -> None:
    assert wanted_words("!? -- \"' () \N{NO-BREAK SPACE}") == []


def test_a_word_that_another_begins_with_is_not_asked_for() -> None:
    assert wanted_words("a fox at a foxglove, an at") == ["at", "foxglove", "an"]
    assert wanted_words("雪 雪山") == ["雪山"]


@given(st.text("abc ", max_size=30))
def test_whatever_has_the_words_asked_for_has_all_words_of_the_query(query: str) -> None:
    wanted = wanted_words(query)
    assert set(wanted) <= set(query.split())
    assert all(any(word.startswith(given) for word in wanted) for given in query.split())


def test_a_long_prompt_in_a_script_without_spaces_is_found_by_its_end() -> None:
    assert _is_found("花火", "雪山" * 200 + "花火")


@given(st.text(max_size=80), st.data())
def test_every_text_is_found_by_each_of_its_words(text: str, data: st.DataObject) -> None:
    words = text.split()
    if words:
        assert _is_found(data.draw(st.sampled_from(words)), text)


@given(st.text(max_size=200))
def test_words_hold_nothing_that_a_query_would_have_to_escape(text: str) -> None:
    for word in [*indexed_words(text), *wanted_words(text)]:
        assert word
        assert not set(word) & set(" \"'*%_\\\0():")
