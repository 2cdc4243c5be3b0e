"""Moments as people and models write them: dates, times, today, yesterday, 7d."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta

from gpt_image_mcp.errors import InvalidArgument

_SPAN = re.compile(r"(\d{1,4})\s*(h|d|w)", re.IGNORECASE)
_DAYS_AGO = {"today": 0, "yesterday": 1}


def parse_since(text: str, now: datetime) -> datetime | None:
    """The first moment that a text means; None for an empty one.

    ``7d`` and ``2w`` begin at the midnight so many days ago, ``24h`` so many hours ago. What has no time zone
    is local.

    Args:
        text: A date, a time in ISO 8601, today, yesterday, or a number with h, d or w.
        now: The current time with its time zone.

    Raises:
        InvalidArgument: If it is none of these.
    """
    return _parse("since", text, now, whole_days=0)


def parse_until(text: str, now: datetime) -> datetime | None:
    """The moment after the last that a text means: a date or a day counts to its end. Else as above."""
    return _parse("until", text, now, whole_days=1)


def _parse(name: str, text: str, now: datetime, *, whole_days: int) -> datetime | None:
    text = text.strip()
    if not text:
        return None
    try:
        if span := _SPAN.fullmatch(text):
            return _ago(int(span[1]), span[2].lower(), now, whole_days=whole_days)
        day = _day(text, now)
        if day is not None:
            return _midnight(day + timedelta(days=whole_days))
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError) as error:
        message = f"{name} {text!r} is no date."
        raise InvalidArgument(
            message,
            next_step="Use a date such as 2026-11-21, a time such as 2026-11-21T15:00, today, yesterday, "
            "24h, 7d or 4w.",
        ) from error


def _ago(count: int, unit: str, now: datetime, *, whole_days: int) -> datetime:
    if unit == "h":
        return now - timedelta(hours=count)
    days = count * 7 if unit == "w" else count
    return _midnight(now.astimezone().date() - timedelta(days=days - whole_days))


def _day(text: str, now: datetime) -> date | None:
    ago = _DAYS_AGO.get(text.lower())
    if ago is not None:
        return now.astimezone().date() - timedelta(days=ago)
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _midnight(day: date) -> datetime:
    """Local midnight, with the offset that holds on that day."""
    return datetime.combine(day, time.min).astimezone()
