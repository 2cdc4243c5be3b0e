"""Names: unique, storable everywhere, and what the caller asked for as far as that goes."""

from __future__ import annotations

import itertools
import re
import unicodedata
from datetime import datetime

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gpt_image_mcp.errors import OutputRejected
from gpt_image_mcp.ids import new_call_id, new_image_id, started_at
from gpt_image_mcp.library.naming import (
    LONGEST_LABEL,
    Naming,
    check_filename,
    clean_label,
    file_names,
    numbered,
    numbered_path,
)

ID = "20260422-150301-a1b2c3"


def _names(naming: Naming, *, number: int = 0, extension: str = "png") -> list[str]:
    return list(itertools.islice(file_names(naming, ID, extension=extension, number=number), 3))


def test_an_image_id_sorts_by_local_time_and_is_unique() -> None:
    now = datetime(2026, 4, 22, 15, 3, 1).astimezone()
    assert re.fullmatch(r"20260422-150301-[0-9a-f]{6}", new_image_id(now))
    assert new_image_id(now) != new_image_id(now)


def test_a_call_id_is_marked_as_one() -> None:
    assert re.fullmatch(r"job-\d{8}-\d{6}-[0-9a-f]{6}", new_call_id())


def test_a_call_id_tells_when_the_call_began() -> None:
    before = datetime.now().astimezone().replace(microsecond=0)
    assert before <= started_at(new_call_id()) <= datetime.now().astimezone()


@pytest.mark.parametrize(
    ("naming", "name"),
    [
        (Naming(kind="image"), f"image-{ID}.png"),
        (Naming(kind="edit", label="red boat"), f"edit-{ID}-red-boat.png"),
        (Naming(kind="session", turn=2), f"session-{ID}-t2.png"),
        (Naming(kind="session", turn=2, label="x"), f"session-{ID}-t2-x.png"),
        (Naming(kind="batch", label="../../🚣"), f"batch-{ID}.png"),
    ],
)
def test_a_name_holds_kind_id_turn_and_label(naming: Naming, name: str) -> None:
    assert _names(naming) == [name, name.replace(".png", "-2.png"), name.replace(".png", "-3.png")]


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("logo_v2-final", "logo_v2-final"),
        ("../../etc/passwd", "etc-passwd"),
        ("a\\b:c*d?", "a-b-c-d"),
        ("...", ""),
        ("🚣🏽\u200d♀️", ""),
        ("boat 🚣 red", "boat-red"),
        ("1\ufe0f\u20e3", "1"),
        ("a\0b\ud800c", "a-bc"),
        ("ночь", "ночь"),
        ("夜の海", "夜の海"),
        ("हिन्दी", "हिन्दी"),
        ("cafe\u0301", "café"),
        ("con", "con"),
        ("--_x_--", "x"),
    ],
)
def test_a_label_keeps_words_of_any_script_and_nothing_else(text: str, label: str) -> None:
    assert clean_label(text) == label


@given(st.text(st.characters()))
def test_any_text_makes_a_label_that_every_file_system_takes(text: str) -> None:
    label = clean_label(text)
    assert len(label) <= LONGEST_LABEL
    assert label == label.strip("-_")
    assert all(
        character in "-_" or character.isalnum() or unicodedata.category(character) in {"Mn", "Mc"}
        for character in label
    )
    assert clean_label(label) == label


@given(st.text(st.characters()), st.sampled_from(["", "x.png"]), st.integers(0, 10), st.integers(0, 99))
def test_every_name_fits_and_the_candidates_differ(label: str, filename: str, number: int, turn: int) -> None:
    naming = Naming(kind="session", label=label, filename=filename, turn=turn)
    names = _names(naming, number=number, extension="webp")
    assert all(len(name.encode()) <= 255 for name in names)
    assert len(set(names)) == 3


@pytest.mark.parametrize(
    ("filename", "name"),
    [
        ("boat.png", "boat.png"),
        ("boat", "boat.png"),
        ("boat.JPEG", "boat.png"),
        ("boat.v2", "boat.v2.png"),
        (" boat .webp ", "boat.png"),
        ("boat.. ", "boat.png"),
        (".hidden", ".hidden.png"),
        ("夜の海.png", "夜の海.png"),
    ],
)
def test_an_exact_name_gets_the_extension_of_the_bytes(filename: str, name: str) -> None:
    check_filename(filename)
    assert _names(Naming(kind="image", filename=filename))[0] == name


def test_a_taken_exact_name_gets_a_number() -> None:
    assert _names(Naming(kind="image", filename="boat.png")) == ["boat.png", "boat-2.png", "boat-3.png"]


def test_several_images_of_an_exact_name_are_numbered() -> None:
    naming = Naming(kind="image", filename="boat.png")
    assert [_names(naming, number=number)[0] for number in (1, 2)] == ["boat-1.png", "boat-2.png"]


@pytest.mark.parametrize(
    ("filename", "number", "name"),
    [
        ("boat.png", 2, "boat-2"),
        ("v1.2", 1, "v1.2-1"),
        ("v1.2.webp", 1, "v1.2-1"),
        ("boat.png", 0, "boat"),
        ("", 2, ""),
        (".png", 2, ".png"),
    ],
)
def test_only_the_extension_of_an_image_gives_way_to_a_number(filename: str, number: int, name: str) -> None:
    assert numbered(filename, number) == name


@pytest.mark.parametrize(
    ("path", "numbered_one"),
    [
        ("boat.png", "boat-3.png"),
        ("a.png/boat", "a.png/boat-3"),
        ("a\\boat.JPG", "a\\boat-3.JPG"),
        ("/a/v1.2", "/a/v1.2-3"),
        *((path, path) for path in ("", ".", "..", "/", "a/", "a/..", ".png", "a/.png")),
    ],
)
def test_the_number_of_a_path_is_before_its_extension(path: str, numbered_one: str) -> None:
    assert numbered_path(path, 3) == numbered_one


@given(st.text(st.characters(), max_size=300), st.integers(1, 100))
def test_a_numbered_name_is_a_name_that_stays_as_it_is(filename: str, number: int) -> None:
    name = numbered(filename, number)
    assume(name != filename)
    assert name.endswith(f"-{number}")
    assert numbered(name, 0) == name


@pytest.mark.timeout(20)
def test_a_label_of_megabytes_takes_no_longer_than_its_beginning() -> None:
    assert clean_label("a b " * 25_000_000) == clean_label("a b " * 25)


def test_a_long_exact_name_is_cut_between_characters() -> None:
    check_filename("海" * 200)
    (name, *_) = _names(Naming(kind="image", filename="海" * 200), number=10)
    assert name.endswith("海-10.png")
    assert 240 < len(name.encode()) <= 255


@pytest.mark.parametrize(
    "filename", ["a/b.png", "a\\b.png", "../boat.png", "/tmp/boat.png", "..", ".png", " .png", ". ."]
)
def test_an_exact_name_that_is_not_just_a_name_is_refused(filename: str) -> None:
    with pytest.raises(OutputRejected, match=re.escape(repr(filename))):
        check_filename(filename)


@pytest.mark.parametrize(
    "filename",
    [
        *("a\0b.png", "a:b.png", "a\nb", "a\x7fb", "a\x85b", "a\ud800.png", "a|b", "a?", "<a>"),
        *("con.png", "NUL", "com1.x.png", "CON .webp", "lpt9.", "aux"),
    ],
)
def test_an_exact_name_that_some_system_cannot_store_is_refused(filename: str) -> None:
    with pytest.raises(OutputRejected, match=re.escape(repr(filename))):
        check_filename(filename)


@given(st.text(st.characters(), min_size=1, max_size=300))
def test_any_accepted_exact_name_is_one_name_that_fits(filename: str) -> None:
    try:
        check_filename(filename)
    except OutputRejected:
        return
    for name in _names(Naming(kind="image", filename=filename), number=3):
        assert "/" not in name
        assert len(name.encode()) <= 255
