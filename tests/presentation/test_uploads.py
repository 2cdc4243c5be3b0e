"""The line that sends a file to an upload link, in the shells that people have."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt_image_mcp.presentation.uploads import upload_link_content

URL = "https://images.example.com/uploads/x.y_z-1"


def _line(file: str) -> str:
    now = datetime(2026, 11, 30, tzinfo=UTC)
    return upload_link_content(URL, "upload-1", file=file, ends_at=now, max_mb=50).curl


@pytest.mark.parametrize(
    "file",
    [
        "photo.png",
        "-a b.png",
        "~/it's & <mine>; (1) ^2.png",
        "/home/ada/Öl #1.png",
        r"C:\Users\Ada Lovelace\a&b.png",
        r"\\server\share\a.png",
    ],
)
def test_a_path_that_every_shell_reads_as_it_is_stands_in_double_quotes(file: str) -> None:
    assert _line(file) == f'curl -gT "{file}" "{URL}"'


@pytest.mark.parametrize(
    "file",
    [
        *("", "-", ".", "x" * 4_097, 'a".png', "a\nb.png", "a\x1bb.png", "folder\\", "“ & calc & ”.png"),
        *("%PATH%.png", "$HOME.png", "$(id).png", "`id`.png", "!!.png"),
    ],
)
def test_a_path_that_some_shell_would_act_on_is_left_to_the_caller(file: str) -> None:
    assert _line(file) == f'curl -gT "FILE" "{URL}"'


@given(st.text(max_size=50) | st.text("""\\"'`$ &;|!%^\n”a""", max_size=20))
def test_no_name_of_a_file_adds_a_word_to_the_line(file: str) -> None:
    command, option, _, address = shlex.split(_line(file))
    assert (command, option, address) == ("curl", "-gT", URL)
    assert _line(file).count('"') == 4
