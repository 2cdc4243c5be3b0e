"""Quoting a call without making it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gpt_image_mcp.calls.planning import without_sandbox
from gpt_image_mcp.catalogue.prices import quote, quotes_by_quality
from gpt_image_mcp.catalogue.validation import PINNED, require_single, validate_input_images, validate_request
from gpt_image_mcp.money import Budget, Estimate

if TYPE_CHECKING:
    from gpt_image_mcp.library.store import Library
    from gpt_image_mcp.settings import Settings
    from gpt_image_mcp.values.options import OutputOptions

_ANY_PROMPT = "any"


def estimate(options: OutputOptions, *, input_images: int, settings: Settings, library: Library) -> Estimate:
    """Quotes a call of this shape, at every quality, without making it.

    Raises:
        RequestError: If the call could not be made as described.
    """
    checked = validate_request(
        _ANY_PROMPT, without_sandbox(options, settings), moderation="auto", settings=settings
    )
    validate_input_images(input_images, checked.model)
    host_model = ""
    if input_images and settings.force_responses_edits:
        require_single(checked.request.n, PINNED)
        host_model = settings.responses_edit_model
    request = replace(checked.request, prompt="")
    return Estimate(
        model=request.model,
        size=request.size,
        quality=request.quality,
        n=request.n,
        output_format=request.output_format,
        input_images=input_images,
        quote=quote(checked.model, request, input_images=input_images, host_model=host_model),
        by_quality=quotes_by_quality(
            checked.model, request, input_images=input_images, host_model=host_model
        ),
        budget=_budget(settings, library),
        notes=checked.notes,
    )


def _budget(settings: Settings, library: Library) -> Budget:
    spent = library.ledger.spent_usd()
    daily = settings.daily_budget_usd
    return Budget(
        per_call_usd=settings.max_cost_usd,
        daily_usd=daily,
        spent_today_usd=spent,
        left_today_usd=None if daily is None else max(daily - spent, daily * 0),
    )
