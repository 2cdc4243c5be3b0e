"""What every request goes through on its way in: only arguments of tools, which hold images, may be long.

A name or an address of megabytes is compared, cut, logged and sent back, while nobody else is answered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from mcp.shared.exceptions import MCPError
from mcp.types import INVALID_PARAMS

if TYPE_CHECKING:
    from mcp.server.context import CallNext, HandlerResult, ServerRequestContext

MOST_CHARACTERS = 100_000


async def require_short(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    """A middleware of the SDK's server: refuses a request with too many characters beside those arguments.

    Raises:
        MCPError: With the number.
    """
    params = dict(ctx.params or {})
    if ctx.method == "tools/call":
        params.pop("arguments", None)
    characters = len(ctx.method) + _characters_in(params)
    if characters > MOST_CHARACTERS:
        most = f"{MOST_CHARACTERS:,} are read beside the arguments of a tool"
        raise MCPError(INVALID_PARAMS, f"The request has {characters:,} characters; {most}.")
    return await call_next(ctx)


def _characters_in(value: object) -> int:
    """How many characters all texts in a value have together."""
    characters, waiting = 0, [value]
    while waiting:
        part = waiting.pop()
        if isinstance(part, str):
            characters += len(part)
        elif isinstance(part, dict):
            waiting += [*cast("dict[str, object]", part).keys(), *cast("dict[str, object]", part).values()]
        elif isinstance(part, list):
            waiting += cast("list[object]", part)
    return characters
