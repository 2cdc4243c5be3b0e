"""What a text that stands for an image is, told by its beginning."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt_image_mcp import Settings
from gpt_image_mcp.references import classify, reference_to

if TYPE_CHECKING:
    from pathlib import Path

ID = "20261121-150301-a1b2c3"
PNG_START = "iVBORw0KGgo"
MANY = 13_000_000


@pytest.mark.parametrize(
    ("text", "kind", "image_id"),
    [
        *((ID, "image", ID), (f'  "{ID}" ', "image", ID), (ID.upper(), "image", ID)),
        *((f"{ID}.png", "image", ID), (f"edit-{ID}.webp", "image", ID), (f"image-{ID}", "image", ID)),
        *((f"gpt-image://images/{ID}", "image", ID), (f"GPT-IMAGE://Images/{ID}/preview", "image", ID)),
        *((f"gpt-image://images/{ID}/metadata", "image", ID), (f"gpt-image://images/{ID}/", "image", ID)),
        *(("gpt-image://images/no-such", "image", "no-such"), ("gpt-image://history", "address", "")),
        *((f"session-{ID}", "session", ""), (f"job-{ID}", "job", ""), ("job-unknown", "job", "")),
        *(
            (f"session-{ID}.png", "image", ID),
            ("job-application.png", "path", ""),
            ("session-1/a", "path", ""),
        ),
        *((f"edit-{ID}-night.png", "path", ""), (f"photos/{ID}", "path", ""), (f"{ID}0", "path", "")),
    ],
)
def test_an_id_is_told_from_a_path(text: str, kind: str, image_id: str) -> None:
    ref = classify(text)
    assert (ref.kind, ref.image_id) == (kind, image_id)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        *(("data:image/png;base64,AAAA", "data"), ("DATA:;base64,AAAA", "data"), (" 'data:,x' ", "data")),
        *(("data:image/png;base64", "data"), ("data%3Aimage%2Fpng%3Bbase64%2CAAAA", "data")),
        *((PNG_START + "A" * 300, "data"), ("/9j/" + "A" * 300, "data"), ("x" * 5000, "data")),
        *((PNG_START, "path"), (f"{PNG_START}.png", "path"), ("/9j/a.jpg", "path"), ("database.png", "path")),
        *(("https://example.com/a.png", "web"), ("HTTP://EXAMPLE.COM/a.png", "web"), ("https:/a.b/c", "web")),
        *(("ftp://example.com/a.png", "address"), ("s3://bucket/a.png", "object")),
        *(("sandbox:/mnt/data/a.png", "address"), ("attachment://a.png", "address")),
        *(
            ("C:\\a.png", "path"),
            ("C:/a.png", "path"),
            ("c://a.png", "path"),
            ("\\\\server\\share\\a", "path"),
        ),
        *(("file:///a.png", "path"), ("FILE:a", "path"), ("www.example.com/x.png", "path"), ("~/a", "path")),
        *(("*.png", "path"), ("", "path"), ("profile:a", "path"), ("12:00.png", "path")),
    ],
)
def test_data_and_addresses_are_told_from_paths(text: str, kind: str) -> None:
    assert classify(text).kind == kind


@pytest.mark.parametrize(
    "text",
    [
        *("data:image/png;base64," + "A/" * (MANY // 2), "A" * MANY, "/" * MANY, '"' * MANY, "a b" * MANY),
        *("/9j/" + "A" * MANY, " " * MANY, "https://" + "a/" * MANY, "gpt-image://images/" + "a" * MANY),
        *("session-" + "a" * MANY, "a.b" * MANY, "[" * MANY, "file:" + "/" * MANY),
    ],
    ids=range(13),
)
def test_megabytes_are_no_path_whatever_they_begin_with(text: str) -> None:
    ref = classify(text)
    assert ref.kind in ("data", "web", "image") or text.startswith(("file:", "session-"))
    assert len(ref.shown) <= 501


@pytest.mark.parametrize(
    ("text", "name"),
    [
        *(("a/b c.png", "b c"), ("C:\\x\\a.png", "a"), ("file:///x/a%20b.png", "a b"), (ID, ID)),
        *(("a%20b.png", "a%20b"), ("https://x.org/p/a%20b.png?c=/d", "a b"), (PNG_START + "/" * 300, "")),
        *(("data:image/png;base64,a/b", ""), ("https://x.org/", "x")),
    ],
)
def test_the_stem_is_the_name_without_folders_and_ending(text: str, name: str) -> None:
    assert classify(text).stem == name


def test_a_web_address_is_shown_without_its_signature() -> None:
    assert classify("https://x.org/a.png?sig=secret").shown == "https://x.org/a.png"
    assert classify("s3://bucket/a.png?X-Amz-Signature=secret").shown == "s3://bucket/a.png"
    assert classify("https://ann:secret@x.org/a.png?sig=secret").shown == "https://x.org/a.png"
    assert classify("https://x.org/a@2x.png").shown == "https://x.org/a@2x.png"


@pytest.mark.parametrize("name", [ID, f"{ID}.png", f"session-{ID}", f"job-{ID}", f"edit-{ID}.png"])
def test_the_exact_name_of_a_file_wins_over_an_id(name: str, project: Path) -> None:
    settings = Settings(sandbox=True)
    assert reference_to(name, settings).kind != "path"
    (project / name).write_bytes(b"x")
    assert reference_to(f" '{name}'", settings).kind == "path"
    outside = Settings(sandbox=True, input_roots=(project / "elsewhere",))
    assert reference_to(name, outside).kind != "path"


@given(st.text(max_size=50), st.text(" \t\n\"'`", max_size=3))
def test_what_stands_around_a_text_does_not_change_what_it_is(text: str, around: str) -> None:
    assert classify(around + text + around[::-1]) == classify(text)
