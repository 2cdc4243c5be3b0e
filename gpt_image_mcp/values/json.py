"""What enters and leaves as JSON."""

from __future__ import annotations

from typing import Any, TypeAlias

# An object as it is parsed or about to be written; inside the program, values have classes of their own.
JsonObject: TypeAlias = dict[str, Any]
# That a client sends at once: 64 regions of 1,000 points each have 192,000. A value takes many times its text
# in memory.
MOST_VALUES = 250_000
