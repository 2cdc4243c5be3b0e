"""The name of what enters and leaves as JSON."""

from __future__ import annotations

from typing import Any, TypeAlias

# An object as it is parsed or about to be written; inside the program, values have classes of their own.
JsonObject: TypeAlias = dict[str, Any]
