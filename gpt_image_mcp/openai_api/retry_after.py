"""How long an API asks to wait: in a header of one form or another, or in the words of its message."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from gpt_image_mcp.dates import http_date

# A longer pause is not waited for.
LONGEST_RETRY_AFTER_SECONDS = 60.0
# No limit of OpenAI's lasts longer; a header that says more would be a date beyond the calendar.
_LONGEST_PAUSE_SECONDS = 31 * 24 * 3600.0
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
# Some write a sign, a unit or several values around it.
_SECONDS = re.compile(r"\+?(\d+(?:\.\d+)?)\s*(?:(?:s|secs?|seconds?)\s*)?(?:,.*)?", re.IGNORECASE)
# The first unit with which a word begins is meant: "ms" before "m", "min" like "m".
_UNITS = {"ms": 0.001, "mil": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_UNIT = (
    r"(?:milliseconds?|msecs?|ms|seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d)(?![a-z])"
    # In "1m30s" a digit follows at once.
    r"|(?:ms|s|m|h|d)(?=\d)"
)
_PART = rf"\d+(?:\.\d+)?\s*(?:{_UNIT})"
# A number alone may be a limit ("5 images in 1 minute"), so a word for waiting has to stand before it.
_IN_WORDS = re.compile(
    r"\b(?:try|retry\w*|again|wait|resets?|available|back[ -]?off)\b[^.;\d]{0,40}?"
    rf"(?P<pause>{_PART}(?:(?:\s|,|and)*{_PART})*)",
    re.IGNORECASE,
)
# As a field of JSON that a gateway put into its message; without a unit it counts seconds.
_AS_FIELD = re.compile(
    r"\bretry[-_ ]?after[\\\"']*\s*[:=]\s*[\\\"']*(?P<seconds>\d+(?:\.\d+)?)\b(?!\s*[a-z])", re.IGNORECASE
)


def pause_seconds(*, milliseconds: str, header: str, words: str, now: datetime | None = None) -> float | None:
    """Seconds that an answer asks to wait, a month at most; None if it does not say.

    Args:
        milliseconds: Its ``retry-after-ms`` header, the most exact of all.
        header: Its ``Retry-After`` header.
        words: Its message, which counts where no header tells.
        now: The time from which a date in the header counts.
    """
    if _NUMBER.fullmatch(milliseconds.strip()):
        return min(float(milliseconds) / 1000, _LONGEST_PAUSE_SECONDS)
    seconds = retry_after_seconds(header, now=now)
    return seconds_in_words(words) if seconds is None else seconds


def retry_after_seconds(header: str, *, now: datetime | None = None) -> float | None:
    """Seconds from a ``Retry-After`` header in either form, a month at most; None if there are none."""
    text = header.strip()
    if found := _SECONDS.fullmatch(text):
        return min(float(found[1]), _LONGEST_PAUSE_SECONDS)
    when = http_date(text)
    if when is None:
        return None
    seconds = (when - (now or datetime.now(UTC))).total_seconds()
    return min(max(0.0, seconds), _LONGEST_PAUSE_SECONDS)


def seconds_in_words(words: str) -> float | None:
    """Seconds from a message such as "try again in 1m30s", a month at most; None if there are none."""
    field = _AS_FIELD.search(words)
    if field:
        return min(float(field["seconds"]), _LONGEST_PAUSE_SECONDS)
    found = _IN_WORDS.search(words)
    if found is None:
        return None
    parts = re.findall(rf"(\d+(?:\.\d+)?)\s*({_UNIT})", found["pause"], re.IGNORECASE)
    return min(sum(float(number) * _unit_seconds(unit) for number, unit in parts), _LONGEST_PAUSE_SECONDS)


def _unit_seconds(unit: str) -> float:
    return next(seconds for start, seconds in _UNITS.items() if unit.lower().startswith(start))
