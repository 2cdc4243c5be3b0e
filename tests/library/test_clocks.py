"""Days that all processes of a library share, and clocks that were set back."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from gpt_image_mcp.calls.stored_results import collect_stored
from gpt_image_mcp.dates import local_zone, zone_named
from gpt_image_mcp.errors import BudgetExceeded
from gpt_image_mcp.library.database import Database
from gpt_image_mcp.library.ledger import Ledger
from gpt_image_mcp.library.migrations import VERSION
from gpt_image_mcp.library.sessions import Sessions, Turn
from gpt_image_mcp.values.options import OutputOptions
from tests.library.conftest import EVERY_DATABASE
from tests.library.leases import let_pass
from tests.library.limits import limits
from tests.library.older import make_older

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gpt_image_mcp.library.store import Library
    from gpt_image_mcp.values.history import CallStart

SOON = timedelta(hours=1)


@pytest.fixture
def move(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Takes this process to another time zone."""

    def to(zone: str) -> None:
        monkeypatch.setenv("TZ", zone)
        time.tzset()

    yield to
    monkeypatch.undo()
    time.tzset()


@EVERY_DATABASE
def test_a_day_of_the_budget_is_the_same_in_every_time_zone(
    database_url: str, call: CallStart, move: Callable[[str], None]
) -> None:
    started = datetime(2026, 11, 21, 15, 30, tzinfo=UTC)
    for number, zone in enumerate(("America/New_York", "Asia/Tokyo", "UTC")):
        move(zone)
        opened = Database(database_url)
        one = replace(call, id=f"job-{number}", started_at=started)
        if number:
            with pytest.raises(BudgetExceeded):
                Ledger(opened).begin_call(one, limits(daily="0.15"))
        else:
            assert Ledger(opened).begin_call(one, limits(daily="0.15")) is None
        assert Ledger(opened).spent_usd(date(2026, 11, 21)) == Decimal("0.10")
        opened.close()


@pytest.mark.parametrize(
    ("zone", "name"),
    [
        ("Europe/Berlin", "Europe/Berlin"),
        (":Asia/Kolkata", "Asia/Kolkata"),
        ("/usr/share/zoneinfo/America/New_York", "America/New_York"),
        ("XYZ-5:45", "+0545"),
        ("XYZ3", "-0300"),
        ("../../etc/passwd", "+0000"),
    ],
)
def test_a_zone_is_kept_by_its_name_or_by_its_offset(
    zone: str, name: str, move: Callable[[str], None]
) -> None:
    move(zone)
    assert local_zone() == name
    now = datetime.now(UTC)
    assert now.astimezone(zone_named(name)).date() == now.astimezone().date()


@pytest.mark.parametrize("name", ["", "nowhere", "../x", "Europe", "+x", "\0"])
def test_what_is_no_zone_counts_as_utc(name: str) -> None:
    assert datetime(2026, 11, 21, tzinfo=zone_named(name)).utcoffset() == timedelta(0)


@EVERY_DATABASE
def test_a_database_of_the_first_version_gets_a_zone(database_url: str, move: Callable[[str], None]) -> None:
    move("Asia/Tokyo")
    made = Database(database_url)
    with made.writing() as connection:
        make_older(connection, 1)
    made.close()
    opened = Database(database_url)
    with opened.reading() as connection:
        assert connection.exec_driver_sql("SELECT name FROM library_zone").scalars().all() == ["Asia/Tokyo"]
        assert connection.exec_driver_sql("SELECT version FROM schema_version").scalar_one() == VERSION
    opened.close()


def _begin(ledger: Ledger, call: CallStart, when: datetime) -> CallStart:
    begun = replace(call, started_at=when, idempotency_key="k", is_joinable=True)
    ledger.begin_call(begun, ())
    return begun


@pytest.mark.parametrize("step", [SOON, -SOON, timedelta(days=400), -timedelta(days=400)])
def test_a_call_that_runs_is_joined_and_not_given_up_whichever_way_the_clock_was_set(
    ledger: Ledger, call: CallStart, step: timedelta
) -> None:
    begun = _begin(ledger, call, datetime.now(UTC) + step)
    ledger.give_up_lost_calls()
    same = ledger.find_same_call("k")
    assert same is not None
    assert (same.id, same.status) == (begun.id, "running")


def test_a_call_that_ended_in_the_future_is_not_joined(ledger: Ledger, call: CallStart) -> None:
    begun = _begin(ledger, call, datetime.now(UTC) + SOON)
    ledger.finish_call(begun.id, status="completed", result_json="{}")
    assert ledger.find_same_call("k") is None


def test_a_call_that_ended_before_it_began_tells_nothing_of_durations(
    ledger: Ledger, call: CallStart
) -> None:
    begun = _begin(ledger, call, datetime.now(UTC) + SOON)
    ledger.finish_call(begun.id, status="completed")
    kind = {"kind": "image", "model": call.model, "quality": call.quality, "size": call.size}
    assert ledger.typical_seconds(**kind, sandbox=False) is None  # type: ignore[arg-type]


async def test_a_running_call_of_the_future_is_no_age_old(library: Library, call: CallStart) -> None:
    now = datetime.now(UTC) + timedelta(seconds=20)
    begun = _begin(library.ledger, call, now)
    library.ledger.stay_alive(begun.id)
    found = await collect_stored(begun.id, library, wait_seconds=0)
    assert found.elapsed_seconds == 0


def test_a_call_whose_sign_of_life_is_of_the_future_is_given_up(ledger: Ledger, call: CallStart) -> None:
    begun = _begin(ledger, call, datetime.now(UTC))
    let_pass(ledger.database, -SOON)
    assert ledger.find_same_call("k") is None
    ledger.give_up_lost_calls()
    found = ledger.find_call(begun.id)
    assert found is not None
    assert found.status == "outcome_unknown"
    ledger.stay_alive(begun.id)
    ledger.give_up_lost_calls()
    again = ledger.find_call(begun.id)
    assert again is not None
    assert again.status == "running"


def test_a_call_of_a_machine_that_is_a_second_ahead_is_not_lost(ledger: Ledger, call: CallStart) -> None:
    begun = _begin(ledger, call, datetime.now(UTC))
    let_pass(ledger.database, -timedelta(seconds=1))
    ledger.give_up_lost_calls()
    found = ledger.find_call(begun.id)
    assert found is not None
    assert found.status == "running"


def test_a_lease_of_the_future_can_be_taken(database: Database) -> None:
    now, sessions = datetime.now(UTC), Sessions(database)
    first = Turn(turn=1, parent_turn=0, prompt="red", image_id="i", call_id="c", created_at=now)
    sessions.begin("s", options=OutputOptions(), sandbox=True, start_images=[], first=first)
    assert sessions.take_lease("s", "gone")
    let_pass(database, -SOON)
    assert sessions.take_lease("s", "mine")
    assert not sessions.take_lease("s", "other")
