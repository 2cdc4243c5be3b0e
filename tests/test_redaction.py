"""Keys in the words of others."""

from __future__ import annotations

import base64
import html
import json
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt_image_mcp.redaction import redact, without_password

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = "gateway-key-0123456789"


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("received header Bearer sk-proj-SECRETSECRET.", "received header Bearer ***"),
        ("Incorrect API key provided: sk-proj-abc***xyz", "Incorrect API key provided: ***"),
        ("Authorization: bearer eyJhbGciOiJIUzI1NiJ9.e30.abc=", "Authorization: bearer ***"),
        ("a token eyJ0eXAiOiJKV1Qi.eyJhdWQiOiJo.sig-1_2, and more", "a token ***, and more"),
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


ODD_KEY = 'gate way-"key"\'01/23+45\\67&<é>'
SPELLINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "repr": repr,
    "repr of bytes": lambda key: repr(key.encode("latin-1")),
    "JSON": json.dumps,
    "JSON of JSON": lambda key: json.dumps(json.dumps(key)),
    "percent": quote,
    "percent without exception": lambda key: quote(key, safe=""),
    "a form": quote_plus,
    "HTML": html.escape,
    "base64": lambda key: base64.b64encode(key.encode()).decode(),
    "base64 after other words": lambda key: base64.b64encode(f"Bearer {key}".encode()).decode()[10:],
    "base64 as a password": lambda key: base64.b64encode(f"u:{key}".encode()).decode(),
    "base64 for addresses": lambda key: base64.urlsafe_b64encode(key.encode()).decode(),
    "hexadecimal": lambda key: key.encode().hex(),
    "the first half": lambda key: key[: len(key) // 2] + "...",
    "the second half": lambda key: "..." + key[len(key) // 2 :],
    "capitals": str.upper,
}


@pytest.mark.parametrize("key", [KEY, ODD_KEY, "sk-proj-0123456789abcdefghij"])
@pytest.mark.parametrize("name", SPELLINGS)
def test_a_key_is_hidden_in_every_spelling(name: str, key: str) -> None:
    spelt = SPELLINGS[name](key)
    shown = redact(f"received <{spelt}>.", key)
    assert shown.startswith("received <")
    assert not [start for start in range(len(spelt) - 7) if spelt[start : start + 8] in shown]


def test_a_placeholder_for_a_key_takes_no_words_away() -> None:
    assert (
        redact("the sandbox has no such failure, none", "sandbox") == "the sandbox has no such failure, none"
    )
    assert redact("none", "") == "none"


@given(before=st.text(), key=st.text(min_size=8), after=st.text())
def test_the_key_that_was_sent_is_in_no_text(before: str, key: str, after: str) -> None:
    shown = redact(before + key + after, key)
    assert key not in shown or key in "***" * 3


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://user:secret@proxy.example:3128", "http://proxy.example:3128"),
        ("https://gateway.example/v1?key=secret#secret", "https://gateway.example/v1"),
        ("http://token@h/v1", "http://h/v1"),
        ("http://127.0.0.1:secret/v1", "http://127.0.0.1:***"),
        ("http://user:secret", "http://user:***"),
        ("https://gateway.example/@scope/v1", "https://gateway.example/@scope/v1"),
        ("https://gateway.example:8080/v1?mail=a@b", "https://gateway.example:8080/v1"),
        ("http://[::1]:80/v1", "http://[::1]:80/v1"),
        ("http://[secret", "(an address that cannot be read)"),
        ("", ""),
    ],
)
def test_addresses_are_shown_without_what_they_hide(url: str, shown: str) -> None:
    assert without_password(url) == shown


@given(
    st.sampled_from(["http://", "socks5h://", "http:/", "//", ""]),
    st.from_regex(r"[a-z][\w/?#:@!%.]{0,20}", fullmatch=True),
)
def test_no_password_is_shown_however_wrongly_an_address_is_written(scheme: str, password: str) -> None:
    assert without_password(f"{scheme}user:{password}@host:3128/v1") == f"{scheme}host:3128/v1"
