"""``/metrics`` tells Prometheus what calls come to, the same from each replica, and nobody's name."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import httpx2
import pytest
from fastmcp import Client
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text

from gpt_image_mcp.library.call_totals import TOTALS, call_totals
from gpt_image_mcp.library.database import Database
from gpt_image_mcp.library.ledger import Ledger
from gpt_image_mcp.library.schema import calls
from gpt_image_mcp.money import Quote
from gpt_image_mcp.settings import read_settings
from gpt_image_mcp.team.metrics import Readings, exposition
from gpt_image_mcp.team.tokens import tokens_file
from gpt_image_mcp.values.call_totals import CallTotal
from gpt_image_mcp.values.history import CallStart
from gpt_image_mcp.values.owners import Owner
from gpt_image_mcp.values.readiness import PartState
from tests.mcp_app.http_servers import START_SECONDS, Served, serve
from tests.team.replicas import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sqlalchemy import Connection

    Samples = dict[str, float]

PERSON, PROMPT = "ada@example.com", "a very private boat"


def _samples(body: str) -> Samples:
    """The value of each sample, by its name and labels as Prometheus writes them."""
    found: Samples = {}
    for family in text_string_to_metric_families(body):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def _scrape(served: Served) -> tuple[str, Samples]:
    answer = httpx2.get(f"{served.root}/metrics", timeout=START_SECONDS)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return answer.text, _samples(answer.text)


def _counters(samples: Samples) -> Samples:
    return {name: value for name, value in samples.items() if name.startswith("gpt_image_call")}


def _total(model: str, **fields: object) -> CallTotal:
    values = {"kind": "image", "status": "completed", "sandbox": False, "count": 1, "seconds": 2.5}
    return CallTotal(model=model, **{**values, "usd": Decimal("0.25"), **fields})  # type: ignore[arg-type]


def _told(*totals: CallTotal, model_names: tuple[str, ...] = ()) -> Samples:
    readings = Readings(totals=totals, parts=(), stages={}, people=0, model_names=model_names)
    return _samples(exposition(readings, "")[0].decode())


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A new database of each kind."""
    url = f"sqlite:///{tmp_path / 'library.db'}"
    if request.param == "postgresql":
        url = request.getfixturevalue("database_url")
    opened = Database(url)
    yield opened
    opened.close()


def _begin(database: Database, number: int, *, sandbox: bool = False, owner: str = PERSON) -> str:
    call = CallStart(
        id=f"job-{number}",
        kind="edit",
        model="gpt-image-2",
        quality="low",
        size="1024x1024",
        prompt=PROMPT,
        started_at=datetime.now(UTC),
        quote=Quote(high_usd=Decimal("0.10"), basis="a test"),
        sandbox=sandbox,
    )
    Ledger(database, Owner(name=owner)).begin_call(call, ())
    return call.id


def test_calls_of_all_people_are_summed_by_model_kind_and_outcome(database: Database) -> None:
    ledger = Ledger(database)
    for number, owner in enumerate((PERSON, "grace")):
        ledger.finish_call(
            _begin(database, number, owner=owner), status="completed", cost_usd=Decimal("0.07")
        )
    ledger.finish_call(_begin(database, 2), status="outcome_unknown")
    ledger.finish_call(_begin(database, 3), status="failed")
    ledger.finish_call(_begin(database, 4, sandbox=True), status="completed", cost_usd=Decimal("0.07"))
    _begin(database, 5)
    found = {(total.status, total.sandbox): (total.count, total.usd) for total in call_totals(database)}
    assert found == {
        ("completed", False): (2, Decimal("0.14")),
        ("outcome_unknown", False): (1, Decimal("0.10")),
        ("failed", False): (1, Decimal(0)),
        ("completed", True): (1, Decimal(0)),
        ("running", False): (1, Decimal("0.10")),
    }


def _compiled(connection: Connection) -> str:
    """The query as the database is given it."""
    return str(TOTALS.compile(connection, compile_kwargs={"literal_binds": True}))


def test_the_sums_of_many_calls_are_read_from_an_index_alone(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'library.db'}")
    _begin(database, 1)
    with database.reading() as connection:
        plan = connection.execute(text(f"EXPLAIN QUERY PLAN {_compiled(connection)}")).all()
    assert [row.detail for row in plan] == ["SCAN calls USING COVERING INDEX calls_totals"]
    database.close()


def test_a_call_that_ended_before_it_began_takes_no_time(database: Database) -> None:
    """The clock was set back meanwhile; a counter must not fall."""
    _begin(database, 1)
    with database.writing() as connection:
        connection.execute(calls.update().values(status="completed", finished_at=1.0))
    assert [total.seconds for total in call_totals(database)] == [0.0]


def test_an_empty_database_has_no_sums(database: Database) -> None:
    assert call_totals(database) == ()


def test_models_that_nobody_knows_are_told_as_one() -> None:
    samples = _told(
        _total("gpt-image-2"), _total("mine"), _total("x" * 200), _total("y"), model_names=("mine",)
    )
    counts = {name: value for name, value in samples.items() if name.startswith("gpt_image_calls_total")}
    labels = "kind=image,model={},outcome=completed,sandbox=false"
    assert counts == {
        f"gpt_image_calls_total{{{labels.format(model)}}}": value
        for model, value in (("gpt-image-2", 1), ("mine", 1), ("other", 2))
    }


def test_without_a_database_there_are_no_counters_rather_than_zeros() -> None:
    states = (
        PartState(part="database", is_usable=False, seconds=None),
        PartState(part="key", is_usable=True, seconds=0.5),
    )
    readings = Readings(totals=None, parts=states, stages={"queued": 3}, people=2, model_names=())
    samples = _samples(exposition(readings, "")[0].decode())
    assert not _counters(samples)
    assert samples["gpt_image_part_usable{part=database}"] == 0
    assert samples["gpt_image_part_usable{part=key}"] == 1
    assert "gpt_image_part_check_seconds{part=database}" not in samples
    assert samples["gpt_image_jobs{stage=queued}"] == 3
    assert samples["gpt_image_people_active"] == 2


def test_a_scraper_that_asks_for_openmetrics_gets_it() -> None:
    readings = Readings(totals=(_total("gpt-image-2"),), parts=(), stages={}, people=0, model_names=())
    body, media_type = exposition(readings, "application/openmetrics-text; version=1.0.0")
    assert media_type.startswith("application/openmetrics-text; version=1.0.0")
    assert body.endswith(b"# EOF\n")


async def test_all_replicas_tell_the_same_of_calls_and_each_tells_of_itself(
    start_replicas: Callable[..., list[Served]],
) -> None:
    first, second = start_replicas(2)
    await asyncio.to_thread(wait_until, second)
    async with Client(first.url) as client:
        await client.call_tool("generate_image", {"prompt": PROMPT, "quality": "low"})
        await client.call_tool(
            "generate_image", {"prompt": f"[sandbox:delay=60] {PROMPT}", "wait_seconds": 0, "n": 2}
        )
    body, told = await asyncio.to_thread(_scrape, first)
    _, told_by_second = await asyncio.to_thread(_scrape, second)
    labels = "{kind=image,model=gpt-image-2,outcome=completed,sandbox=true}"
    assert told[f"gpt_image_calls_total{labels}"] == 1
    assert told[f"gpt_image_call_seconds_total{labels}"] > 0
    assert told["gpt_image_calls_running"] == 1
    assert _counters(told) == _counters(told_by_second)
    assert (told["gpt_image_jobs{stage=drawing}"], told_by_second["gpt_image_jobs{stage=drawing}"]) == (1, 0)
    assert (told["gpt_image_people_active"], told_by_second["gpt_image_people_active"]) == (1, 0)
    assert told["gpt_image_part_check_seconds{part=database}"] > 0
    assert told["process_resident_memory_bytes"] > 10_000_000
    assert PROMPT not in body


def test_only_an_administrator_is_told_where_people_sign_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "tokens.toml"
    monkeypatch.setenv("GPT_IMAGE_AUTH_TOKENS_FILE", str(file))
    tokens = tokens_file(read_settings())
    admin, _ = tokens.add("prometheus", groups=(), scopes=("admin",), days=1)
    person, _ = tokens.add(PERSON, groups=(), scopes=("images:read", "images:spend"), days=1)
    settings = {"GPT_IMAGE_AUTH": "tokens", "GPT_IMAGE_AUTH_TOKENS_FILE": str(file)}
    with serve(tmp_path, **settings) as served:
        statuses = [
            httpx2.get(f"{served.root}/metrics", headers=headers, timeout=START_SECONDS).status_code
            for headers in (
                {},
                {"Authorization": "Bearer wrong"},
                {"Authorization": f"Bearer {person}"},
                {"Authorization": f"Bearer {admin}"},
            )
        ]
        assert httpx2.get(f"{served.root}/ready", timeout=START_SECONDS).status_code in {200, 503}
    assert statuses == [401, 401, 403, 200]


def test_a_server_whose_database_is_away_still_tells_of_itself(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "gpt-image-mcp").write_text("a file where the folder should be")
    with serve(tmp_path) as served:
        _, told = _scrape(served)
    assert told["gpt_image_part_usable{part=database}"] == 0
    assert not _counters(told)
