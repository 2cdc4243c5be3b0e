"""How far a running call is, for whoever watches it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

Stage: TypeAlias = Literal["checked", "uploading", "queued", "drawing", "saved"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """One step of a running call, for whoever watches it.

    Attributes:
        fraction: 0 to 1, never going back within a call.
        message: A sentence for a person.
    """

    stage: Stage
    fraction: float
    message: str


ProgressWatcher: TypeAlias = Callable[[Progress], Awaitable[None]]
