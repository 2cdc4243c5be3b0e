"""Quotes: for many images, for an amount of money, and whether there is a key."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from gpt_image_mcp import Settings, Studio
from gpt_image_mcp.catalogue.models import load_catalogue
from gpt_image_mcp.catalogue.validation import QUALITIES
from gpt_image_mcp.errors import InvalidArgument
from gpt_image_mcp.presentation.estimates import estimate_content, estimate_text, next_step_after_estimate

if TYPE_CHECKING:
    from gpt_image_mcp.money import Estimate

SHOTS: dict[str, Any] = {"n": 30, "size": "3840x2160", "budget_usd": 5}


async def _estimate(configured: Settings | None = None, **options: Any) -> Estimate:
    async with Studio(configured or Settings(sandbox=True)) as studio:
        return await studio.estimate(**options)


def _next(estimate: Estimate) -> str:
    return next_step_after_estimate(estimate, generate="Call generate_image", edit="Call edit_image")


async def test_one_quote_says_what_an_amount_pays_for_at_each_quality_and_of_each_model() -> None:
    estimate = await _estimate(**SHOTS)
    own = {fit.quality: (fit.count, fit.is_enough) for fit in estimate.fits if fit.model == "gpt-image-2"}
    assert own == {"low": (449, True), "medium": (49, True), "high": (12, False)}
    living = {fit.model for fit in estimate.fits}
    assert {"gpt-image-2.5-flare", "gpt-image-2.6-flare"} < living
    assert not any(model.snapshot_of for model in load_catalogue().models if model.name in living)
    best = estimate.best_fit
    assert best
    assert best.total.high_usd is not None
    assert best.total.high_usd <= 5
    text = estimate_text(estimate, _next(estimate))
    assert "- gpt-image-2, high, 3840x2160: 12 ($0.4003 each)" in text
    assert f"model {best.model} and quality {best.quality}" in text
    fits = estimate_content(estimate, next_step="").model_dump()["fits"]
    assert [fit["fits"] for fit in fits] == [fit.count for fit in estimate.fits]


async def test_the_best_that_fits_is_the_best_quality_and_not_the_dearest() -> None:
    estimate = await _estimate(**SHOTS, model="gpt-image-2.6-sunburst")
    fitting = [
        fit.quality for fit in estimate.fits if fit.is_enough and fit.model == "gpt-image-2.6-sunburst"
    ]
    assert estimate.best_fit
    assert QUALITIES.index(estimate.best_fit.quality) == max(map(QUALITIES.index, fitting))


async def test_models_are_compared_at_the_quality_that_was_asked_for() -> None:
    estimate = await _estimate(**SHOTS, quality="xhigh", model="gpt-image-2.6-flare")
    others = {fit.model: fit.quality for fit in estimate.fits if fit.model != "gpt-image-2.6-flare"}
    assert others["gpt-image-2"] == "high"
    assert others["gpt-image-2.6-sunburst"] == "xhigh"


async def test_where_the_amount_pays_for_too_few_that_is_said() -> None:
    estimate = await _estimate(n=1000, budget_usd=0.5)
    assert estimate.best_fit is None
    assert "None pays for all 1000" in _next(estimate)


@settings(max_examples=10)
@given(n=st.integers(1, 1000), images=st.integers(0, 16))
async def test_many_images_cost_as_much_as_their_calls_together(n: int, images: int) -> None:
    whole = await _estimate(n=n, input_images=images, quality="high", size="1024x1024")
    full = await _estimate(n=10, input_images=images, quality="high", size="1024x1024")
    rest = await _estimate(n=n % 10 or 10, input_images=images, quality="high", size="1024x1024")
    assert whole.quote.expected_usd is not None
    assert full.quote.expected_usd is not None
    assert rest.quote.expected_usd is not None
    calls = n // 10 if n % 10 else n // 10 - 1
    assert whole.quote.expected_usd == calls * full.quote.expected_usd + rest.quote.expected_usd


@pytest.mark.parametrize(
    "wrong",
    [{"n": 0}, {"n": 1001}, {"budget_usd": -1}, {"budget_usd": math.inf}, {"budget_usd": math.nan}],
)
async def test_what_is_no_number_of_images_or_dollars_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument):
        await _estimate(**wrong)


@pytest.mark.parametrize(
    ("configured", "model", "key", "said"),
    [
        (Settings(), "", "missing", "OPENAI_API_KEY"),
        (Settings(api_key=SecretStr("sk-test-0123456789")), "", "set", "doctor"),
        (Settings(sandbox=True), "", "sandbox", "nothing is paid"),
        (Settings(), "sandbox", "sandbox", "nothing is paid"),
    ],
)
async def test_a_quote_says_whether_there_is_a_key_and_never_which(
    configured: Settings, model: str, key: str, said: str
) -> None:
    estimate = await _estimate(configured, model=model)
    text = estimate_text(estimate, _next(estimate)) + str(estimate_content(estimate, next_step=""))
    assert estimate.key == key
    assert said in text
    assert "sk-test" not in text
    assert estimate.quote.low_usd != Decimal(0)
