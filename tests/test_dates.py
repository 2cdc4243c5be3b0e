"""Local days, also those that begin late or twice."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from gpt_image_mcp.dates import http_date, local_day, midnight, parse_since, parse_until
from gpt_image_mcp.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
def live_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Moves the user to another time zone."""

    def move(zone: str) -> None:
        monkeypatch.setenv("TZ", zone)
        time.tzset()

    yield move
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/Havana", "Africa/Cairo", "Asia/Kolkata"])
def test_each_day_begins_where_the_one_before_ends(live_in: Callable[[str], None], zone: str) -> None:
    live_in(zone)
    for number in range(366):
        day = date(2026, 1, 1) + timedelta(days=number)
        begin = midnight(day)
        assert local_day(begin) == day
        assert local_day(begin - timedelta(microseconds=1)) == day - timedelta(days=1)


def test_a_day_without_midnight_begins_with_its_first_hour(live_in: Callable[[str], None]) -> None:
    live_in("America/Havana")
    since = parse_since("2026-03-08", NOON)
    assert since is not None
    assert since.isoformat() == "2026-03-08T01:00:00-04:00"
    assert parse_until("2026-03-07", NOON) == since


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "Sat, 99 Nov 2026 12:00:00 GMT",
        "Sat, 21 Nov 99999 12:00:00 GMT",
        f"Sat, 21 Nov 2026 12:00:00 +{10**20}",
        f"Sat, {10**20} Nov 2026 12:00:00 GMT",
    ],
)
def test_a_header_without_a_date_names_no_moment(text: str) -> None:
    assert http_date(text) is None


@pytest.mark.parametrize("text", ["9999-12-31T10:00", "0001-01-01T00:00:00+00:00", "9999-12-31"])
def test_the_ends_of_the_calendar_are_no_dates(text: str) -> None:
    with pytest.raises(InvalidArgument):
        parse_since(text, NOON)
