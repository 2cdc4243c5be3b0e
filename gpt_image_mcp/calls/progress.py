"""How far a running call is, as a fraction and a sentence: it is estimated, because the API does not say."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gpt_image_mcp.values.progress import Stage

# Drawing fills what lies between its start and this.
DRAWING_ENDS = 0.95
_STARTS: dict[Stage, float] = {
    "checked": 0.02,
    "uploading": 0.05,
    "queued": 0.08,
    "drawing": 0.1,
    "saved": 1.0,
}
_MESSAGES: dict[Stage, str] = {
    "checked": "checked: the request is valid and within budget",
    "uploading": "uploading the input images",
    "queued": "queued: waiting for its turn",
    "saved": "saved to disk",
}
# Of the rest, with each look.
_CREEPS_BY = 0.01
_UNKNOWN_EXPECTED_SECONDS = 40.0


def fraction_at(stage: Stage, *, elapsed_seconds: float, expected_seconds: float | None) -> float:
    """Where a call stands from 0 to 1; drawing comes ever nearer to its end without reaching it."""
    start = _STARTS[stage]
    if stage != "drawing":
        return start
    done = 1 - math.exp(-elapsed_seconds / (expected_seconds or _UNKNOWN_EXPECTED_SECONDS))
    return start + (DRAWING_ENDS - start) * done


def advanced(known: float, fraction: float, *, limit: float) -> float:
    """A fraction that is never behind the one known so far, and a little nearer to a limit than that.

    Some clients take a fraction that stands still for a call that does.
    """
    return max(fraction, known, known + (limit - known) * _CREEPS_BY)


def message_at(
    stage: Stage, *, elapsed_seconds: float, expected_seconds: float | None, has_partial: bool
) -> str:
    """The same for a person."""
    if stage != "drawing":
        return _MESSAGES[stage]
    usual = f", usually about {expected_seconds:.0f} s" if expected_seconds else ""
    seen = ", a partial image has arrived" if has_partial else ""
    return f"drawing: {elapsed_seconds:.0f} s so far{usual}{seen}"
