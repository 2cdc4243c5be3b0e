"""Limits on spending, as tests write them."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from gpt_image_mcp.values.budgets import Limit

if TYPE_CHECKING:
    from gpt_image_mcp.values.budgets import Period


def limits(*, per_call: str | None = None, daily: str | None = None) -> tuple[Limit, ...]:
    """The limits of the whole library, in dollars."""
    wanted: tuple[tuple[Period, str | None], ...] = (("call", per_call), ("day", daily))
    return tuple(Limit(usd=Decimal(usd), period=period) for period, usd in wanted if usd is not None)
