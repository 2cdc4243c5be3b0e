"""What a call may cost, is reserved at and did cost, on either route: the real SDK against the stand-in."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from gpt_image_mcp import Settings, Studio
from gpt_image_mcp.errors import BudgetExceeded, UnsupportedByModel
from gpt_image_mcp.money import Cost
from gpt_image_mcp.openai_api.sandbox.transport import EDITS, RESPONSES, SandboxTransport
from tests.standin import CannedTransport, Standin, serve_standin

if TYPE_CHECKING:
    from pathlib import Path

    from gpt_image_mcp.values.results import ImageResult

QUICK: dict[str, Any] = {"size": "816x816", "quality": "low"}


@pytest.fixture
def photo(project: Path) -> str:
    """An image of the user's."""
    Image.new("RGB", (1024, 1024), "teal").save(project / "photo.png")
    return "photo.png"


def _studio(standin: Standin, **settings: Any) -> Studio:
    return Studio(Settings.model_validate({"api_key": "sk-test", "base_url": standin.base_url, **settings}))


def _paths(standin: Standin) -> list[str]:
    return [request.path for request in standin.posts]


async def _between(standin: Standin) -> Decimal:
    """A limit that leaves enough for an edit, but not for a host model besides."""
    highest: list[Decimal] = []
    for pinned in (False, True):
        async with _studio(standin, force_responses_edits=pinned) as studio:
            quote = (await studio.estimate(input_images=1, **QUICK)).quote
            assert quote.high_usd is not None
            highest.append(quote.high_usd)
    direct, hosted = highest
    assert hosted > direct
    return (direct + hosted) / 2


async def _spent(studio: Studio) -> Decimal:
    return (await studio.estimate()).budget.spent_today_usd


@pytest.mark.parametrize("limit", ["max_cost_usd", "daily_budget_usd"])
async def test_a_fallback_that_a_limit_does_not_leave_enough_for_is_not_taken(photo: str, limit: str) -> None:
    async with serve_standin(SandboxTransport(rejects_edits=True)) as standin:
        async with _studio(standin, **{limit: await _between(standin)}) as studio:
            with pytest.raises(BudgetExceeded):
                await studio.edit("night", [photo], **QUICK)
            assert await _spent(studio) == 0
        assert _paths(standin) == [EDITS]


async def test_a_remembered_rejection_reserves_the_host_model_before_anything_is_sent(photo: str) -> None:
    async with serve_standin(SandboxTransport(rejects_edits=True)) as standin:
        async with _studio(standin) as studio:
            await studio.edit("night", [photo], **QUICK)
        before = _paths(standin)
        async with _studio(standin, max_cost_usd=await _between(standin)) as studio:
            with pytest.raises(BudgetExceeded):
                await studio.edit("day", [photo], **QUICK)
            with pytest.raises(UnsupportedByModel):
                await studio.edit("day", [photo], n=2, **QUICK)
        assert _paths(standin) == before


async def test_a_fallback_within_the_limits_never_costs_more_than_was_reserved(photo: str) -> None:
    async with serve_standin(SandboxTransport(rejects_edits=True)) as standin:
        async with _studio(standin, max_cost_usd=Decimal("0.1"), daily_budget_usd=Decimal("0.1")) as studio:
            done = await studio.edit("night", [photo], **QUICK)
            assert done.cost is not None
            assert await _spent(studio) == done.cost.usd
            with pytest.raises(Exception, match="outcome_unknown"):
                await studio.edit("day [sandbox:no_result]", [photo], **QUICK)
            reserved = await _spent(studio) - (done.cost.usd or 0)
        assert reserved >= await _between(standin)


async def test_an_edit_that_was_pinned_to_the_other_route_is_quoted_as_what_it_reserves(photo: str) -> None:
    async with serve_standin() as standin, _studio(standin, force_responses_edits=True) as studio:
        estimate = await studio.estimate(input_images=1, **QUICK)
        assert estimate.quote == estimate.by_quality["low"]
        assert estimate.quote.expected_usd is None
        assert estimate.quote.high_usd is not None
        with pytest.raises(UnsupportedByModel, match="OPENAI_FORCE_RESPONSES_EDITS"):
            await studio.estimate(input_images=1, n=3, **QUICK)
        assert (await studio.estimate(n=3, **QUICK)).quote.expected_usd is not None
        with pytest.raises(Exception, match="outcome_unknown"):
            await studio.edit("night [sandbox:no_result]", [photo], **QUICK)
        prompt_usd = Decimal("0.0005")
        assert 0 <= await _spent(studio) - estimate.quote.high_usd < prompt_usd


def _assert_known(result: ImageResult, basis: str) -> None:
    assert result.applied is not None
    assert (result.applied.size, result.applied.quality) == ("1024x1024", "high")
    assert result.cost is not None
    assert result.cost.basis == basis
    assert result.cost.usd is not None
    assert result.cost.usd > Decimal("0.21072")


async def test_without_usage_the_cost_is_quoted_for_what_the_model_chose(photo: str) -> None:
    async with serve_standin() as standin, _studio(standin) as studio:
        made = await studio.generate("a fox in the snow [sandbox:no_usage]")
        _assert_known(made, "quote")
        edited = await studio.edit("night [sandbox:no_usage]", [photo])
        _assert_known(edited, "quote")
        assert await _spent(studio) == sum(
            (result.cost.usd for result in (made, edited) if result.cost and result.cost.usd), Decimal(0)
        )


async def test_the_cost_of_a_size_that_no_rule_knows_is_unknown(project: Path) -> None:
    odd = project / "odd.png"
    Image.new("RGB", (6500, 10)).save(odd)
    async with serve_standin(CannedTransport(odd, has_usage=False)) as standin, _studio(standin) as studio:
        made = await studio.generate("a fox", quality="low")
        assert made.cost == Cost(usd=None, basis="unknown")
        sized = await studio.generate("a fox", quality="low", size="1024x1024")
        assert sized.cost
        assert sized.cost.basis == "quote"


async def test_without_the_image_tools_usage_only_its_part_is_quoted(photo: str) -> None:
    settings: dict[str, Any] = {"force_responses_edits": True, "partial_images": 3}
    async with serve_standin() as standin, _studio(standin, **settings) as studio:
        edited = await studio.edit("night [sandbox:no_tool_usage]", [photo])
        _assert_known(edited, "usage+quote")
        assert await _spent(studio) == (edited.cost and edited.cost.usd)
        assert _paths(standin)[-1] == RESPONSES
        estimate = await studio.estimate(input_images=1, size="1024x1024", quality="high")
        assert edited.cost is not None
        assert edited.cost.usd is not None
        assert (estimate.quote.low_usd or 0) < edited.cost.usd < (estimate.quote.high_usd or 0)


async def test_a_cost_stays_unknown_where_nobody_says_what_was_chosen() -> None:
    async with serve_standin() as standin, _studio(standin) as studio:
        made = await studio.generate("a fox [sandbox:no_usage]", model="gpt-image-2.6-flare")
    assert made.cost is not None
    assert made.cost.basis == "unknown"


async def test_several_images_are_not_charged_for_partial_ones_that_nobody_makes() -> None:
    async with serve_standin() as standin:
        async with _studio(standin) as studio:
            plain = (await studio.estimate(n=2, **QUICK)).quote.expected_usd
            assert plain is not None
        async with _studio(standin, partial_images=3, max_cost_usd=plain + Decimal("0.001")) as studio:
            made = await studio.generate("a fox", n=2, **QUICK)
    assert len(made.images) == 2
    assert any("No partial images" in note for note in made.notes)
