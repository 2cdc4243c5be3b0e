"""Folders and globs as the files in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt_image_mcp.errors import InvalidArgument
from gpt_image_mcp.services.globbing import MOST_FILES, expand

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

IMAGES = ("a.png", "B.JPG", "c.webp", "d.gif", "e.bmp", "f.tif", "g.avif", "h.heic", "i.jpeg", "j.tiff")
OTHERS = (".hidden.png", "._a.png", "notes.txt", "png", "a.png.txt", ".png")
# What means no file of this machine; base64 of a whole image is longer than any file name.
ELSEWHERE = (
    *("https://example.com/*.png", "data:image/png;base64,iVBORw0KGgo=", "gpt-image://images/x"),
    *("20261121-150301-a1b2c3", "iVBORw0KGgo" + "A" * 5000, "~no-such-user-here/a.png", "a\0b"),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with images, other files and a folder that is called like an image."""
    made = tmp_path / "photos"
    made.mkdir()
    for name in (*IMAGES, *OTHERS):
        (made / name).write_bytes(b"x")
    (made / "inner.png").mkdir()
    (made / "inner.png" / "deep.png").write_bytes(b"x")
    return made


def _names(refs: Sequence[str], base: Path) -> list[str]:
    return [ref.replace("\\", "/").rpartition("/")[2] for ref in expand(refs, base=base)]


def test_a_folder_is_its_image_files_in_the_order_of_their_names(folder: Path, tmp_path: Path) -> None:
    assert _names([str(folder)], tmp_path) == sorted(IMAGES)
    assert expand(["photos"], base=tmp_path) == tuple(str(folder / name) for name in sorted(IMAGES))


@pytest.mark.parametrize("form", ["{}", "'{}'", "{}/", "file://{}", "  {} "])
def test_a_folder_may_be_written_like_any_path(form: str, folder: Path, tmp_path: Path) -> None:
    assert _names([form.format(folder)], tmp_path) == sorted(IMAGES)


def test_the_home_of_the_user_may_be_a_tilde(tmp_path: Path) -> None:
    (tmp_path / "home" / "pictures").mkdir()
    (tmp_path / "home" / "pictures" / "a.png").write_bytes(b"x")
    found = (str(tmp_path / "home" / "pictures" / "a.png"),)
    assert expand(["~/pictures"], base=tmp_path) == found
    assert expand(["~/pictures/*.png"], base=tmp_path) == found


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("photos/*.png", ["a.png"]),
        ("photos/[a-c].*", ["a.png", "a.png.txt", "c.webp"]),
        ("photos/?.tif", ["f.tif"]),
        ("photos/**/*.png", ["a.png", "deep.png"]),
        ("*/*.jp*g", ["i.jpeg"]),
    ],
)
def test_a_glob_is_the_files_it_matches(pattern: str, names: list[str], folder: Path, tmp_path: Path) -> None:
    assert _names([pattern], folder.parent) == names
    assert _names([str(tmp_path / pattern)], tmp_path / "project") == names


def test_a_glob_works_in_a_folder_whose_name_looks_like_one(tmp_path: Path) -> None:
    base = tmp_path / "shoot [1] *"
    base.mkdir()
    for name in ("a.png", "b.png"):
        (base / name).write_bytes(b"x")
    assert _names(["*.png"], base) == ["a.png", "b.png"]
    assert _names(["b.png", "missing.png"], base) == ["b.png", "missing.png"]


def test_a_file_whose_name_looks_like_a_glob_is_that_file(tmp_path: Path) -> None:
    (tmp_path / "a[1].png").write_bytes(b"x")
    (tmp_path / "a1.png").write_bytes(b"x")
    assert expand(["a[1].png"], base=tmp_path) == ("a[1].png",)


def test_what_matches_nothing_stays_so_that_the_caller_hears_of_it(folder: Path) -> None:
    assert expand(["*.jxl", "missing.png"], base=folder) == ("*.jxl", "missing.png")


@pytest.mark.parametrize("ref", ELSEWHERE)
def test_what_is_no_file_stays_as_it_is(ref: str, tmp_path: Path) -> None:
    assert expand([ref], base=tmp_path) == (ref,)


def test_everything_mixes_in_the_order_in_which_it_was_passed(folder: Path, tmp_path: Path) -> None:
    refs = [ELSEWHERE[0], str(folder / "*.tif"), "x.png", str(folder / "a.png"), ELSEWHERE[3]]
    assert _names(refs, tmp_path) == ["*.png", "f.tif", "x.png", "a.png", ELSEWHERE[3]]


def test_a_folder_without_images_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidArgument, match="empty"):
        expand(["empty"], base=tmp_path)
    with pytest.raises(InvalidArgument):
        expand([], base=tmp_path)


def test_a_hundred_images_are_taken_and_one_more_is_refused_with_the_number(tmp_path: Path) -> None:
    for number in range(MOST_FILES):
        (tmp_path / f"{number:03}.png").write_bytes(b"x")
    assert len(expand(["*.png"], base=tmp_path)) == MOST_FILES
    with pytest.raises(InvalidArgument, match="101"):
        expand(["*.png", "https://example.com/a.png"], base=tmp_path)


@given(st.lists(st.text(max_size=30), min_size=1, max_size=5))
def test_no_text_is_lost_where_there_are_no_files(refs: list[str]) -> None:
    from pathlib import Path

    nowhere = Path("/no/such/folder")
    refs = [ref for ref in refs if not ref.strip(" \"'`\t\n").startswith(("/", "~", "file:"))] or ["x"]
    assert len(expand(refs, base=nowhere)) == len(refs)
