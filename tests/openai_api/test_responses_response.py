"""Answers of the Responses API, as it gives them and as others do."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from gpt_image_mcp.errors import ModerationBlocked, RateLimited, UpstreamRejected, UpstreamUnavailable
from gpt_image_mcp.openai_api.error_body import read_error_body
from gpt_image_mcp.openai_api.error_mapping import map_error
from gpt_image_mcp.openai_api.error_response import ErrorResponse
from gpt_image_mcp.openai_api.images_response import UnusableBody
from gpt_image_mcp.openai_api.responses_response import ResponsesBody, read_response_body

IMAGE = b"\x89PNG picture"
CALL: dict[str, Any] = {
    "type": "image_generation_call",
    "status": "completed",
    "result": base64.b64encode(IMAGE).decode(),
    "size": "1024x1024",
    "quality": "high",
    "background": "opaque",
    "output_format": "png",
}
USAGE = {"input_tokens": 10, "output_tokens": 20, "total_tokens": 30}


def read(**body: Any) -> ResponsesBody:
    return read_response_body(json.dumps({"status": "completed", "output": [CALL], **body}).encode())


def failed(**fields: Any) -> dict[str, Any]:
    return {**CALL, "status": "failed", "result": None, **fields}


def test_an_answer_holds_the_image_what_was_applied_and_both_usages() -> None:
    answer = read(
        usage={**USAGE, "input_tokens_details": {"cached_tokens": 4}},
        tool_usage={"image_gen": {"input_tokens": 1, "output_tokens": 2}},
    )
    assert answer.images == (IMAGE,)
    assert (answer.properties.size, answer.properties.quality, answer.properties.background) == (
        "1024x1024",
        "high",
        "opaque",
    )
    assert (answer.status, answer.outputs) == ("completed", ("image_generation_call",))
    assert answer.was_called
    assert answer.failure is None
    assert answer.usage is not None
    assert answer.usage.total_tokens == 3
    assert answer.host_usage is not None
    assert (answer.host_usage.total_tokens, answer.host_usage.cached_text_tokens) == (30, 4)


ODD: list[dict[str, Any]] = [
    {"tool_usage": None},
    {"tool_usage": "none"},
    {"tool_usage": {"image_gen": "none"}},
    {"usage": "none"},
    {"error": 5},
    {"incomplete_details": "none"},
    {"output": [{"type": "reasoning", "content": None, "summary": []}, CALL]},
    {"output": [{"type": "mcp_call", "error": "it broke", "content": "words"}, CALL]},
    {"output": ["words", None, {"type": None}, CALL]},
    {"output": [{**CALL, "quality": 5, "size": "auto", "id": "ig_1", "revised_prompt": "a"}]},
    {
        "output": [
            {"type": "message", "content": ["words", None, {"type": "output_text", "text": 5}]},
            CALL,
        ]
    },
]


@pytest.mark.parametrize("more", ODD)
def test_an_image_is_found_whatever_else_is_odd(more: dict[str, Any]) -> None:
    assert read(**more).images == (IMAGE,)


def test_auto_says_nothing_about_what_was_made() -> None:
    answer = read(output=[{**CALL, "size": "auto", "quality": "auto", "background": "auto"}])
    assert (answer.properties.size, answer.properties.quality, answer.properties.background) == (
        None,
        None,
        None,
    )


def test_the_call_that_made_an_image_counts() -> None:
    assert read(output=[failed(), CALL]).images == (IMAGE,)


@pytest.mark.parametrize("output", [[], None, [{"type": "message", "content": []}]])
def test_an_answer_without_a_call_holds_none(output: Any) -> None:
    answer = read(output=output)
    assert (answer.images, answer.was_called, answer.failure, answer.said) == ((), False, None, "")


def test_the_words_of_the_host_are_kept_on_one_line() -> None:
    parts = [{"type": "output_text", "text": "I\n will not"}, {"type": "refusal", "refusal": "do that."}]
    message = {"type": "message", "role": "assistant", "content": parts}
    assert read(output=[message]).said == "I will not do that."
    assert read(output=[message]).outputs == ("message",)


def test_a_failed_call_carries_its_whole_error() -> None:
    details = {"moderation_stage": "output", "categories": ["violence"]}
    error = {
        "message": "refused",
        "code": "moderation_blocked",
        "type": "image_generation_user_error",
        "param": "prompt",
        "moderation_details": details,
    }
    assert read(output=[failed(error=error)]).failure == error


@pytest.mark.parametrize(
    ("body", "message", "code"),
    [
        (
            {"output": [failed(error={})]},
            "The image tool failed without a reason.",
            "image_generation_failed",
        ),
        ({"output": [failed(error="it broke")]}, "it broke", ""),
        (
            {"output": [failed(error={"message": "m", "moderation_details": ["violence"]})]},
            "m",
            "",
        ),
        ({"output": [failed()]}, "The image tool failed without a reason.", "image_generation_failed"),
        (
            {"status": "failed", "output": [], "error": {"code": "server_error", "message": "sorry"}},
            "sorry",
            "server_error",
        ),
        ({"status": "failed", "output": None, "error": "sorry"}, "sorry", ""),
        (
            {"output": [], "incomplete_details": {"reason": "content_filter"}},
            "The content filter stopped the answer.",
            "moderation_blocked",
        ),
        (
            {"output": [], "incomplete_details": {"reason": "max_output_tokens"}},
            "The answer was cut off: max_output_tokens.",
            "max_output_tokens",
        ),
    ],
)
def test_why_there_is_no_image_is_told(body: dict[str, Any], message: str, code: str) -> None:
    answer = read(**body)
    assert answer.images == ()
    failure = read_error_body(answer.failure)
    assert (failure.message, failure.code) == (message, code)


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b'{"output": "words"}', b'{"output": {"type": "x"}}']
)
def test_what_is_no_answer_is_unusable(body: bytes) -> None:
    with pytest.raises(UnusableBody, match=rf"\b{len(body)}\b"):
        read_response_body(body)


def test_damaged_image_data_is_unusable() -> None:
    with pytest.raises(UnusableBody):
        read(output=[{**CALL, "result": "%%%"}])


@pytest.mark.parametrize(
    ("code", "expected", "is_retryable"),
    [
        ("server_error", UpstreamUnavailable, True),
        ("image_generation_failed", UpstreamUnavailable, True),
        ("rate_limit_exceeded", RateLimited, True),
        ("moderation_blocked", ModerationBlocked, False),
        ("max_output_tokens", UpstreamRejected, False),
    ],
)
def test_a_failure_inside_a_good_answer_is_told_by_its_code(
    code: str, expected: type[Exception], *, is_retryable: bool
) -> None:
    error = map_error(ErrorResponse(status=200, message="words", code=code), model="gpt-4.1-mini")
    assert type(error) is expected
    assert error.retryable is is_retryable


def test_a_server_error_in_a_stream_is_still_of_unknown_outcome() -> None:
    error = map_error(ErrorResponse(status=0, message="words", code="server_error"), model="gpt-image-2")
    assert error.code == "outcome_unknown"
