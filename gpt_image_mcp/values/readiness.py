"""Whether what a server needs can be used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Part: TypeAlias = Literal["database", "storage", "key"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PartState:
    """Whether one part can be used.

    Attributes:
        seconds: How long the last look at it took; None if none has ended yet.
    """

    part: Part
    is_usable: bool
    seconds: float | None
