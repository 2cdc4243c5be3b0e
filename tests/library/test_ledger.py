"""The ledger: money is reserved before it is spent, and settled once."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt_image_mcp.errors import BudgetExceeded, ModerationBlocked
from gpt_image_mcp.library.clock import CALL_LEASE_SECONDS
from gpt_image_mcp.library.database import Database
from gpt_image_mcp.library.ledger import Ledger
from gpt_image_mcp.library.schema import dollars, nanodollars
from gpt_image_mcp.money import Quote
from tests.library.conftest import EVERY_DATABASE
from tests.library.leases import let_pass
from tests.library.limits import limits

if TYPE_CHECKING:
    from gpt_image_mcp.values.history import CallStart, CallStatus

PROCESSES = 4
CALLS_EACH = 20
SPENDER = """
import sys
from datetime import datetime, UTC
from decimal import Decimal
from gpt_image_mcp.errors import BudgetExceeded
from gpt_image_mcp.values.history import CallStart
from gpt_image_mcp.library.database import Database
from gpt_image_mcp.library.ledger import Ledger
from gpt_image_mcp.money import Quote
from gpt_image_mcp.values.budgets import Limit

database = Database(sys.argv[1])
ledger = Ledger(database)
started = datetime.fromisoformat(sys.argv[3])
print("ready", flush=True)
sys.stdin.readline()
made = 0
for number in range(int(sys.argv[4])):
    call = CallStart(
        id=f"job-{sys.argv[2]}-{number}", kind="image", model="m", quality="low", size="auto", prompt="",
        started_at=started, quote=Quote(high_usd=Decimal("0.10"), basis=""),
    )
    try:
        ledger.begin_call(call, [Limit(usd=Decimal("3.00"), period="day")])
        made += 1
    except BudgetExceeded:
        pass
database.close()
print(made)
"""


def _day(call: CallStart) -> date:
    return call.started_at.astimezone().date()


def _begin(ledger: Ledger, call: CallStart, daily: str | None = None) -> None:
    ledger.begin_call(call, limits(daily=daily))


def test_a_call_that_never_was_is_not_found(ledger: Ledger) -> None:
    assert ledger.find_call("job-1") is None
    assert ledger.find_call("job-\ud800") is None


def test_a_reservation_grows_within_the_limits(ledger: Ledger, call: CallStart) -> None:
    other = replace(call, id="job-other", idempotency_key="")
    _begin(ledger, call, daily="0.25")
    _begin(ledger, other, daily="0.25")
    dearer = Quote(high_usd=Decimal("0.14"), basis="")
    ledger.raise_reservation(call.id, dearer, limits(per_call="0.14", daily="0.24"))
    assert ledger.spent_usd(_day(call)) == Decimal("0.24")
    ledger.raise_reservation(other.id, Quote(basis="unknown"), ())
    assert ledger.spent_usd(_day(call)) == Decimal("0.24")


@pytest.mark.parametrize(("per_call", "daily"), [("0.13", None), (None, "0.13"), ("0.13", "1")])
def test_a_reservation_does_not_grow_over_a_limit(
    ledger: Ledger, call: CallStart, per_call: str | None, daily: str | None
) -> None:
    within = limits(per_call=per_call, daily=daily)
    dearer = Quote(high_usd=Decimal("0.14"), basis="")
    _begin(ledger, call)
    with pytest.raises(BudgetExceeded, match=r"\$0\.1400"):
        ledger.raise_reservation(call.id, dearer, within)
    assert ledger.spent_usd(_day(call)) == Decimal("0.10")
    played = replace(call, id="job-played", sandbox=True, idempotency_key="")
    _begin(ledger, played)
    ledger.raise_reservation(played.id, dearer, within)


def test_a_call_is_remembered_as_running_with_its_reservation(ledger: Ledger, call: CallStart) -> None:
    _begin(ledger, call)
    record = ledger.find_call(call.id)
    assert record is not None
    assert (record.status, record.reserved_usd, record.cost_usd) == ("running", Decimal("0.10"), None)
    assert record.started_at == call.started_at
    assert ledger.spent_usd(_day(call)) == Decimal("0.10")


def test_the_real_cost_takes_the_place_of_the_reservation(ledger: Ledger, call: CallStart) -> None:
    _begin(ledger, call)
    ledger.finish_call(call.id, status="completed", cost_usd=Decimal("0.012345678"), result_json="{}")
    record = ledger.find_call(call.id)
    assert record is not None
    assert (record.status, record.cost_usd) == ("completed", Decimal("0.012345678"))
    assert record.result_json == "{}"
    assert ledger.spent_usd(_day(call)) == Decimal("0.012345678")


@pytest.mark.parametrize(
    ("status", "left"), [("failed", "0"), ("outcome_unknown", "0.10"), ("completed", "0.10")]
)
def test_without_a_cost_only_a_failed_call_gives_its_reservation_back(
    status: CallStatus, left: str, ledger: Ledger, call: CallStart
) -> None:
    _begin(ledger, call)
    ledger.finish_call(call.id, status=status)
    assert ledger.spent_usd(_day(call)) == Decimal(left)


def test_a_call_is_settled_once(ledger: Ledger, call: CallStart) -> None:
    _begin(ledger, call)
    ledger.finish_call(call.id, status="completed", cost_usd=Decimal("0.05"), result_json="{}")
    ledger.finish_call(call.id, status="failed")
    record = ledger.find_call(call.id)
    assert record is not None
    assert (record.status, record.cost_usd, record.result_json) == ("completed", Decimal("0.05"), "{}")


def test_a_failed_call_that_was_billed_counts(ledger: Ledger, call: CallStart) -> None:
    _begin(ledger, call)
    ledger.finish_call(call.id, status="failed", cost_usd=Decimal("0.05"))
    assert ledger.spent_usd(_day(call)) == Decimal("0.05")


def test_the_error_of_a_call_is_kept(ledger: Ledger, call: CallStart) -> None:
    _begin(ledger, call)
    error = ModerationBlocked("The prompt was refused.", next_step="Change it.", request_id="req_1")
    ledger.finish_call(call.id, status="failed", error=error)
    record = ledger.find_call(call.id)
    assert record is not None
    assert isinstance(record.error, ModerationBlocked)
    assert str(record.error) == str(error)


def test_a_call_over_the_limit_of_one_call_is_refused_and_not_kept(ledger: Ledger, call: CallStart) -> None:
    with pytest.raises(BudgetExceeded, match=r"\$0\.1000.*\$0\.0900"):
        ledger.begin_call(call, limits(per_call="0.09"))
    assert ledger.find_call(call.id) is None


def test_a_call_at_the_limit_of_one_call_is_made(ledger: Ledger, call: CallStart) -> None:
    ledger.begin_call(call, limits(per_call="0.10", daily="0.10"))
    assert ledger.find_call(call.id) is not None


def test_a_call_over_the_rest_of_the_days_budget_is_refused_with_the_numbers(
    ledger: Ledger, call: CallStart
) -> None:
    _begin(ledger, call, daily="0.15")
    with pytest.raises(BudgetExceeded) as caught:
        _begin(ledger, replace(call, id="job-2"), daily="0.15")
    for number in ("$0.1000", "$0.1500", "$0.0500"):
        assert number in caught.value.message
    assert ledger.find_call("job-2") is None


def test_what_a_failed_call_gave_back_can_be_spent(ledger: Ledger, call: CallStart) -> None:
    _begin(ledger, call, daily="0.15")
    ledger.finish_call(call.id, status="failed")
    _begin(ledger, replace(call, id="job-2"), daily="0.15")
    assert ledger.spent_usd(_day(call)) == Decimal("0.10")


def test_yesterdays_spending_leaves_todays_budget_alone(ledger: Ledger, call: CallStart) -> None:
    _begin(ledger, replace(call, id="job-0", started_at=call.started_at - timedelta(days=1)), daily="0.15")
    _begin(ledger, call, daily="0.15")
    assert ledger.spent_usd(_day(call)) == Decimal("0.10")


def test_a_call_of_unknown_price_is_refused_under_any_limit(ledger: Ledger, call: CallStart) -> None:
    unknown = replace(call, quote=Quote(basis="not published"))
    for within in (limits(per_call="1"), limits(daily="1")):
        with pytest.raises(BudgetExceeded, match=unknown.model):
            ledger.begin_call(unknown, within)
    _begin(ledger, unknown)
    assert ledger.spent_usd(_day(call)) == 0


def test_the_sandbox_is_free(ledger: Ledger, call: CallStart) -> None:
    played = replace(call, sandbox=True)
    ledger.begin_call(played, limits(per_call="0", daily="0"))
    ledger.finish_call(played.id, status="completed", cost_usd=Decimal("0.10"))
    assert ledger.spent_usd(_day(call)) == 0


@EVERY_DATABASE
def test_processes_that_share_a_budget_never_overshoot_it(database_url: str) -> None:
    url = database_url.partition("?")[0]
    now = datetime.now(UTC)
    spenders = [
        subprocess.Popen(
            [sys.executable, "-c", SPENDER, url, str(number), now.isoformat(), str(CALLS_EACH)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(PROCESSES)
    ]
    for spender in spenders:
        assert spender.stdout is not None
        assert spender.stdout.readline() == "ready\n"
    for spender in spenders:
        assert spender.stdin is not None
        spender.stdin.write("go\n")
        spender.stdin.flush()
    told = [spender.communicate()[0] for spender in spenders]
    made = [int(number) for number in told]
    database = Database(url)
    assert Ledger(database).spent_usd(now.astimezone().date()) == Decimal("3.00")
    database.close()
    assert sum(made) == 30


def _complete(ledger: Ledger, call: CallStart, *, number: int, ago: timedelta) -> None:
    started = replace(call, id=f"job-{number}", started_at=datetime.now(UTC) - ago)
    _begin(ledger, started)
    ledger.finish_call(started.id, status="completed")


def _typical(
    ledger: Ledger, quality: Literal["high", "low"] = "high", *, sandbox: bool = False
) -> float | None:
    return ledger.typical_seconds(
        kind="image", model="gpt-image-2", quality=quality, size="1024x1024", sandbox=sandbox
    )


def test_the_typical_duration_is_the_median_of_completed_calls_of_the_kind(
    ledger: Ledger, call: CallStart
) -> None:
    for number, seconds in enumerate((1000, 5000, 90000)):
        _complete(ledger, call, number=number, ago=timedelta(seconds=seconds))
    failed = replace(call, id="job-failed", started_at=datetime.now(UTC))
    _begin(ledger, failed)
    ledger.finish_call(failed.id, status="failed")
    assert _typical(ledger) == pytest.approx(5000, abs=100)
    assert _typical(ledger, "low") is None
    assert _typical(ledger, sandbox=True) is None


def test_the_typical_duration_forgets_all_but_the_latest_twenty(ledger: Ledger, call: CallStart) -> None:
    for number in range(21):
        _complete(ledger, call, number=number, ago=timedelta(hours=1))
    for number in range(21, 41):
        _complete(ledger, call, number=number, ago=timedelta(seconds=100))
    assert _typical(ledger) == pytest.approx(100, abs=100)


@given(st.decimals(0, 10_000, places=9))
def test_money_of_nine_places_is_kept_exactly(usd: Decimal) -> None:
    assert dollars(nanodollars(usd)) == usd


def _same(call: CallStart, call_id: str) -> CallStart:
    return replace(call, id=call_id, idempotency_key="same", is_joinable=True, started_at=datetime.now(UTC))


@EVERY_DATABASE
def test_the_same_call_that_comes_second_is_told_of_the_first_and_reserves_nothing(
    ledger: Ledger, call: CallStart
) -> None:
    first, second = _same(call, "job-1"), _same(call, "job-2")
    assert ledger.begin_call(first, ()) is None
    assert ledger.begin_call(second, ()) == "job-1"
    assert ledger.find_call("job-2") is None
    assert ledger.spent_usd(_day(first)) == Decimal("0.10")


def test_the_same_call_is_made_anew_once_the_first_was_delivered(ledger: Ledger, call: CallStart) -> None:
    for number in (1, 2):
        same = _same(call, f"job-{number}")
        assert ledger.begin_call(same, ()) is None
        ledger.finish_call(same.id, status="completed", result_json="{}")
        assert ledger.begin_call(_same(call, "x"), ()) == same.id
        ledger.acknowledge(same.id)


def test_calls_without_a_fingerprint_are_never_the_same(ledger: Ledger, call: CallStart) -> None:
    for number in (1, 2):
        mine = replace(call, id=f"job-{number}", started_at=datetime.now(UTC))
        assert ledger.begin_call(mine, ()) is None
    assert ledger.find_same_call("") is None


def test_what_costs_nothing_is_made_when_the_budget_is_gone(ledger: Ledger, call: CallStart) -> None:
    _begin(ledger, call, daily="0.10")
    ledger.finish_call(call.id, status="completed", cost_usd=Decimal("0.20"))
    _begin(ledger, replace(call, id="job-free", quote=Quote(high_usd=Decimal(0), basis="")), daily="0.10")
    assert ledger.find_call("job-free") is not None


@EVERY_DATABASE
def test_a_call_that_was_given_up_and_still_runs_is_taken_back(ledger: Ledger, call: CallStart) -> None:
    _begin(ledger, replace(call, idempotency_key="same", is_joinable=True))
    let_pass(ledger.database, timedelta(seconds=CALL_LEASE_SECONDS + 1))
    ledger.give_up_lost_calls()
    given_up = ledger.find_call(call.id)
    assert given_up is not None
    assert given_up.status == "outcome_unknown"
    assert ledger.find_same_call("same") is None
    ledger.stay_alive(call.id)
    awake = ledger.find_same_call("same")
    assert awake is not None
    assert (awake.id, awake.status, awake.error) == (call.id, "running", None)


@pytest.mark.parametrize("status", ["completed", "failed", "outcome_unknown"])
def test_a_late_sign_of_life_does_not_open_a_settled_call(
    status: CallStatus, ledger: Ledger, call: CallStart
) -> None:
    _begin(ledger, call)
    ledger.finish_call(call.id, status=status)
    ledger.stay_alive(call.id)
    record = ledger.find_call(call.id)
    assert record is not None
    assert record.status == status


def test_a_call_that_ended_before_it_reserved_anything_is_remembered_and_costs_nothing(
    ledger: Ledger, call: CallStart
) -> None:
    error = ModerationBlocked("no", next_step="rephrase")
    ledger.add_ended_call(call, status="failed", error=error)
    record = ledger.find_call(call.id)
    assert record is not None
    assert (record.status, str(record.error), record.cost_usd) == ("failed", str(error), Decimal(0))
    assert ledger.spent_usd(_day(call)) == 0


def test_open_calls_of_a_model_are_those_of_its_snapshots_too(ledger: Ledger, call: CallStart) -> None:
    names = ["gpt-image-2", "gpt-image-2-2026-04-21", "gpt-image-2.5-flare", "gpt-image-2-mini-2026-04-21"]
    for number, model in enumerate(names):
        started_at = call.started_at + timedelta(minutes=number)
        _begin(ledger, replace(call, id=f"job-{number}", model=model, started_at=started_at))
    found = ledger.open_calls(model="GPT-image-2", limit=2)
    assert [one.id for one in found] == ["job-1", "job-0"]
    assert [one.id for one in ledger.open_calls(limit=3)] == ["job-3", "job-2", "job-1"]
