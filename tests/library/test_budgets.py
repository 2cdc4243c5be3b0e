"""Budgets of people, groups and models: which hold for whom, and that no number of callers overshoots one."""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt_image_mcp.cli.app import run
from gpt_image_mcp.errors import BudgetExceeded, InvalidSetting
from gpt_image_mcp.library.budgets import Budgets
from gpt_image_mcp.library.database import Database
from gpt_image_mcp.library.ledger import Ledger
from gpt_image_mcp.money import Quote
from gpt_image_mcp.settings import Settings, read_settings
from gpt_image_mcp.values.budgets import Limit
from gpt_image_mcp.values.history import CallStart
from gpt_image_mcp.values.owners import LOCAL, Owner
from tests.library.conftest import EVERY_DATABASE

if TYPE_CHECKING:
    from pathlib import Path

    from gpt_image_mcp.values.budgets import Payer, Period

ANN, BOB = Owner(name="ann", group="design"), Owner(name="bob", group="design")
EVE = Owner(name="eve", group="sales")
FILE = """
[people.ann]
daily_usd = 5.05
models = { "gpt-image-2" = 10 }
[groups.sales]
monthly_usd = 0
[models."gpt-image-2-2026-04-21"]
monthly_usd = 1000
"""
SPENDER = """
import sys
from datetime import UTC, datetime
from decimal import Decimal
from gpt_image_mcp.errors import BudgetExceeded
from gpt_image_mcp.library.database import Database
from gpt_image_mcp.library.ledger import Ledger
from gpt_image_mcp.money import Quote
from gpt_image_mcp.values.budgets import Limit
from gpt_image_mcp.values.history import CallStart
from gpt_image_mcp.values.owners import Owner

database, name, started = Database(sys.argv[1]), sys.argv[2], datetime.fromisoformat(sys.argv[3])
print("ready", flush=True)
sys.stdin.readline()
for number in range(40):
    person = f"person-{number % 4}"
    limits = (
        Limit(usd=Decimal("0.37"), period="day", payer="person", name=person),
        Limit(usd=Decimal("1.11"), period="month", payer="group", name="all"),
        Limit(usd=Decimal("0.55"), period="month", model="gpt-image-2"),
    )
    model = ("gpt-image-2", "gpt-image-2-2026-04-21", "gpt-image-1.5")[number % 3]
    call = CallStart(
        id=f"job-{name}-{number}", kind="image", model=model, quality="low", size="auto", prompt="",
        started_at=started, quote=Quote(high_usd=Decimal("0.03"), basis=""),
    )
    ledger = Ledger(database, Owner(name=person, group="all"))
    try:
        ledger.begin_call(call, limits)
    except BudgetExceeded:
        continue
    if number % 2:
        ledger.finish_call(call.id, status="completed", cost_usd=Decimal("0.01"))
database.close()
"""


def _budgets(**settings: object) -> Budgets:
    return Budgets(Settings.model_validate(settings))


def _said(budgets: Budgets, owner: Owner) -> dict[str, str]:
    return {limit.title: str(limit.usd) for limit in budgets.limits_of(owner)}


def _written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "budgets.toml"
    path.write_text(text)
    return path


def test_the_settings_hold_for_everybody_whom_the_file_does_not_name(tmp_path: Path) -> None:
    budgets = _budgets(
        budgets_file=_written(tmp_path, FILE),
        daily_budget_usd="100",
        user_daily_usd="1",
        user_monthly_usd="20",
        group_monthly_usd="300",
    )
    everybody = {
        "the whole library for today": "100",
        "the whole library for this month, gpt-image-2 only": "1000",
    }
    assert _said(budgets, LOCAL) == everybody
    assert _said(budgets, ANN) == {
        **everybody,
        "ann for today": "5.05",
        "ann for this month": "20",
        "ann for this month, gpt-image-2 only": "10",
        "group design for this month": "300",
    }
    assert _said(budgets, EVE) == {
        **everybody,
        "eve for today": "1",
        "eve for this month": "20",
        "group sales for this month": "0",
    }


def test_a_changed_file_holds_at_once_and_a_broken_one_not_at_all(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = _written(tmp_path, "[people.ann]\ndaily_usd = 1\n")
    budgets = _budgets(budgets_file=path)
    path.write_text("[people.ann]\ndaily_usd = 12\n")
    assert _said(budgets, ANN) == {"ann for today": "12"}
    path.write_text("[people.ann]\ndaily_usd = 12 dollars\n")
    for _ in range(2):
        assert _said(budgets, ANN) == {"ann for today": "12"}
    path.unlink()
    assert _said(budgets, ANN) == {"ann for today": "12"}
    broken, gone = (record.getMessage() for record in caplog.records)
    assert "budgets.toml is broken" in broken
    assert "line 2" in broken
    assert "cannot be read" in gone
    path.write_text("")
    assert _said(budgets, ANN) == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[people.ann]\ndaily_usd =\n", "line 2"),
        ("[people.ann]\nweekly_usd = 1", "people.ann.weekly_usd"),
        ("[person.ann]\ndaily_usd = 1", "person"),
        ("[people.ann]\ndaily_usd = -1", "people.ann.daily_usd"),
        ("[people.ann]\ndaily_usd = nan", "people.ann.daily_usd"),
        ("[people.ann]\ndaily_usd = inf", "people.ann.daily_usd"),
        ("[people.ann]\ndaily_usd = '5'", "people.ann.daily_usd: it must be a number"),
        ("[people.ann]\ndaily_usd = true", "people.ann.daily_usd: it must be a number"),
        ("[people.'']\ndaily_usd = 1", "people"),
        ("people = 7", "people"),
        ("[groups.design.models]\ngpt-image-2 = 'x'", "groups.design.models.gpt-image-2"),
        ("[models.gpt-image-2]\nmodels = {}", "models.gpt-image-2.models"),
        ("\0", "no TOML"),
        ("[people.ada]\ndaily = 5", "daily is not known there; allowed are daily_usd, monthly_usd, models"),
        ("[models.gpt-image-2]\ndaily = 5", "daily is not known there; allowed are daily_usd, monthly_usd."),
        ("[person.ada]\ndaily_usd = 5", "person is not known there; allowed are people, groups, models"),
    ],
)
def test_a_file_that_means_nothing_stops_the_start_and_says_where(
    text: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GPT_IMAGE_BUDGETS_FILE", str(_written(tmp_path, text)))
    with pytest.raises(InvalidSetting) as caught:
        read_settings()
    assert "GPT_IMAGE_BUDGETS_FILE" in caught.value.message
    assert said in caught.value.message
    assert caught.value.next_step == "Correct the file that GPT_IMAGE_BUDGETS_FILE names and start again."


def test_nobody_is_served_while_a_budget_is_for_a_model_that_nobody_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = _written(tmp_path, "[models.gpt-imag-2]\ndaily_usd = 1\n")
    monkeypatch.setenv("GPT_IMAGE_BUDGETS_FILE", str(path))
    for transport in ("http", "stdio"):
        assert run(["serve", "--transport", transport]) == 2
        said = capsys.readouterr().err
        assert f"The file {str(path)!r}, which GPT_IMAGE_BUDGETS_FILE names, cannot be used: no model" in said
        assert "serves MCP" not in said
    assert run(["doctor"]) == 1
    shown = capsys.readouterr()
    assert "gpt-imag-2" in shown.out + shown.err
    assert "versions" in shown.out + shown.err


def test_a_file_that_is_no_text_or_not_there_stops_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "budgets.toml"
    monkeypatch.setenv("GPT_IMAGE_BUDGETS_FILE", str(path))
    with pytest.raises(InvalidSetting, match="cannot be read"):
        read_settings()
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidSetting, match="no TOML"):
        read_settings()


def test_a_budget_of_a_model_that_nobody_knows_stops_the_start(tmp_path: Path) -> None:
    path = _written(tmp_path, "[people.ann.models]\ngpt-imag-2 = 1\n")
    with pytest.raises(InvalidSetting, match="gpt-imag-2"):
        _budgets(budgets_file=path)
    known = _budgets(budgets_file=path, model_aliases="gpt-imag-2=gpt-image-2")
    assert _said(known, ANN) == {"ann for this month, gpt-image-2 only": "1"}


def _call(number: int, model: str = "gpt-image-2", usd: str = "0.10") -> CallStart:
    return CallStart(
        id=f"job-{number}",
        kind="image",
        model=model,
        quality="low",
        size="auto",
        prompt="",
        started_at=datetime(2026, 11, 30, 12, tzinfo=UTC),
        quote=Quote(high_usd=Decimal(usd), basis=""),
    )


@EVERY_DATABASE
def test_snapshots_and_aliases_of_a_model_count_as_the_model(database: Database) -> None:
    limit = Limit(usd=Decimal("0.25"), period="month", model="gpt-image-2", model_names=("ours",))
    ledger = Ledger(database)
    ledger.begin_call(_call(1, "ours"), [limit])
    ledger.begin_call(_call(2, "gpt-image-2-2026-04-21"), [limit])
    ledger.begin_call(_call(3, "gpt-image-1.5"), [limit])
    for number, model in enumerate(("gpt-image-2", "ours", "GPT-Image-2-2026-04-21"), start=4):
        with pytest.raises(BudgetExceeded, match="gpt-image-2 only"):
            ledger.begin_call(_call(number, model), [limit])


@EVERY_DATABASE
def test_a_refusal_names_whose_budget_it_is_what_is_used_and_when_it_begins_anew(database: Database) -> None:
    mine = Limit(usd=Decimal(1), period="month", payer="person", name="ann")
    ours = Limit(usd=Decimal("0.35"), period="day", payer="group", name="design")
    ann, bob = Ledger(database, ANN), Ledger(database, BOB)
    ann.begin_call(_call(1), [mine, ours])
    ann.finish_call("job-1", status="completed", cost_usd=Decimal("0.08"))
    bob.begin_call(_call(2), [ours])
    Ledger(database, EVE).begin_call(_call(3, usd="9"), [])
    with pytest.raises(BudgetExceeded) as caught:
        ann.begin_call(_call(4, usd="0.20"), [mine, ours])
    said = caught.value.message
    for part in ("group design for today", "$0.3500", "$0.0800 is spent", "$0.1000 is reserved", "$0.1700"):
        assert part in said
    assert "2026-12-01 00:00 (" in said
    ann.begin_call(_call(5, usd="0.17"), [mine, ours])
    with pytest.raises(BudgetExceeded, match=r"ann for this month.*2026-12-01 00:00"):
        ann.begin_call(_call(6, usd="0.76"), [mine])
    december = replace(_call(7, usd="1.00"), started_at=datetime(2026, 12, 2, tzinfo=UTC))
    assert ann.begin_call(december, [mine]) is None


@EVERY_DATABASE
def test_processes_never_overshoot_the_budget_of_a_person_a_group_or_a_model(database_url: str) -> None:
    url, now = database_url.partition("?")[0], datetime.now(UTC)
    spenders = [
        subprocess.Popen(
            [sys.executable, "-c", SPENDER, url, str(number), now.isoformat()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(4)
    ]
    for spender in spenders:
        assert spender.stdout is not None
        assert spender.stdout.readline() == "ready\n"
    for spender in spenders:
        assert spender.stdin is not None
        spender.stdin.write("go\n")
        spender.stdin.flush()
    assert [spender.wait() for spender in spenders] == [0] * 4
    for spender in spenders:
        spender.communicate()
    database = Database(url)
    day = now.astimezone().date()
    people = [
        Ledger(database, Owner(name=f"person-{number}", group="all")).spent_usd(day) for number in range(4)
    ]
    assert max(people) <= Decimal("0.37")
    assert sum(people) == Ledger(database).spent_usd(day) <= Decimal("1.11")
    model, group = (
        Limit(usd=Decimal("0.55"), period="month", model="gpt-image-2"),
        Limit(usd=Decimal("1.11"), period="month", payer="group", name="all"),
    )
    of_model, of_group = Ledger(database).standings([model, group], "gpt-image-2")
    assert Decimal("0.52") < of_model.spent_usd + of_model.reserved_usd <= Decimal("0.55")
    assert of_group.spent_usd + of_group.reserved_usd == sum(people)
    database.close()


@EVERY_DATABASE
def test_threads_never_overshoot_a_budget(database_url: str) -> None:
    database = Database(database_url.partition("?")[0])
    ledger, limit = (
        Ledger(database, ANN),
        Limit(usd=Decimal("0.55"), period="day", payer="person", name="ann"),
    )
    made, numbers = Counter[bool](), itertools.count()
    start = threading.Barrier(8)

    def spend() -> None:
        start.wait()
        for _ in range(5):
            try:
                ledger.begin_call(_call(next(numbers)), [limit])
            except BudgetExceeded:
                made[False] += 1
            else:
                made[True] += 1

    threads = [threading.Thread(target=spend) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    database.close()
    assert made == {True: 5, False: 35}


_MODELS = ("gpt-image-2", "gpt-image-2-2026-04-21", "gpt-image-1.5")
_CENTS = st.integers(0, 400).map(lambda tenths: Decimal(tenths) / 1000)
_ENDINGS = st.sampled_from(["running", "completed", "failed", "outcome_unknown"])
_CALLS = st.lists(
    st.tuples(
        st.sampled_from([ANN, BOB, EVE]),
        st.sampled_from(_MODELS),
        _CENTS,
        _ENDINGS,
        st.sampled_from([date(2026, 11, 29), date(2026, 11, 30), date(2026, 12, 1)]),
    ),
    max_size=12,
)
_LIMITS = st.lists(
    st.tuples(
        st.sampled_from(["library", "person", "group"]),
        st.sampled_from(["day", "month"]),
        st.sampled_from(["", "gpt-image-2"]),
        _CENTS,
    ),
    max_size=3,
)


@given(calls=_CALLS, wanted=_LIMITS)
def test_a_call_is_made_just_when_every_sum_with_it_stays_within_its_limit(
    calls: list[Any], wanted: list[Any]
) -> None:
    """Against sums that are made here, over all calls one by one."""
    database, kept = Database("sqlite://"), list[_Kept]()
    for number, (owner, model, usd, ending, day) in enumerate(calls):
        started = datetime(day.year, day.month, day.day, 12).astimezone()
        call = replace(_call(number, model, str(usd)), started_at=started)
        limits = [_limit(payer, period, only, usd=most, owner=owner) for payer, period, only, most in wanted]
        cost = {"running": usd, "completed": usd / 2, "failed": Decimal(0), "outcome_unknown": usd}[ending]
        new = _Kept(owner, model, cost, day)
        fits = usd == 0 or all(
            not new.counts(limit, day)
            or usd + sum(one.usd for one in kept if one.counts(limit, day)) <= limit.usd
            for limit in limits
        )
        ledger = Ledger(database, owner)
        try:
            ledger.begin_call(call, limits)
        except BudgetExceeded:
            assert not fits
            continue
        assert fits
        if ending != "running":
            paid = cost if ending == "completed" else None
            ledger.finish_call(call.id, status=ending, cost_usd=paid)
        kept.append(new)
    database.close()


class _Kept(NamedTuple):
    """A call that was made, and what it counts for."""

    owner: Owner
    model: str
    usd: Decimal
    day: date

    def counts(self, limit: Limit, today: date) -> bool:
        """Whether it counts on a day."""
        is_theirs = limit.name in {"", self.owner.name if limit.payer == "person" else self.owner.group}
        is_now = self.day == today if limit.period == "day" else self.day.month == today.month
        return is_theirs and is_now and (not limit.model or self.model.startswith(limit.model))


def _limit(payer: Payer, period: Period, model: str, *, usd: Decimal, owner: Owner) -> Limit:
    name = {"library": "", "person": owner.name, "group": owner.group}[payer]
    return Limit(usd=usd, period=period, payer=payer, name=name, model=model)
