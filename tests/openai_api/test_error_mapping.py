"""The API's error answers and what they mean."""

from __future__ import annotations

from typing import Any

import pytest

from gpt_image_mcp.errors import (
    AuthenticationFailed,
    ImageError,
    ModerationBlocked,
    OrganizationNotVerified,
    OutcomeUnknown,
    QuotaExhausted,
    RateLimited,
    UpstreamRejected,
    UpstreamUnavailable,
)
from gpt_image_mcp.openai_api.error_mapping import map_error
from gpt_image_mcp.openai_api.error_response import ErrorResponse


def _mapped(status: int, message: str = "words", **fields: Any) -> ImageError:
    return map_error(
        ErrorResponse(status=status, message=message, request_id="req_1", **fields), model="gpt-image-2"
    )


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (
            {"status": 400, "code": "moderation_blocked", "message": "rejected by the safety system."},
            ModerationBlocked,
        ),
        ({"status": 429, "code": "insufficient_quota", "message": "quota"}, QuotaExhausted),
        ({"status": 400, "code": "billing_hard_limit_reached", "message": "x"}, QuotaExhausted),
        (
            {"status": 403, "message": "Your organization must be verified to use the model."},
            OrganizationNotVerified,
        ),
        ({"status": 400, "message": "organization must be verified"}, OrganizationNotVerified),
        ({"status": 403, "message": "no permission"}, AuthenticationFailed),
        ({"status": 401, "code": "invalid_api_key", "message": "x"}, AuthenticationFailed),
        ({"status": 404, "code": "model_not_found", "message": "no"}, UpstreamRejected),
        ({"status": 400, "code": "model_not_found", "message": "no"}, UpstreamRejected),
        ({"status": 404, "code": "404", "message": "no"}, UpstreamRejected),
        ({"status": 500, "message": ""}, UpstreamUnavailable),
        ({"status": 501, "message": "no"}, UpstreamRejected),
        ({"status": 501, "message": "no", "seconds_to_answer": 2.5}, OutcomeUnknown),
        ({"status": 408, "message": "slow"}, OutcomeUnknown),
        ({"status": 529, "message": "overloaded"}, UpstreamUnavailable),
        ({"status": 504, "message": "gateway"}, OutcomeUnknown),
        ({"status": 524, "message": "cloud"}, OutcomeUnknown),
        ({"status": 0, "code": "server_error", "message": "in the stream"}, OutcomeUnknown),
        (
            {"status": 400, "message": "Invalid size '872x2048'. Must both be divisible by 16."},
            UpstreamRejected,
        ),
        (
            {"status": 400, "message": "Transparent background is not supported for this model."},
            UpstreamRejected,
        ),
        (
            {"status": 400, "message": "Invalid value: 'gpt-image-2'. Value must be 'dall-e-2'."},
            UpstreamRejected,
        ),
        ({"status": 400, "message": "Unknown parameter: 'quality'."}, UpstreamRejected),
        ({"status": 422, "message": "odd"}, UpstreamRejected),
        ({"status": 429, "message": "Rate limit reached"}, RateLimited),
        (
            {"status": 429, "code": "429", "message": '{"error": {"code": "insufficient_quota"}}'},
            QuotaExhausted,
        ),
        (
            {"status": 429, "code": "429", "type": "insufficient_quota", "message": "x"},
            QuotaExhausted,
        ),
        (
            {"status": 429, "code": "429", "message": "OpenAIException - {'type': 'billing_not_active'}"},
            QuotaExhausted,
        ),
        (
            {"status": 500, "code": "500", "message": r"{\"code\": \"insufficient_quota\"}"},
            QuotaExhausted,
        ),
        ({"status": 429, "message": "You exceeded your current quota, please …"}, QuotaExhausted),
        (
            {
                "status": 400,
                "message": "There is no failure 'x'; there are insufficient_quota, rate_limited.",
            },
            UpstreamRejected,
        ),
    ],
)
def test_each_error_response_has_its_error(response: dict[str, Any], expected: type[ImageError]) -> None:
    error = map_error(ErrorResponse(request_id="req_1", **response), model="gpt-image-2")
    assert type(error) is expected
    assert error.request_id == "req_1"


def test_a_refused_key_is_never_repeated() -> None:
    error = _mapped(401, "Incorrect API key provided: sk-proj-abc***xyz.", code="invalid_api_key")
    assert "sk-" not in str(error)


def test_moderation_names_stage_and_categories() -> None:
    error = _mapped(
        400,
        "rejected by the safety system",
        code="moderation_blocked",
        stage="output",
        categories=("violence", "self-harm"),
    )
    assert type(error) is ModerationBlocked
    assert "violence, self-harm" in error.message
    assert "output" in error.message


def test_moderation_categories_are_found_in_the_words_too() -> None:
    error = _mapped(400, "rejected by the safety system. safety_violations=[sexual].")
    assert type(error) is ModerationBlocked
    assert error.message.count("sexual") == 2


@pytest.mark.parametrize("message", ["", " \n", "."])
def test_an_error_without_words_says_that_there_are_none(message: str) -> None:
    assert _mapped(422, message).message == _mapped(422, "").message


def test_the_words_and_the_parameter_of_a_rejection_are_repeated_on_one_line() -> None:
    error = _mapped(400, "Invalid\n  value.", param="size")
    assert all(part in error.message for part in ("HTTP 400", "size", "Invalid value."))
    assert "\n" not in error.message
    assert "HTTP" not in _mapped(0, "boom").message


def test_a_key_without_permission_is_not_called_a_wrong_one() -> None:
    lacking, wrong = _mapped(403, "no permission"), _mapped(401)
    assert lacking.code == wrong.code == "authentication_failed"
    assert "no permission" in lacking.message
    assert "OPENAI_API_KEY" in wrong.message


def test_a_rate_limit_says_when_to_come_back() -> None:
    error = _mapped(429, "Rate limit", retry_after="12")
    assert isinstance(error, RateLimited)
    assert error.retry_after_seconds == 12
    assert "12 s" in error.next_step


@pytest.mark.parametrize("status", [429, 500, 502, 503, 529])
def test_a_pause_too_long_to_wait_for_is_a_rate_limit_that_says_when(status: int) -> None:
    error = _mapped(status, "overloaded", retry_after="3600")
    assert isinstance(error, RateLimited)
    assert error.retry_after_seconds == 3600
    assert f"HTTP {status}" in error.message
    assert "3600 s" in error.next_step


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (200, "server_error", UpstreamUnavailable),
        (200, "image_generation_failed", UpstreamUnavailable),
        (200, "other", UpstreamRejected),
        (400, "server_error", UpstreamRejected),
        (400, "rate_limit_exceeded", RateLimited),
    ],
)
def test_a_code_counts_where_the_status_does_not_tell(
    status: int, code: str, expected: type[ImageError]
) -> None:
    assert type(_mapped(status, code=code)) is expected


def test_a_failing_server_that_asks_for_a_short_pause_says_how_long() -> None:
    error = _mapped(503, "overloaded", retry_after="60")
    assert isinstance(error, UpstreamUnavailable)
    assert error.retry_after_seconds == 60
    assert "60 s" in error.next_step


def test_long_words_are_cut() -> None:
    assert _mapped(400, "x" * 5000).message.count("x") == 600


def test_every_message_says_whether_to_repeat_and_what_to_do() -> None:
    for status in (400, 401, 403, 404, 429, 500, 502, 504):
        text = str(_mapped(status))
        assert "The same call" in text
        assert "Next: " in text


@pytest.mark.parametrize("status", [500, 502, 503, 529])
def test_a_server_that_fails_at_once_made_nothing_and_one_that_fails_late_may_have(status: int) -> None:
    assert type(_mapped(status, seconds_to_answer=2.0)) is UpstreamUnavailable
    assert type(_mapped(status, seconds_to_answer=2.1)) is OutcomeUnknown
    assert type(_mapped(status, seconds_to_answer=2.1, type="server_error")) is OutcomeUnknown


@pytest.mark.parametrize(
    ("status", "kind", "expected"),
    [
        (500, "server_error", UpstreamUnavailable),
        (503, "server_error", UpstreamUnavailable),
        (500, "", OutcomeUnknown),
        (502, "server_error", OutcomeUnknown),
        (529, "server_error", OutcomeUnknown),
        (504, "server_error", OutcomeUnknown),
    ],
)
def test_openai_is_believed_that_it_failed_however_late(
    status: int, kind: str, expected: type[ImageError]
) -> None:
    assert type(_mapped(status, type=kind, seconds_to_answer=90.0, is_openai=True)) is expected


@pytest.mark.parametrize("status", [504, 520, 522, 524])
def test_a_gateway_that_gave_up_waiting_tells_nothing_however_soon(status: int) -> None:
    assert type(_mapped(status, seconds_to_answer=0.1)) is OutcomeUnknown


@pytest.mark.parametrize("word", ["x" * 1_000_000, "." * 1_000_000, "x.*" * 300_000])
def test_a_refused_key_is_hidden_in_words_of_megabytes(word: str) -> None:
    assert "sk-a" not in str(_mapped(401, f"Incorrect key: sk-a***b. {word}"))
