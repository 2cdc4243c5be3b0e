"""What every request goes through on its way in: only arguments of tools, which hold images, may be long.

A name or an address of megabytes is compared, cut, logged and sent back, while nobody else is answered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mcp.shared.exceptions import MCPError
from mcp.types import INVALID_PARAMS

from gpt_image_mcp.values.json import parts_of

if TYPE_CHECKING:
    from mcp.server.context import CallNext, HandlerResult, ServerRequestContext

_MOST_CHARACTERS = 100_000


async def require_short(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    """A middleware of the SDK's server: refuses a request with too many characters beside those arguments.

    A notification, which nobody answers, is dropped.

    Raises:
        MCPError: With the number.
    """
    params = dict(ctx.params or {})
    if ctx.method == "tools/call":
        params.pop("arguments", None)
    said = (ctx.method, ctx.request_id, *parts_of(params))
    characters = sum(len(part) for part in said if isinstance(part, str))
    if characters > _MOST_CHARACTERS:
        if ctx.request_id is None:
            return None
        most = f"{_MOST_CHARACTERS:,} are read beside the arguments of a tool: shorten it"
        raise MCPError(INVALID_PARAMS, f"The request has {characters:,} characters; {most}.")
    return await call_next(ctx)
