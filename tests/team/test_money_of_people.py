"""What people of one served library may spend, did spend, and are told of it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from gpt_image_mcp.errors import BudgetExceeded, ModerationBlocked
from gpt_image_mcp.library.store import Library
from gpt_image_mcp.presentation.estimates import (
    estimate_content,
    estimate_text,
    next_step_after_estimate,
)
from gpt_image_mcp.presentation.history import history_content, history_text
from gpt_image_mcp.settings import Settings
from gpt_image_mcp.studio import Studio
from gpt_image_mcp.values.owners import Owner
from tests.faults.observed import QUICK
from tests.faults.scripted import Endpoint, answer, document, picture, refusal, serve_script

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from tests.faults.scripted import Received

ANN, BOB = Owner(name="ann", group="design"), Owner(name="bob", group="design")
EVE = Owner(name="eve", group="sales")


@asynccontextmanager
async def _people(
    endpoint: Endpoint, folder: Path, *owners: Owner, **settings: object
) -> AsyncGenerator[list[Studio]]:
    """The studios of people who share a database and the connections."""
    read = Settings.model_validate(
        {
            "api_key": "sk-test",
            "base_url": endpoint.base_url,
            "database_url": f"sqlite:///{folder / 'library.db'}",
            "auth": "tokens",
            **settings,
        }
    )
    async with Studio(read) as studio:
        people = [studio.for_owner(owner, read) for owner in owners]
        yield people
        for person in people:
            await person.aclose()


def _month() -> str:
    return datetime.now(UTC).astimezone().strftime("%Y-%m")


async def test_a_person_is_told_what_they_and_their_group_spent_and_what_is_left(tmp_path: Path) -> None:
    limits = {"user_daily_usd": "1", "group_monthly_usd": "0.5", "max_cost_usd": "0.9"}
    async with (
        serve_script() as endpoint,
        _people(endpoint, tmp_path, ANN, BOB, EVE, **limits) as (ann, bob, eve),
    ):
        costs = [(await person.generate("a boat", **QUICK)).cost for person in (ann, bob, eve)]
        usd = [cost.usd for cost in costs if cost and cost.usd]
        estimate = await ann.estimate(**QUICK)
        found = await ann.history.search(limit=0, since=_month())
        words = await ann.history.search(query="boat")
        alone = await eve.history.search(limit=0)
    assert len(usd) == 3
    mine, ours = estimate.budget.standings
    assert (mine.limit.title, ours.limit.title) == ("ann for today", "group design for this month")
    assert (mine.left_usd, ours.left_usd) == (1 - usd[0], Decimal("0.5") - usd[0] - usd[1])
    assert estimate.budget.spent_today_usd == usd[0]
    assert estimate.budget.left_today_usd == mine.left_usd
    told = estimate_content(estimate, next_step="").budget
    assert [limit.left_usd for limit in told.limits or []] == [float(mine.left_usd), float(ours.left_usd)]
    said = estimate_text(estimate, "")
    assert f"group design for this month: ${ours.left_usd:.4f}" in said
    assert found.spending.total_usd == usd[0]
    assert (found.group, found.group_usd) == ("design", usd[0] + usd[1])
    assert f"All people of group design: ${usd[0] + usd[1]:.4f}." in history_text(found, "")
    assert history_content(found, next_step="").group_cost_usd_total == pytest.approx(float(usd[0] + usd[1]))
    assert words.group_usd is None
    assert alone.group_usd == usd[2]


async def test_whoever_uses_this_machine_alone_is_told_of_no_group(tmp_path: Path) -> None:
    async with serve_script() as endpoint, _people(endpoint, tmp_path, Owner()) as (local,):
        await local.generate("a boat", **QUICK)
        found = await local.history.search()
        estimate = await local.estimate(**QUICK)
    assert found.group_usd is None
    assert "group" not in history_text(found, "")
    assert "group_cost_usd_total" not in history_content(found, next_step="").model_dump(exclude_none=True)
    assert estimate.budget.standings == ()


async def test_the_budget_of_a_group_holds_for_all_its_people_and_for_nobody_else(tmp_path: Path) -> None:
    async with (
        serve_script() as endpoint,
        _people(endpoint, tmp_path, ANN, BOB, EVE, group_monthly_usd="0.012") as (ann, bob, eve),
    ):
        await ann.generate("a boat", **QUICK)
        with pytest.raises(BudgetExceeded, match="group design for this month"):
            await bob.generate("a boat", size="1024x1024", quality="high")
        estimate = await bob.estimate(size="1024x1024", quality="high")
        assert "wait until it begins anew" in next_step_after_estimate(estimate, generate="", edit="")
        assert (await eve.generate("a boat", **QUICK)).images
        assert len(endpoint.posts) == 2


async def test_what_people_did_is_in_the_audit_log_and_adds_up(tmp_path: Path) -> None:
    blocked = refusal(400, "No.", code="moderation_blocked", x_request_id="req_blocked")
    script = [answer(document(), x_request_id="req_made"), blocked, picture()]
    async with (
        serve_script(*script) as endpoint,
        _people(endpoint, tmp_path, ANN, BOB, user_daily_usd="0.05", audit_prompts=True) as (ann, bob),
    ):
        boat = await ann.generate("a boat", **QUICK)
        with pytest.raises(ModerationBlocked):
            await bob.generate("a fox", **QUICK)
        edited = await bob.generate("a cat", **QUICK)
        with pytest.raises(BudgetExceeded):
            await bob.generate("a lion", size="3840x2160", quality="high")
        await ann.delete(boat.images[0].id, confirm=True)
        library = Library(ann.settings)
        rows = list(library.audit.entries())
        library.close()
    assert [(row.person, row.kind, row.outcome, row.prompt) for row in rows] == [
        ("ann", "image", "completed", "a boat"),
        ("bob", "image", "moderation_blocked", "a fox"),
        ("bob", "image", "completed", "a cat"),
        ("bob", "image", "budget_exceeded", "a lion"),
        ("ann", "delete", "deleted", None),
    ]
    assert [row.request_id for row in rows[:2]] == ["req_made", "req_blocked"]
    assert boat.cost
    assert edited.cost
    assert [row.cost_usd for row in rows] == [boat.cost.usd, 0, edited.cost.usd, 0, 0]


async def test_a_colleague_does_not_wait_for_all_calls_of_another(tmp_path: Path) -> None:
    let_go = asyncio.Semaphore(0)
    drawn = picture()

    async def reply(request: Received, writer: asyncio.StreamWriter) -> None:
        await let_go.acquire()
        await drawn(request, writer)

    async with (
        serve_script(then=reply) as endpoint,
        _people(endpoint, tmp_path, ANN, BOB, max_concurrency=1) as (ann, bob),
    ):
        calls = [await _queued(ann, f"ann {number}") for number in range(4)]
        calls.append(await _queued(bob, "bob"))
        for made in range(1, 6):
            await endpoint.received(made)
            let_go.release()
        await asyncio.gather(*calls)
        asked: list[Any] = [request.json["prompt"] for request in endpoint.posts]
    assert asked == ["ann 0", "ann 1", "bob", "ann 2", "ann 3"]


async def _queued(studio: Studio, prompt: str) -> asyncio.Task[Any]:
    """A call that waits for its turn, or has it."""
    is_queued = asyncio.Event()

    async def watch(progress: Any) -> None:
        if progress.stage in {"queued", "drawing"}:
            is_queued.set()

    task = asyncio.create_task(studio.generate(prompt, watch=watch, **QUICK))
    await asyncio.wait_for(is_queued.wait(), 20)
    return task


async def test_a_quote_beyond_a_limit_names_what_the_reader_can_do(tmp_path: Path) -> None:
    asked: dict[str, Any] = {"size": "1024x1024", "quality": "high"}
    local, ours = Owner(), {"user_daily_usd": "0.01"}
    for owner, limits, step in (
        (ANN, ours, "wait until it begins anew, or ask whoever runs the server."),
        (ANN, {"max_cost_usd": "0.01"}, "size, or ask whoever runs the server."),
        (local, {"max_cost_usd": "0.01"}, "size, or raise GPT_IMAGE_MAX_COST_USD."),
        (local, {"daily_budget_usd": "0.01"}, "begins anew, or raise GPT_IMAGE_DAILY_BUDGET_USD."),
    ):
        async with serve_script() as endpoint, _people(endpoint, tmp_path, owner, **limits) as (studio,):
            estimate = await studio.estimate(**asked)
        said = next_step_after_estimate(estimate, generate="", edit="")
        assert said.endswith(step)
        assert ("GPT_IMAGE" in said) == (owner == local)
