"""How long an answer asks to wait, in all the ways in which answers say so."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt_image_mcp.openai_api.retry_after import pause_seconds, retry_after_seconds, seconds_in_words

MONTH = 31 * 24 * 3600


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        ("Rate limit reached. Please try again in 12 s.", 12),
        ("Please try again in 12s. Visit https://example.com to learn more.", 12),
        ("Please try again in 1m30s.", 90),
        ("please try again in 350ms", 0.35),
        ("Try again in 6m0s.", 360),
        ("try again in 1h2m3.5s", 3723.5),
        ("Try again in 2 minutes.", 120),
        ("Please try again in 1 minute and 5 seconds", 65),
        ("Please retry after 20 seconds.", 20),
        ("Please retry your request after 20 seconds.", 20),
        ("Too many requests, wait 30 sec before the next one", 30),
        ("You must wait another 5.5 seconds", 5.5),
        ("The limit resets in 45 seconds", 45),
        ("available again in about 3 min", 180),
        ("Retry in 250 milliseconds", 0.25),
        ("RETRY AFTER 2 HOURS", 7200),
        ('{"retry_after": 12.5}', 12.5),
        (r"{\"retry-after\": \"7\"}", 7),
        ('"retryDelay": "34s"', 34),
        ("Try again in 400 days", MONTH),
    ],
)
def test_a_pause_is_understood_from_the_words(words: str, seconds: float) -> None:
    assert seconds_in_words(words) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "words",
    [
        "",
        "Rate limit reached: Limit 5, Used 5, Requested 1.",
        "You made 10 requests in 1 minute.",
        "Limit: 250 images per 1 min. Please try again later.",
        "Please try again later. The limit is 5 per 60 s.",
        "try again in 5 steps",
        "try again with 2 images",
        "try again in 3 more attempts",
    ],
)
def test_other_numbers_are_no_pause(words: str) -> None:
    assert seconds_in_words(words) is None


def test_the_headers_count_before_the_words_and_the_exact_one_first() -> None:
    words = "try again in 9 s"
    assert pause_seconds(milliseconds="350", header="2", words=words) == 0.35
    assert pause_seconds(milliseconds="", header="2", words=words) == 2
    assert pause_seconds(milliseconds="soon", header="later", words=words) == 9
    assert pause_seconds(milliseconds="", header="", words="Slow down.") is None
    assert pause_seconds(milliseconds="9" * 400, header="", words="") == MONTH


def test_an_absurd_pause_is_cut_to_a_month() -> None:
    assert retry_after_seconds("100000000000000000000") == MONTH
    assert retry_after_seconds("9" * 400) == MONTH
    assert retry_after_seconds("Fri, 31 Dec 9999 23:59:59 GMT") == MONTH


@pytest.mark.parametrize("between", ["", "s"])
def test_a_header_of_blanks_is_read_once(between: str) -> None:
    assert retry_after_seconds(f"7{between}{' ' * 1_000_000}x") is None
    assert retry_after_seconds(f"7 {between}{' ' * 1_000_000}, 8") == 7


@given(st.text() | st.from_regex(r"[0-9]+(\.[0-9]+)?", fullmatch=True))
def test_no_header_and_no_words_break_the_reading_of_a_pause(text: str) -> None:
    for seconds in (
        retry_after_seconds(text),
        pause_seconds(milliseconds=text, header="", words=f"try again in {text} s"),
    ):
        assert seconds is None or 0 <= seconds <= MONTH


def test_retry_after_is_read_in_both_forms() -> None:
    now = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
    assert retry_after_seconds("1.5") == 1.5
    assert retry_after_seconds("Sat, 21 Nov 2026 12:00:30 GMT", now=now) == 30
    assert retry_after_seconds("Sat, 21 Nov 2026 12:00:30 -0000", now=now) == 30
    assert retry_after_seconds("Sat, 21 Nov 2026 11:00:00 GMT", now=now) == 0
    assert retry_after_seconds("soon") is None
    assert retry_after_seconds("") is None
