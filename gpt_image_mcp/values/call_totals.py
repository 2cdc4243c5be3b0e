"""What calls come to together, for whoever watches over a server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class CallTotal:
    """The calls of one model, kind and status.

    Attributes:
        status: ``running`` or how they ended.
        seconds: How long they took together, where they ended.
        usd: What they cost, and of those whose cost is not known what is reserved; nothing in the sandbox.
    """

    model: str
    kind: str
    status: str
    sandbox: bool
    count: int
    seconds: float
    usd: Decimal
