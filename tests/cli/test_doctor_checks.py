"""The checks of ``doctor`` one by one, with what they are given; all of them are in ``test_doctor.py``."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from gpt_image_mcp import Settings
from gpt_image_mcp.cli.doctor.configuration import check_key
from gpt_image_mcp.cli.doctor.machine import judge_space
from gpt_image_mcp.cli.doctor.models import check_models
from gpt_image_mcp.cli.doctor.network import check_clock, check_network
from gpt_image_mcp.openai_api.sandbox.transport import SandboxTransport
from tests.standin import serve_standin
from tests.web import serve

if TYPE_CHECKING:
    import httpx2

KEY = "sk-proj-0123456789-abcdefgh"
NOW = dt.datetime(2026, 11, 21, 11, tzinfo=dt.UTC)


async def test_a_server_that_says_nothing_is_not_waited_for() -> None:
    async def silent(_writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with serve({"/v1/models": silent}) as web:
        settings = Settings(base_url=web.url("/v1"))
        found = [finding async for finding in check_network(settings, seconds=0.05)]
    assert "0.05 s" in found[0].said


async def test_a_server_that_says_too_much_is_not_listened_to() -> None:
    sent = 0

    async def endless(writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            while sent < 500_000_000:
                writer.write(bytes(1_000_000))
                await writer.drain()
                sent += 1_000_000

    async with serve({"/v1/models": endless}) as web:
        found = [finding async for finding in check_network(Settings(base_url=web.url("/v1")))]
    assert found[0].state == "ok"
    assert sent < 50_000_000


async def test_an_account_that_says_nothing_is_not_waited_for() -> None:
    class Slow(SandboxTransport):
        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            if "authorization" in request.headers:
                await asyncio.Event().wait()
            return await super().handle_async_request(request)

    async with serve_standin(Slow()) as standin:
        settings = Settings(base_url=standin.base_url, api_key=SecretStr(KEY))
        found = {finding.name: finding async for finding in check_network(settings, seconds=1)}
    assert found["connection"].state == "ok"
    assert "no usable answer" in found["key accepted"].said
    assert "no usable answer" in found["model"].said


@pytest.mark.parametrize(
    ("date", "state", "words"),
    [
        (format_datetime(NOW), "ok", "agrees"),
        (format_datetime(NOW - dt.timedelta(minutes=12)), "warning", "12 minutes ahead of"),
        (format_datetime(NOW + dt.timedelta(minutes=7)), "warning", "7 minutes behind"),
        ("Sat, 21 Nov 2026 10:00:00 -0000", "warning", "minutes"),
        ("soon", "skipped", "did not tell"),
        ("", "skipped", "did not tell"),
    ],
)
def test_a_wrong_clock_is_noticed(date: str, state: str, words: str) -> None:
    finding = check_clock(date, NOW)
    assert finding.state == state
    assert words in finding.said


@pytest.mark.parametrize(
    ("key", "state"),
    [
        (KEY, "ok"),
        ("sk-short", "warning"),
        ("AIza-0123456789-0123456789", "warning"),
        ('"sk-proj-0123456789-abcdefgh"', "failed"),
        ("sk-proj 0123456789-abcdefgh", "failed"),
        ("sk-proj-0123456789-abcdefg\u200b", "failed"),
        ("${OPENAI_API_KEY}", "failed"),
        ("sk-your-key-here-0123456789", "failed"),
        ("sk-example_key_of_the_page_0123", "failed"),
        ("your_openai_api_key", "failed"),
        ("sk-" + 48 * "x", "failed"),
        ("sk-...", "failed"),
        # Letters that come together by chance, as in one key of three thousand.
        ("sk-proj-0123456789xxxx9yourB_aexampleQ7", "ok"),
    ],
)
def test_the_looks_of_a_key_are_judged(key: str, state: str) -> None:
    finding = check_key(Settings(api_key=SecretStr(key)))
    assert finding.state == state
    assert (finding.state == "ok") != bool(finding.next_step)


@pytest.mark.parametrize("key", ["sk-...", "${OPENAI_API_KEY}"])
def test_a_placeholder_is_answered_with_one_sentence(key: str) -> None:
    step = check_key(Settings(api_key=SecretStr(key))).next_step
    assert step == "Copy the key itself from https://platform.openai.com/api-keys."


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1))
def test_no_more_than_the_end_of_a_key_is_shown(text: str) -> None:
    for key in (text, f"sk-{text}"):
        shown = check_key(Settings(api_key=SecretStr(key), base_url="http://gateway.example/v1")).said
        hidden = key.removeprefix("sk-")[:-4]
        assert len(hidden) < 5 or hidden not in shown


def test_little_space_is_a_warning() -> None:
    assert judge_space(100_000_000).state == "warning"
    assert judge_space(600_000_000).state == "ok"


@pytest.mark.parametrize(
    ("settings", "day", "name", "state"),
    [
        ({}, dt.date(2026, 12, 1), "list of models", "ok"),
        ({}, dt.date(2027, 3, 1), "list of models", "warning"),
        ({"model": "gpt-image-1.5"}, dt.date(2026, 11, 29), "GPT_IMAGE_MODEL", "warning"),
        ({}, dt.date(2026, 12, 1), "host model", "ok"),
        (
            {"responses_edit_model": "gpt-4.1-mini"},
            dt.date(2026, 12, 1),
            "OPENAI_RESPONSES_EDIT_MODEL",
            "warning",
        ),
    ],
)
def test_how_long_models_live_is_said_from_now_on(
    settings: dict[str, Any], day: dt.date, name: str, state: str
) -> None:
    found = {finding.name: finding for finding in check_models(Settings(**settings), day)}
    assert found[name].state == state
    assert ("host model" in found) is ("responses_edit_model" not in settings and day < dt.date(2027, 1, 14))


def test_an_alias_that_stands_for_nothing_is_a_failure_and_a_good_one_is_followed() -> None:
    aliases = {"pictures": "gpt-image-1.5", "other": "gpt-image-9"}
    settings = Settings(model="pictures", model_aliases=aliases)
    found = {finding.name: finding for finding in check_models(settings, dt.date(2026, 11, 29))}
    assert found["GPT_IMAGE_MODEL_ALIASES"].state == "failed"
    assert "gpt-image-9" in found["GPT_IMAGE_MODEL_ALIASES"].said
    assert "gpt-image-1.5" in found["GPT_IMAGE_MODEL"].said
