"""Keys in the words of others."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt_image_mcp.openai_api.redaction import redact, redact_json

KEY = "gateway-key-0123456789"


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("received header Bearer sk-proj-SECRETSECRET.", "received header Bearer ***"),
        ("Incorrect API key provided: sk-proj-abc***xyz", "Incorrect API key provided: ***"),
        ("Authorization: bearer eyJhbGciOiJIUzI1NiJ9.e30.abc=", "Authorization: bearer ***"),
        ("a key SK-PROJ-SECRETSECRET in capitals", "a key *** in capitals"),
        ("the bearer token is missing", "the bearer token is missing"),
        ("a task-force-of-many and a risk-assessment", "a task-force-of-many and a risk-assessment"),
    ],
)
def test_what_looks_like_a_key_is_hidden_and_nothing_else(said: str, shown: str) -> None:
    assert redact(said) == shown


def test_a_key_of_any_form_is_hidden_when_it_is_the_one_that_was_sent() -> None:
    assert redact(f"got {KEY}, twice: {KEY}", KEY) == "got ***, twice: ***"
    assert redact(f"got {KEY}") == f"got {KEY}"


def test_a_placeholder_for_a_key_takes_no_words_away() -> None:
    assert (
        redact("the sandbox has no such failure, none", "sandbox") == "the sandbox has no such failure, none"
    )
    assert redact("none", "") == "none"


@given(before=st.text(), key=st.text(min_size=8), after=st.text())
def test_the_key_that_was_sent_is_in_no_text(before: str, key: str, after: str) -> None:
    shown = redact(before + key + after, key)
    assert key not in shown or key in "***" * 3


def test_every_text_of_an_error_object_is_redacted() -> None:
    body = {"message": KEY, "details": {"categories": [KEY, 3, None]}, "status": 400}
    shown = redact_json(body, KEY)
    assert shown == {"message": "***", "details": {"categories": ["***", 3, None]}, "status": 400}
