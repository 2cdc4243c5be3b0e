"""What enters and leaves as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias, cast

if TYPE_CHECKING:
    from collections.abc import Iterator

# An object as it is parsed or about to be written; inside the program, values have classes of their own.
JsonObject: TypeAlias = dict[str, Any]
# That a client sends at once: 64 regions of 1,000 points each have 192,000. A value takes many times its text
# in memory.
MOST_VALUES = 250_000


def parts_of(value: object) -> Iterator[object]:
    """A value and all values within it, the names in objects too; a list or object before what it holds."""
    waiting = [value]
    while waiting:
        part = waiting.pop()
        yield part
        if isinstance(part, dict):
            fields = cast("JsonObject", part)
            waiting += [*fields, *fields.values()]
        elif isinstance(part, list):
            waiting += cast("list[object]", part)
