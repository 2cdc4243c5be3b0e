"""What calls may cost, did cost, and are allowed to cost: exact ``Decimal`` numbers of US dollars."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from gpt_image_mcp.values.budgets import Standing

KeyState: TypeAlias = Literal["set", "missing", "sandbox"]
CostBasis: TypeAlias = Literal["usage", "usage+quote", "quote", "unknown"]
# More than any account has.
MOST_USD = 1_000_000_000
# Under which name a list of sums has the sum of what it leaves out.
OTHERS = "others"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """What a call may cost, before it is made; amounts that nobody can tell are None.

    Attributes:
        expected_usd: The estimate, where the number of output tokens is certain.
        low_usd: The least it can cost; 0 where the output tokens of the model are not published.
        high_usd: The most it can cost, which is what a budget reserves.
        basis: One sentence: which rule and which rates gave the numbers.
    """

    expected_usd: Decimal | None = None
    low_usd: Decimal | None = None
    high_usd: Decimal | None = None
    basis: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a call did cost, as far as can be told. ``usd`` is None when it cannot."""

    usd: Annotated[Decimal, Field(ge=0, le=10_000, decimal_places=100)] | None
    basis: CostBasis


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """The limits on spending and what is left of them; None means no limit.

    Attributes:
        daily_usd: That of the whole library.
        spent_today_usd: By the caller; for whoever uses this machine, by everybody.
        left_today_usd: What the limits of days leave, whoever they are of.
        standings: The limits of a person, their group and the model.
        is_of_person: Whether they are those of a person who signed in, who can raise none of them.
    """

    per_call_usd: Decimal | None = None
    daily_usd: Decimal | None = None
    spent_today_usd: Decimal
    left_today_usd: Decimal | None = None
    standings: tuple[Standing, ...] = ()
    is_of_person: bool = False

    def leaves(self, usd: Decimal) -> bool:
        """Whether a call that costs so much is within all limits."""
        left = (self.per_call_usd, self.left_today_usd, *(standing.left_usd for standing in self.standings))
        return all(limit is None or usd <= limit for limit in left)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """How many images of one kind an amount of money pays for, at their highest price.

    Attributes:
        total: The price of as many as were asked for.
    """

    model: str
    quality: str
    size: str
    each: Quote
    total: Quote
    count: int
    is_enough: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A quote for images of one kind, the same at every quality, and the budget left.

    Attributes:
        n: How many, also more than one call makes.
        key: Whether there is a key to make it with, or none is needed.
        has_key: Whether one is set.
        budget_usd: The amount that ``fits`` was made for, if one was named.
        best_fit: The best quality of which the amount pays for all, and of equal ones the dearest.
    """

    model: str
    size: str
    quality: str
    n: int
    output_format: str
    input_images: int
    quote: Quote
    by_quality: dict[str, Quote] = field(default_factory=dict[str, Quote])
    budget: Budget
    key: KeyState
    has_key: bool
    budget_usd: Decimal | None = None
    fits: tuple[Fit, ...] = ()
    best_fit: Fit | None = None
    notes: tuple[str, ...] = ()
