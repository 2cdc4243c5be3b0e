"""Days in the local time zone, and the dates and spans that callers and servers write."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from email.utils import parsedate_to_datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from gpt_image_mcp.environment import variables_set
from gpt_image_mcp.errors import InvalidArgument, quoted

_HOURS = re.compile(r"(\d{1,4})\s*h", re.IGNORECASE)
_SPAN = re.compile(r"(\d{1,4})\s*(d|w)", re.IGNORECASE)
_MONTH = re.compile(r"(\d{4})-(\d{2})")
_DAYS_IN = {"d": 1, "w": 7}
_DAYS_AGO = {"today": 0, "yesterday": 1}


def today() -> date:
    """Today in the local time zone. Budgets count by it, and shutdown dates of models are compared to it."""
    return date.today()  # noqa: DTZ011 - the local one is meant


def local_day(moment: datetime) -> date:
    """The day of a moment in the local time zone."""
    return moment.astimezone().date()


def local_zone() -> str:
    """The local time zone by name, such as Europe/Berlin, or by its present offset, where it has no name."""
    now = datetime.now().astimezone()
    named = variables_set(["TZ"]).get("TZ", "") or str(Path("/etc/localtime").resolve())
    name = named.removeprefix(":").rpartition("zoneinfo/")[2]
    zone = zone_named(name)
    is_right = zone is not UTC and now.astimezone(zone).utcoffset() == now.utcoffset()
    return name if is_right else f"{now:%z}"[:5]


def zone_named(name: str) -> tzinfo:
    """The time zone of a name or an offset; UTC for what is neither."""
    try:
        is_offset = name[:1] in {"+", "-"}
        return datetime.strptime(name, "%z").tzinfo or UTC if is_offset else ZoneInfo(name)
    except (LookupError, OSError, ValueError):
        return UTC


def http_date(text: str) -> datetime | None:
    """The moment that a header of HTTP names; None if it names none."""
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def midnight(day: date) -> datetime:
    """The first moment of a day in the local time zone, also on days when the clocks skip midnight."""
    first = datetime.combine(day, time.min).astimezone()
    return first if first.date() == day else datetime.combine(day, time(fold=1)).astimezone()


def parse_since(text: str, now: datetime, *, name: str = "since") -> datetime | None:
    """The beginning of the time that a text means; None for an empty text.

    ``7d`` and ``2w`` begin at midnight, that many days ago; ``24h`` begins exactly 24 hours ago. A time
    without a time zone is local.

    Args:
        text: A date, a month, a time in ISO 8601, today, yesterday, or a number with h, d or w.
        now: The current time with its time zone.
        name: The name of the argument in error messages.

    Raises:
        InvalidArgument: If it is none of these.
    """
    return _parse(name, text, now, is_end=False)


def parse_until(text: str, now: datetime) -> datetime | None:
    """The end of the time that a text means, as for ``parse_since``: a day or a month counts to its end."""
    return _parse("until", text, now, is_end=True)


def _parse(name: str, text: str, now: datetime, *, is_end: bool) -> datetime | None:
    text = text.strip()
    if not text:
        return None
    try:
        if hours := _HOURS.fullmatch(text):
            return now - timedelta(hours=int(hours[1]))
        days = _days(text, now)
        if days is not None:
            return _between_days(midnight(days[1] if is_end else days[0]))
        return _between_days(datetime.fromisoformat(text).astimezone())
    except (ValueError, OverflowError) as error:
        message = f"{name} {quoted(text)} is no date."
        raise InvalidArgument(
            message,
            next_step="Use a date such as 2026-11-21, a month such as 2026-11, a time such as "
            "2026-11-21T15:00, today, yesterday, 24h, 7d or 4w.",
        ) from error


def _between_days(moment: datetime) -> datetime:
    """Returns the moment, if the calendar also has the day before and the day after: searches need both.

    Raises:
        OverflowError: If the calendar ends there.
    """
    for days in (-1, 1):
        midnight(local_day(moment) + timedelta(days=days))
    return moment


def _days(text: str, now: datetime) -> tuple[date, date] | None:
    """The first day that a text means, and the day after its last one; None if it does not name days.

    Raises:
        ValueError: If it names a month that the calendar does not have.
        OverflowError: If they are outside the calendar.
    """
    if month := _MONTH.fullmatch(text):
        first = date(int(month[1]), int(month[2]), 1)
        return first, (first + timedelta(days=31)).replace(day=1)
    day = _day(text, now)
    return None if day is None else (day, day + timedelta(days=1))


def _day(text: str, now: datetime) -> date | None:
    present = local_day(now)
    if span := _SPAN.fullmatch(text):
        return present - timedelta(days=int(span[1]) * _DAYS_IN[span[2].lower()])
    ago = _DAYS_AGO.get(text.lower())
    if ago is not None:
        return present - timedelta(days=ago)
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
