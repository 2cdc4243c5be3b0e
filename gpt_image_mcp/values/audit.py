"""What the audit log says of one ending."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, TypeAlias

from pydantic import PlainSerializer

# Exact in JSON, where a number would be rounded by whoever reads it.
_Usd: TypeAlias = Annotated[Decimal, PlainSerializer("{:f}".format, return_type=str)]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One row of the audit log.

    Attributes:
        at: When it was written, which is when the call ended.
        day: The day of the library that budgets count it on, which is when the call began.
        kind: Of the call, or ``delete``.
        outcome: ``completed``, ``deleted``, ``outcome_unknown``, or the code of the error.
        cost_usd: What it adds to the sum of the day. A call whose outcome is unknown counts what was
            reserved; if its process comes back and settles it, a second row adds the difference.
        image_id: The image that was deleted; empty for a call.
        prompt: None unless the settings keep it.
    """

    id: str
    at: datetime
    day: str
    person: str
    group: str
    kind: str
    model: str
    outcome: str
    cost_usd: _Usd
    sandbox: bool
    call_id: str
    image_id: str
    request_id: str
    prompt: str | None
