"""Days as the user lives them: from one local midnight to the next."""

from __future__ import annotations

from datetime import date, datetime, time


def local_day(moment: datetime) -> date:
    """The day of a moment where the user is."""
    return moment.astimezone().date()


def midnight(day: date) -> datetime:
    """The first moment of a day where the user is; where clocks skip midnight, the one they go on with."""
    first = datetime.combine(day, time.min).astimezone()
    return first if first.date() == day else datetime.combine(day, time(fold=1)).astimezone()
