"""Reading the API's JSON: strict about pictures, tolerant about everything else."""

from __future__ import annotations

import base64
import contextlib
import json
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt_image_mcp.openai_api.answer_documents import MOST_VALUES
from gpt_image_mcp.openai_api.images_response import (
    MOST_SEARCHED_BYTES,
    UnusableBody,
    read_image_usage,
    read_images_body,
    read_partial_images,
    read_usage,
)
from gpt_image_mcp.openai_api.responses_response import read_response_body

IMAGE = b"\x89PNG pretend"
ENCODED = base64.b64encode(IMAGE).decode()


def _body(**fields: object) -> bytes:
    return json.dumps({"data": [{"b64_json": ENCODED}], **fields}).encode()


def test_a_full_answer_is_read() -> None:
    answer = read_images_body(
        _body(
            created=1,
            size="1024x1024",
            quality="high",
            background="opaque",
            output_format="png",
            usage={
                "input_tokens": 12,
                "output_tokens": 7024,
                "total_tokens": 7036,
                "input_tokens_details": {"text_tokens": 12, "image_tokens": 0},
                "output_tokens_details": {"text_tokens": 0, "image_tokens": 7024},
            },
        )
    )
    assert answer.images == (IMAGE,)
    assert (answer.properties.size, answer.properties.quality, answer.properties.background) == (
        "1024x1024",
        "high",
        "opaque",
    )
    assert answer.usage is not None
    assert answer.usage.output_image_tokens == 7024


def test_an_answer_with_nothing_but_a_picture_is_enough() -> None:
    answer = read_images_body(_body())
    assert answer.images == (IMAGE,)
    assert (answer.properties.size, answer.properties.quality, answer.usage) == (None, None, None)


def test_a_streamed_final_event_is_read_like_an_answer() -> None:
    body = json.dumps({"type": "image_generation.completed", "b64_json": ENCODED, "size": "auto"}).encode()
    answer = read_images_body(body)
    assert answer.images == (IMAGE,)
    assert answer.properties.size is None


def test_addresses_are_kept_where_there_is_no_picture() -> None:
    body = json.dumps({"data": [{"url": "https://x/1.png", "b64_json": None}]}).encode()
    assert read_images_body(body).urls == ("https://x/1.png",)


def test_data_urls_and_line_breaks_in_base64_are_understood() -> None:
    broken = "\n".join([ENCODED[:8], ENCODED[8:]])
    for text in (f"data:image/png;base64,{ENCODED}", broken):
        assert read_images_body(json.dumps({"data": [{"b64_json": text}]}).encode()).images == (IMAGE,)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>502 Bad Gateway</html>",
        _body()[:-9],
        b'{"data": []}',
        b'{"data": [{}]}',
        b'{"data": [{"b64_json": "!!!not base64"}]}',
        b'{"data": "surprise"}',
        b'{"error": {"message": "model overloaded"}}',
        b'{"error": "plain words"}',
        b"[]",
        b"null",
    ],
)
def test_a_body_without_a_picture_is_unusable(body: bytes) -> None:
    with pytest.raises(UnusableBody):
        read_images_body(body)


def test_the_reason_of_an_error_in_a_success_is_passed_on() -> None:
    with pytest.raises(UnusableBody, match="model overloaded"):
        read_images_body(b'{"error": {"message": "model overloaded"}}')


@pytest.mark.parametrize("usage", [None, {}, "none", {"input_tokens": 0, "output_tokens": 0}, [1], {"x": 1}])
def test_usage_that_says_nothing_is_none(usage: object) -> None:
    assert read_usage(usage) is None


def test_a_usage_of_the_prompt_alone_is_none_for_a_picture() -> None:
    assert read_image_usage({"input_tokens": 12, "output_tokens": 0}) is None
    assert read_image_usage({"input_tokens": 12, "output_tokens": 1}) is not None


@given(read=st.integers(-9, 9), made=st.integers(-9, 9))
def test_a_usage_with_a_count_below_zero_is_none(read: int, made: int) -> None:
    usage = read_usage({"input_tokens": read, "output_tokens": made})
    assert (usage is None) == (min(read, made) < 0 or read + made == 0)


@pytest.mark.parametrize("count", [10**7 + 1, 10**30, -(10**30)])
@pytest.mark.parametrize(
    "names",
    [("input_tokens",), ("output_tokens",), ("total_tokens",)]
    + [("input_tokens_details", name) for name in ("text_tokens", "image_tokens", "cached_tokens")]
    + [("output_tokens_details", "text_tokens")],
)
def test_a_usage_with_a_count_that_no_call_takes_is_none(names: tuple[str, ...], count: int) -> None:
    value: object = count
    for name in reversed(names):
        value = {name: value}
    assert read_usage({"input_tokens": 3, "output_tokens": 4}) is not None
    assert read_usage({"input_tokens": 3, "output_tokens": 4} | cast("dict[str, object]", value)) is None


def test_a_missing_total_is_the_sum() -> None:
    usage = read_usage({"input_tokens": 3, "output_tokens": 4})
    assert usage is not None
    assert usage.total_tokens == 7
    assert usage.input_text_tokens is None


@given(st.binary(max_size=300))
def test_no_bytes_make_the_reader_fail_in_an_unforeseen_way(body: bytes) -> None:
    with contextlib.suppress(UnusableBody):
        assert read_images_body(body).images == (body,)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["data", "usage", "error", "b64_json", "size", "input_tokens"]),
                inner,
                max_size=4,
            )
        ),
        max_leaves=8,
    )
)
def test_no_json_makes_the_reader_fail_in_an_unforeseen_way(document: object) -> None:
    with contextlib.suppress(UnusableBody):
        read_images_body(json.dumps(document).encode())


@pytest.mark.parametrize(
    "echoed", ["Bearer sk-proj-0123456789", "sk-proj-0123456789", "high\n1. /etc/passwd", "x" * 99]
)
def test_a_setting_that_is_none_is_not_repeated(echoed: str) -> None:
    said = dict.fromkeys(("size", "quality", "background"), echoed)
    answer = read_images_body(json.dumps({"data": [{"b64_json": ENCODED}], **said}).encode())
    assert (answer.properties.size, answer.properties.quality, answer.properties.background) == (None,) * 3


def test_a_huge_answer_of_another_form_is_not_searched() -> None:
    padding = " " * MOST_SEARCHED_BYTES
    picture = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(300)).decode()
    assert read_images_body(json.dumps({"picture": picture}).encode()).images
    for body in (f'{{"picture": "{picture}"}}{padding}', f"<html>{padding}</html>"):
        with pytest.raises(UnusableBody, match="of its 64 MB no more than 64 are searched"):
            read_images_body(body.encode())


def test_a_huge_answer_of_the_usual_form_is_read() -> None:
    image = b"\x89PNG\r\n\x1a\n" + bytes(MOST_SEARCHED_BYTES)
    body = json.dumps({"data": [{"b64_json": base64.b64encode(image).decode()}]})
    assert read_images_body(body.encode()).images == (image,)


@pytest.mark.parametrize(
    "body",
    [
        b'{"data":[' + b"{}," * MOST_VALUES + b"{}]}",
        _body(**{f"k{number}": [number] for number in range(MOST_VALUES // 2)}),
        b"[" * (MOST_VALUES + 1),
        b"data: {}\n\n" * (MOST_VALUES + 1),
    ],
    ids=["objects", "keys", "depth", "events"],
)
def test_an_answer_of_very_many_values_is_not_read(body: bytes) -> None:
    with pytest.raises(UnusableBody, match="more than 50,000 values"):
        read_images_body(body)
    with pytest.raises(UnusableBody, match="more than 50,000 values"):
        read_response_body(body)
    assert read_partial_images(body) == ()
