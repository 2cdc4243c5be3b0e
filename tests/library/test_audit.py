"""The audit log: one row for each ending, with all that was spent, and none that is ever changed."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from gpt_image_mcp.cli.app import run
from gpt_image_mcp.errors import BudgetExceeded, Cancelled, InputRejected, ModerationBlocked, StorageFailed
from gpt_image_mcp.library.audit import AuditLog
from gpt_image_mcp.library.clock import CALL_LEASE_SECONDS
from gpt_image_mcp.library.database import Database
from gpt_image_mcp.library.deletions import Deletions
from gpt_image_mcp.library.images import Images
from gpt_image_mcp.library.ledger import Ledger
from gpt_image_mcp.values.budgets import Limit
from gpt_image_mcp.values.owners import Owner
from tests.library.conftest import EVERY_DATABASE
from tests.library.leases import let_pass
from tests.library.older import make_older

if TYPE_CHECKING:
    from gpt_image_mcp.values.audit import AuditEntry
    from gpt_image_mcp.values.history import CallStart
    from gpt_image_mcp.values.images import StoredImage

ANN, BOB = Owner(name="ann", group="design"), Owner(name="bob", group="sales")
RIGHT_TO_LEFT = "\u202e"


def _rows(database: Database, **wanted: Any) -> list[AuditEntry]:
    return list(AuditLog(database).entries(**wanted))


def _job(call: CallStart, number: int, **fields: Any) -> CallStart:
    return replace(call, id=f"job-{number}", **fields)


def _month(database: Database, owner: Owner) -> Decimal:
    """What the ledger says of this month."""
    limit = Limit(usd=Decimal(1), period="month", payer="person", name=owner.name)
    standing = Ledger(database, owner).standings([limit], "gpt-image-2")[0]
    return standing.spent_usd + standing.reserved_usd


@EVERY_DATABASE
def test_each_ending_of_a_persons_call_leaves_a_row(database: Database, call: CallStart) -> None:
    ledger = Ledger(database, ANN)
    for number in range(1, 6):
        ledger.begin_call(_job(call, number), ())
    ledger.finish_call("job-1", status="completed", cost_usd=Decimal("0.012345678"), request_id="req_1")
    blocked = ModerationBlocked("The prompt was refused.", next_step="Change it.", request_id="req_2")
    ledger.finish_call("job-2", status="failed", error=blocked)
    ledger.finish_call("job-3", status="failed", error=Cancelled("Cancelled.", next_step="Call again."))
    ledger.finish_call("job-4", status="outcome_unknown")
    ledger.finish_call("job-1", status="failed")  # a call is settled once
    with pytest.raises(BudgetExceeded):
        ledger.begin_call(_job(call, 6), [Limit(usd=Decimal("0.01"), period="day")])
    assert [(row.call_id, row.outcome, row.cost_usd, row.request_id) for row in _rows(database)] == [
        ("job-1", "completed", Decimal("0.012345678"), "req_1"),
        ("job-2", "moderation_blocked", 0, "req_2"),
        ("job-3", "cancelled", 0, ""),
        ("job-4", "outcome_unknown", Decimal("0.10"), ""),
        ("job-6", "budget_exceeded", 0, ""),
    ]
    (first, *_) = _rows(database)
    assert (first.person, first.group, first.kind, first.model) == ("ann", "design", "image", "gpt-image-2")
    assert (first.day, first.sandbox, first.prompt) == ("2026-11-21", False, None)


@EVERY_DATABASE
def test_whoever_uses_this_machine_alone_leaves_no_rows(database: Database, call: CallStart) -> None:
    ledger = Ledger(database, keeps_prompts=True)
    ledger.begin_call(call, ())
    ledger.finish_call(call.id, status="completed", cost_usd=Decimal("0.05"))
    with pytest.raises(BudgetExceeded):
        ledger.begin_call(_job(call, 2), [Limit(usd=Decimal("0.01"), period="call")])
    assert _rows(database) == []


@EVERY_DATABASE
def test_a_call_given_up_for_lost_counts_as_reserved_and_is_put_right_when_it_comes_back(
    database: Database, call: CallStart
) -> None:
    """By another process than that of the call, which belongs to somebody else."""
    call = replace(call, started_at=datetime.now(UTC))
    ledger = Ledger(database, ANN, keeps_prompts=True)
    ledger.begin_call(call, ())
    let_pass(database, timedelta(seconds=2 * CALL_LEASE_SECONDS))
    Ledger(database, BOB).give_up_lost_calls()
    Ledger(database, BOB).give_up_lost_calls()
    (lost,) = _rows(database)
    assert (lost.person, lost.outcome, lost.cost_usd) == ("ann", "outcome_unknown", Decimal("0.10"))
    assert lost.cost_usd == _month(database, ANN)
    ledger.finish_call(call.id, status="completed", cost_usd=Decimal("0.03"))
    lost, settled = _rows(database)
    assert (settled.outcome, settled.cost_usd) == ("completed", Decimal("-0.07"))
    assert lost.cost_usd + settled.cost_usd == _month(database, ANN) == Decimal("0.03")


@EVERY_DATABASE
def test_the_sum_of_a_month_is_that_of_the_ledger(database: Database, call: CallStart) -> None:
    now = datetime.now(UTC)
    for owner in (ANN, BOB):
        ledger = Ledger(database, owner)
        for number in range(12):
            one = _job(call, f"{owner.name}-{number}", started_at=now, sandbox=number % 4 == 3)  # type: ignore[arg-type]
            ledger.begin_call(one, ())
            status = ("completed", "failed", "outcome_unknown")[number % 3]
            paid = Decimal(number) / 700 if status == "completed" else None
            ledger.finish_call(one.id, status=status, cost_usd=paid)  # type: ignore[arg-type]
    for owner in (ANN, BOB):
        rows = _rows(database, person=owner.name)
        month = now.astimezone().strftime("%Y-%m")
        assert len(rows) == 12
        assert sum(row.cost_usd for row in rows if row.day.startswith(month)) == _month(database, owner) > 0


@EVERY_DATABASE
def test_prompts_are_kept_only_where_the_settings_ask_for_it(database: Database, call: CallStart) -> None:
    for number, keeps in enumerate((False, True)):
        ledger = Ledger(database, ANN, keeps_prompts=keeps)
        ledger.begin_call(_job(call, number), ())
        ledger.finish_call(f"job-{number}", status="completed", cost_usd=Decimal("0.05"))
        with pytest.raises(BudgetExceeded):
            ledger.begin_call(_job(call, 2 + number), [Limit(usd=Decimal(0), period="day")])
    assert [row.prompt for row in _rows(database)] == [None, None, "a boat", "a boat"]


@EVERY_DATABASE
def test_the_deletion_of_an_image_is_noted_for_whoever_deletes_it(
    database: Database, image: StoredImage
) -> None:
    hers = replace(image, provenance=replace(image.provenance, owner="ann", group="design"))
    Images(database).add_image(hers)
    bob, now = replace(BOB, shared_groups=("design",)), datetime.now(UTC)
    with pytest.raises(InputRejected):
        Deletions(database, bob).delete(image.id, now, permit=_refuse)
    assert _rows(database) == []
    assert Deletions(database, bob).delete(image.id, now, permit=lambda _: None)
    (row,) = _rows(database)
    assert (row.person, row.group, row.kind, row.outcome) == ("bob", "sales", "delete", "deleted")
    assert (row.image_id, row.call_id, row.cost_usd) == (image.id, image.provenance.call_id, Decimal(0))


def _refuse(_users: object) -> None:
    raise InputRejected("It is in use.", next_step="End the session.")


@EVERY_DATABASE
@pytest.mark.parametrize("is_migrated", [False, True])
def test_the_database_refuses_to_change_or_delete_a_row(
    database_url: str, call: CallStart, *, is_migrated: bool
) -> None:
    database = Database(database_url)
    if is_migrated:
        with database.writing() as connection:
            make_older(connection, 3)
        database.close()
        database = Database(database_url)
    ledger = Ledger(database, ANN)
    ledger.begin_call(call, ())
    ledger.finish_call(call.id, status="completed", cost_usd=Decimal("0.05"))
    for change in ("UPDATE audit SET owner = 'bob'", "DELETE FROM audit"):
        with (
            pytest.raises(StorageFailed, match="never changed"),
            database.writing() as connection,
        ):
            connection.exec_driver_sql(change)
    assert [row.person for row in _rows(database)] == ["ann"]
    database.close()


def _exported(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    assert run(["audit", *arguments]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_the_command_exports_json_lines_oldest_first_with_exact_money(
    call: CallStart, capsys: pytest.CaptureFixture[str]
) -> None:
    database = Database()
    eve = Owner(name=f"eve\x1b[31m{RIGHT_TO_LEFT}\n", group="design")
    for number, (owner, usd) in enumerate(((ANN, "0.000000001"), (BOB, "0.1"), (eve, "0.2"))):
        ledger = Ledger(database, owner, keeps_prompts=owner == BOB)
        ledger.begin_call(_job(call, number), ())
        ledger.finish_call(f"job-{number}", status="completed", cost_usd=Decimal(usd))
    database.close()
    lines = _exported(capsys)
    assert [line["cost_usd"] for line in lines] == ["0.000000001", "0.1", "0.2"]
    assert [line["person"] for line in lines] == ["ann", "bob", eve.name]
    assert [line.get("prompt") for line in lines] == [None, "a boat", None]
    assert [line["at"] for line in lines] == sorted(line["at"] for line in lines)
    run(["audit"])
    raw = capsys.readouterr().out
    assert len(raw.splitlines()) == 3
    assert "\x1b" not in raw
    assert RIGHT_TO_LEFT not in raw
    assert [line["person"] for line in _exported(capsys, "--person", "bob")] == ["bob"]
    assert [line["person"] for line in _exported(capsys, "--group", "design")] == ["ann", eve.name]
    assert _exported(capsys, "--until", "yesterday") == []
    assert len(_exported(capsys, "--since", "today")) == 3


def test_a_date_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["audit", "--since", "soon"]) == 1
    assert "since 'soon' is no date" in capsys.readouterr().err
