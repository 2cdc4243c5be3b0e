"""Quotes as structured content and as text: what a call would cost, and what fits an amount of money."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpt_image_mcp.presentation.structured import QuoteContent, StructuredContent, dollars, quote_content
from gpt_image_mcp.presentation.text import joined, quote_text

if TYPE_CHECKING:
    from decimal import Decimal

    from gpt_image_mcp.money import Budget, Estimate, Fit
    from gpt_image_mcp.values.budgets import Standing

_TESTED = 'the command "gpt-image-mcp doctor" tests it, free of charge.'
_KEYS = {
    "set": f"The key is set; {_TESTED}",
    "missing": f"No key is set (OPENAI_API_KEY), so a call would be refused; once it is, {_TESTED}",
    "sandbox": "In the sandbox nothing is paid and no key is needed: these are OpenAI's prices.",
}


class StandingContent(StructuredContent):
    """How far a limit of a person, a group or a model is used up; ``limit`` says whose and for what."""

    limit: str
    usd: float
    spent_usd: float
    reserved_usd: float
    left_usd: float
    begins_anew: str


class BudgetContent(StructuredContent):
    """The limits on spending, and what is left of them."""

    max_cost_usd: float | None = None
    daily_budget_usd: float | None = None
    spent_today_usd: float | None = None
    left_today_usd: float | None = None
    limits: list[StandingContent] | None = None


class FitContent(StructuredContent):
    """How many images of one kind an amount of money pays for, and the price of as many as were asked for."""

    model: str
    quality: str
    size: str
    fits: int
    is_enough: bool
    each: QuoteContent
    total: QuoteContent


class EstimateContent(QuoteContent):
    """The price of a call, and everything that the price depends on."""

    model: str
    size: str
    quality: str
    n: int
    output_format: str
    input_images: int
    cost_basis: str
    by_quality: dict[str, QuoteContent]
    budget_usd: float | None = None
    fits: list[FitContent] | None = None
    budget: BudgetContent
    key: str
    notes: list[str]
    next: str


def estimate_content(estimate: Estimate, *, next_step: str) -> EstimateContent:
    """The structured content of a quote."""
    budget = estimate.budget
    quoted = quote_content(estimate.quote)
    return EstimateContent(
        model=estimate.model,
        size=estimate.size,
        quality=estimate.quality,
        n=estimate.n,
        output_format=estimate.output_format,
        input_images=estimate.input_images,
        cost_usd_estimated=quoted.cost_usd_estimated,
        cost_range_usd=quoted.cost_range_usd,
        cost_basis=estimate.quote.basis,
        by_quality={name: quote_content(quote) for name, quote in estimate.by_quality.items()},
        budget_usd=dollars(estimate.budget_usd),
        fits=[_fit_content(fit) for fit in estimate.fits] if estimate.budget_usd else None,
        budget=BudgetContent(
            max_cost_usd=dollars(budget.per_call_usd),
            daily_budget_usd=dollars(budget.daily_usd),
            spent_today_usd=dollars(budget.spent_today_usd),
            left_today_usd=dollars(budget.left_today_usd),
            limits=[_standing_content(standing) for standing in budget.standings] or None,
        ),
        key=estimate.key,
        notes=list(estimate.notes),
        next=next_step,
    )


def estimate_text(estimate: Estimate, next_step: str) -> str:
    """The text of a quote."""
    budget = estimate.budget
    lines = [
        (
            f"{estimate.n} image(s) with {estimate.model}, size {estimate.size}, quality {estimate.quality}, "
            f"{estimate.input_images} input image(s): {quote_text(estimate.quote)}."
        ),
        f"Basis: {estimate.quote.basis}",
        *_by_quality(estimate),
        *_fits(estimate),
        f"Spent today: ${budget.spent_today_usd:.4f}"
        + ("" if budget.left_today_usd is None else f", left today: ${budget.left_today_usd:.4f}")
        + ("" if budget.per_call_usd is None else f", at most ${budget.per_call_usd:.4f} a call"),
        *(
            f"Left of ${standing.limit.usd:.4f} of {standing.limit.title}: ${standing.left_usd:.4f}, "
            f"until {standing.begins_anew}."
            for standing in budget.standings
        ),
        *_about_key(estimate),
    ]
    return joined(lines, notes=estimate.notes, next_step=next_step)


def _about_key(estimate: Estimate) -> list[str]:
    """Whether a key is set, and how to test it."""
    if estimate.key != "sandbox":
        return [_KEYS[estimate.key]]
    is_set = "A key is set" if estimate.has_key else "No key is set (OPENAI_API_KEY); once it is"
    return [f"{_KEYS[estimate.key]} {is_set}{';' if estimate.has_key else ','} {_TESTED}"]


def next_step_after_estimate(estimate: Estimate, *, generate: str, edit: str) -> str:
    """What to do next with a quote, in one sentence.

    Args:
        estimate: The quote.
        generate: How this caller makes an image: ``Call generate_image``, ``Run generate``.
        edit: How this caller edits one.
    """
    budget, most = estimate.budget, estimate.quote.high_usd
    if most and not budget.leaves(most):
        return (
            "This may cost more than the budget leaves: choose a cheaper quality or size"
            f"{_other_ways(budget, most)}."
        )
    call = edit if estimate.input_images else generate
    best = estimate.best_fit
    if best:
        return f"{call} with model {best.model} and quality {best.quality}, the best that fits."
    if estimate.budget_usd:
        return f"None pays for all {estimate.n}: ask for fewer, a smaller size, or allow more."
    return f"{call} with these arguments, or with a cheaper quality."


def _other_ways(budget: Budget, usd: Decimal) -> str:
    """What else helps where a budget leaves too little for an amount."""
    if budget.per_call_usd is not None and usd > budget.per_call_usd:
        wait, setting = "", "GPT_IMAGE_MAX_COST_USD"
    else:
        is_of_file = any(usd > standing.left_usd for standing in budget.standings)
        wait = ", wait until it begins anew"
        setting = "the limit in GPT_IMAGE_BUDGETS_FILE" if is_of_file else "GPT_IMAGE_DAILY_BUDGET_USD"
    return f"{wait}, or " + ("ask whoever runs the server" if budget.is_of_person else f"raise {setting}")


def _standing_content(standing: Standing) -> StandingContent:
    return StandingContent(
        limit=standing.limit.title,
        usd=float(standing.limit.usd),
        spent_usd=float(standing.spent_usd),
        reserved_usd=float(standing.reserved_usd),
        left_usd=float(standing.left_usd),
        begins_anew=standing.begins_anew,
    )


def _fit_content(fit: Fit) -> FitContent:
    return FitContent(
        model=fit.model,
        quality=fit.quality,
        size=fit.size,
        fits=fit.count,
        is_enough=fit.is_enough,
        each=quote_content(fit.each),
        total=quote_content(fit.total),
    )


def _by_quality(estimate: Estimate) -> list[str]:
    quotes = ", ".join(f"{name} {quote_text(quote)}" for name, quote in estimate.by_quality.items())
    return [f"By quality: {quotes}"] if quotes else []


def _fits(estimate: Estimate) -> list[str]:
    """A line for each kind of image, with how many an amount pays for."""
    if not estimate.budget_usd:
        return []
    lines = [f"What ${estimate.budget_usd:.2f} pays for, of {estimate.n}:"]
    for fit in estimate.fits:
        number = f"all {estimate.n} for {quote_text(fit.total)}" if fit.is_enough else f"{fit.count}"
        lines.append(f"- {fit.model}, {fit.quality}, {fit.size}: {number} ({quote_text(fit.each)} each)")
    return lines
