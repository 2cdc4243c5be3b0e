"""Limits on what calls may cost, each for a payer and a period, and how much of one is left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from decimal import Decimal

Period: TypeAlias = Literal["call", "day", "month"]
Payer: TypeAlias = Literal["library", "person", "group"]
_PERIODS = {"call": "one call", "day": "today", "month": "this month"}
_SETTINGS = {"call": "GPT_IMAGE_MAX_COST_USD", "day": "GPT_IMAGE_DAILY_BUDGET_USD"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """The most that calls may cost.

    Attributes:
        usd: US dollars of all calls that count together.
        period: ``call`` for each call by itself; days and months are those of the library's time zone.
        payer: Whose calls count: those of everybody, of a person, or charged to a group.
        name: The person or the group.
        model: The one model whose calls count; empty for all models.
        model_names: What it is called here besides, by a deployment or a gateway.
    """

    usd: Decimal
    period: Period
    payer: Payer = "library"
    name: str = ""
    model: str = ""
    model_names: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """Whose it is and for what, as people read it: ``group design for this month, gpt-image-2 only``."""
        whose = {"library": "the whole library", "person": self.name, "group": f"group {self.name}"}[
            self.payer
        ]
        only = f", {self.model} only" if self.model else ""
        return f"{whose} for {_PERIODS[self.period]}{only}"

    @property
    def setting(self) -> str:
        """The variable that sets it, where that is one for whoever uses this machine too; else empty."""
        return "" if self.payer != "library" or self.model else _SETTINGS.get(self.period, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How far a limit is used up.

    Attributes:
        spent_usd: What calls that ended did cost.
        reserved_usd: What those that run, or whose outcome is unknown, may cost at most.
        begins_anew: When the next day or month begins, with the time zone.
    """

    limit: Limit
    spent_usd: Decimal
    reserved_usd: Decimal
    begins_anew: str

    @property
    def left_usd(self) -> Decimal:
        """What further calls may cost; never negative."""
        return max(self.limit.usd - self.spent_usd - self.reserved_usd, self.limit.usd * 0)
