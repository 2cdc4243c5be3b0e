"""How broad the arguments of a call may be.

Each entry of a list or object is spelled, judged and complained about by itself, while nobody else is
answered. No tool takes more of them than a polygon has points.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from gpt_image_mcp.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_ENTRIES = 1_000


def require_narrow(arguments: Mapping[str, object]) -> None:
    """Refuses arguments among or in which a list or object has too many entries.

    Raises:
        InvalidArgument: With the number.
    """
    waiting: list[object] = [arguments]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            value = list(cast("dict[str, object]", value).values())
        if not isinstance(value, list):
            continue
        entries = cast("list[object]", value)
        if len(entries) > MOST_ENTRIES:
            message = f"The arguments have a list or object of {len(entries):,} entries."
            raise InvalidArgument(message, next_step=f"Send at most {MOST_ENTRIES:,} in one.")
        waiting += entries
