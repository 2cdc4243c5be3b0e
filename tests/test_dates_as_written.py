"""Moments in the words of people and models."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt_image_mcp.dates import parse_since, parse_until
from gpt_image_mcp.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = datetime(2026, 11, 21, 14, 30, tzinfo=UTC)


@pytest.fixture(autouse=True, params=["UTC", "Asia/Tokyo", "America/New_York"])
def _zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The local time zone."""
    monkeypatch.setitem(os.environ, "TZ", request.param)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def _local(*parts: int) -> datetime:
    return datetime(*parts).astimezone()  # type: ignore[arg-type]


def _today() -> datetime:
    return NOW.astimezone().replace(hour=0, minute=0, second=0, microsecond=0)


def test_an_empty_text_bounds_nothing() -> None:
    assert parse_since("", NOW) is None
    assert parse_until("  ", NOW) is None


def test_a_day_goes_from_its_midnight_to_the_next() -> None:
    assert parse_since("2026-11-20", NOW) == _local(2026, 11, 20)
    assert parse_until("2026-11-20", NOW) == _local(2026, 11, 21)
    assert parse_since("Today", NOW) == _today()
    assert parse_until(" yesterday ", NOW) == _today()


def test_a_month_goes_from_its_first_day_to_the_next_months() -> None:
    assert parse_since("2026-11", NOW) == _local(2026, 11, 1)
    assert parse_until("2026-12", NOW) == _local(2027, 1, 1)
    assert parse_until("2028-02", NOW) == _local(2028, 3, 1)


def test_a_text_is_called_what_its_caller_calls_it() -> None:
    with pytest.raises(InvalidArgument, match="older_than"):
        parse_since("soon", NOW, name="older_than")


def test_a_span_of_days_begins_at_midnight_and_one_of_hours_does_not() -> None:
    assert parse_since("7d", NOW) == _today() - timedelta(days=7)
    assert parse_since("2W", NOW) == _today() - timedelta(days=14) - _dst_shift(14)
    assert parse_since("24h", NOW) == NOW - timedelta(hours=24)


def _dst_shift(days: int) -> timedelta:
    """How much local midnight so many days ago differs from midnight in the offset of today."""
    offset = (_today() - timedelta(days=days)).replace(tzinfo=None).astimezone().utcoffset()
    assert offset is not None
    return offset - (_today().utcoffset() or timedelta())


def test_a_time_of_its_own_zone_is_that_moment() -> None:
    moment = datetime(2026, 11, 20, 15, tzinfo=UTC)
    assert parse_since("2026-11-20T15:00:00Z", NOW) == moment
    assert parse_until("2026-11-20T15:00:00Z", NOW) == moment


def test_a_time_without_a_zone_is_local() -> None:
    assert parse_since("2026-11-20T15:00", NOW) == _local(2026, 11, 20, 15)


@pytest.mark.parametrize(
    "text",
    ["last week", "2026-13-01", "2026-13", "0000-01", "2026-1", "7", "-3d", "99999w", "20261120T", "7d ago"],
)
def test_what_is_no_date_is_refused_with_examples(text: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        parse_since(text, NOW)
    assert "7d" in caught.value.next_step


@given(st.text(max_size=20))
def test_any_text_is_a_moment_or_refused(text: str) -> None:
    try:
        moment = parse_since(text, NOW)
    except InvalidArgument:
        return
    assert moment is None or moment.tzinfo is not None
