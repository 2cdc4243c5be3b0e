"""Every way in which an answer may write its image, read by the one reader there is."""

from __future__ import annotations

import contextlib
import json
import tracemalloc
from typing import Any
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt_image_mcp.openai_api.answer_documents import MOST_DOCUMENTS, MOST_VALUES, parse_documents
from gpt_image_mcp.openai_api.image_extraction import MOST_ESCAPES, without_escapes
from gpt_image_mcp.openai_api.images_response import UnusableBody, read_images_body, read_partial_images
from tests.faults.answers import (
    BODIES,
    DATA_URL,
    ENCODED,
    ENTRY,
    IMAGE,
    LINK,
    OTHER,
    OTHER_ENCODED,
    URL_SAFE,
    json_of,
)
from tests.faults.scripted import final_event, image_file, partial_event

# Beside each of these, a search that goes back over what it has passed would not end.
FLOODS = {
    "begins of Markdown": "![" * 40_000 + "A" * 20_000_000,
    "blanks": " " * 20_000_000,
    "begins of pictures": "iVBORw0KG!/9j/!UklGR!R0lGOD!AAAA+GZ0eXB!RIFF" * 400_000,
}


@pytest.mark.parametrize("name", FLOODS)
def test_the_image_is_found_behind_a_flood(name: str) -> None:
    assert read_images_body(f"Look: {FLOODS[name]} ![a]({DATA_URL})".encode()).images == (IMAGE,)


@pytest.mark.parametrize("words", ["A fox [red] in snow", "a [fox", "a ![fox"])
def test_an_image_in_markdown_is_found_behind_words_with_brackets(words: str) -> None:
    assert read_images_body(f"{words}: ![a]({DATA_URL})".encode()).images == (IMAGE,)


def test_base64_with_a_blank_after_each_letter_is_read() -> None:
    assert read_images_body(json_of({"image_base64": " ".join(ENCODED)})).images == (IMAGE,)


def test_utf_16_that_is_damaged_behind_the_image_is_read_so_far() -> None:
    body = json_of({"data": [ENTRY]}).decode().encode("utf-16") + b"\0\xd8" * 9
    assert read_images_body(body).images == (IMAGE,)


def test_the_image_is_found_behind_bytes_that_are_not_text() -> None:
    for wrong in (3, 2_000_000):
        body = b'{"note": "' + b"\xe9" * wrong + json_of({"data": [ENTRY]}).replace(b"{", b'", ', 1)
        assert read_images_body(body).images == (IMAGE,)


def test_wrong_bytes_are_marked_unless_they_would_hold_up_everything_else() -> None:
    few, many = (parse_documents(b"clich\xe9" * count)[0].value for count in (3, 2_000_000))
    assert few == "clich\ufffd" * 3
    assert many == "clich" * 2_000_000


def test_a_data_url_of_very_many_escapes_is_not_decoded() -> None:
    for escapes in (MOST_ESCAPES, MOST_ESCAPES + 1):
        body = json_of({"image": "data:image/png," + "%41" * escapes})
        with contextlib.nullcontext() if escapes == MOST_ESCAPES else pytest.raises(UnusableBody):
            assert read_images_body(body).images == (b"A" * escapes,)


def test_json_in_a_text_is_not_read_if_it_has_very_many_values() -> None:
    for values in (9, MOST_VALUES):
        inner = json.dumps([*[[]] * values, {"url": LINK}])
        hidden = inner.replace("[", "\\u005b").replace(",", "\\u002c").replace('"', '\\"')
        with contextlib.nullcontext() if values == 9 else pytest.raises(UnusableBody):
            assert read_images_body(f'{{"result": "{hidden}"}}'.encode()).urls == (LINK,)


@pytest.mark.parametrize("document", ['"" ', "1 ", "data: 1 1 1\n\n", "data:\n\ndata: x\n\n"])
def test_of_very_many_documents_the_first_are_read(document: str) -> None:
    assert len(parse_documents(document * MOST_DOCUMENTS * 2)) == MOST_DOCUMENTS


@pytest.mark.parametrize("name", BODIES)
def test_the_image_is_found(name: str) -> None:
    assert read_images_body(BODIES[name]).images == (IMAGE,)


def test_url_safe_base64_of_a_jpeg_is_told_from_a_link() -> None:
    body = json_of({"output": URL_SAFE})
    assert read_images_body(body).images == (image_file("gray", image_format="JPEG"),)


def test_url_safe_base64_of_a_jpeg_is_found_in_json_that_is_cut() -> None:
    body = json_of({"data": [{"b64_json": URL_SAFE}, {"b64_json": OTHER_ENCODED}]})
    assert read_images_body(body[:-20]).images == (image_file("gray", image_format="JPEG"),)


@pytest.mark.parametrize(
    "document",
    [
        {"data": [ENTRY, {"b64_json": OTHER_ENCODED}]},
        {"images": [ENCODED, DATA_URL.replace(ENCODED, OTHER_ENCODED)]},
        {"image_1": ENCODED, "image_2": OTHER_ENCODED},
        [{"image": ENCODED}, {"image": OTHER_ENCODED}],
    ],
)
def test_several_images_keep_their_order(document: Any) -> None:
    assert read_images_body(json_of(document)).images == (IMAGE, OTHER)


@pytest.mark.parametrize(
    "document",
    [
        {"data": [{"url": LINK}]},
        {"data": [LINK]},
        {"data": {"image_url": {"url": LINK}}},
        {"images": [{"imageUrl": LINK}]},
        {"output": LINK},
        {"result": {"download_url": LINK, "size": "1024x1024"}},
        {"b64_json": LINK},
        {"choices": [{"message": {"content": f"![fox]({LINK})"}}]},
        LINK,
    ],
)
def test_a_link_is_found(document: Any) -> None:
    assert read_images_body(json_of(document)).urls == (LINK,)


@pytest.mark.parametrize(
    "link",
    [
        "/files/a.png",
        "files/a.png",
        "//host/a.png",
        "a.png",
        "./a",
        "../a?b=c",
        "/v1/files/7/content",
        "/files/a",
    ],
)
@pytest.mark.parametrize("name", ["url", "image_url", "image", "b64_json"])
def test_a_relative_link_is_found_in_any_field(name: str, link: str) -> None:
    assert read_images_body(json_of({"data": [{name: link}]})).urls == (link,)


@pytest.mark.parametrize(
    "document",
    [
        {"id": "task_1", "status": "queued", "urls": {"get": "https://api.example/tasks/1"}},
        {"task_id": "abcd", "status": "success", "status_url": "https://api.example/tasks/1"},
        {"code": 0, "message": "ok", "data": {"task_id": "a/b"}},
        {"data": [], "images": None, "output": [], "result": "done"},
        {"data": [{"revised_prompt": "a.png or b/c"}]},
        {"input": {"image": ENCODED}, "status": "processing"},
    ],
)
def test_an_answer_without_an_image_holds_none(document: Any) -> None:
    with pytest.raises(UnusableBody):
        read_images_body(json_of(document))


def test_a_preview_is_not_the_image() -> None:
    with pytest.raises(UnusableBody):
        read_images_body(partial_event() + partial_event(OTHER))


def test_the_previews_of_a_broken_stream_can_be_had() -> None:
    body = partial_event(IMAGE) + partial_event(IMAGE) + partial_event(OTHER) + final_event()[:200]
    assert read_partial_images(body) == (IMAGE, OTHER)


def test_what_an_unusual_answer_says_of_its_image_is_read() -> None:
    body = {"result": {"image": ENCODED, "quality": "high"}, "usage": {"input_tokens": 5, "output_tokens": 7}}
    answer = read_images_body(json_of(body))
    assert answer.properties.quality == "high"
    assert answer.usage is not None
    assert answer.usage.output_tokens == 7


def test_nesting_of_thousands_is_no_image() -> None:
    for body in (b"[" * 100_000, b'{"data":' * 100_000, json_of({"data": "[" * 100_000})):
        with pytest.raises(UnusableBody):
            read_images_body(body)


@given(st.text(alphabet="%4aF1é,/", max_size=400), st.integers(0, 70_000))
def test_escapes_mean_the_same_piece_by_piece(text: str, padding: int) -> None:
    text = "x" * padding + text
    assert without_escapes(text) == unquote_to_bytes(text)


def test_millions_of_escapes_take_a_few_times_their_size() -> None:
    text = "%41" * 2_000_000
    tracemalloc.start()
    try:
        assert len(without_escapes(text)) == 2_000_000
        assert tracemalloc.get_traced_memory()[1] < 5 * len(text)
    finally:
        tracemalloc.stop()
