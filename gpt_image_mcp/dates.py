"""Days as the user lives them: from one local midnight to the next."""

from __future__ import annotations

from datetime import date, datetime, time


def today() -> date:
    """The day that it is where the user is: the one of budgets, and of what OpenAI dates by days."""
    return date.today()  # noqa: DTZ011 - the local one is meant


def local_day(moment: datetime) -> date:
    """The day of a moment where the user is."""
    return moment.astimezone().date()


def midnight(day: date) -> datetime:
    """The first moment of a day where the user is; where clocks skip midnight, the one they go on with."""
    first = datetime.combine(day, time.min).astimezone()
    return first if first.date() == day else datetime.combine(day, time(fold=1)).astimezone()
