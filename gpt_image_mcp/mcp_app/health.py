"""``/health`` and ``/ready``, beside MCP wherever it is served over HTTP, for whoever watches over it.

Both are open to everybody who reaches the address, so they say nothing that a stranger must not know.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastmcp import Context
from starlette.responses import JSONResponse

from gpt_image_mcp.mcp_app.app import mcp
from gpt_image_mcp.mcp_app.lifespan import studios_of

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import Scope

HEALTH_PATH, READY_PATH = "/health", "/ready"
_LEAVING = "is_leaving"


@mcp.custom_route(HEALTH_PATH, methods=["GET"])
async def health(_request: Request) -> JSONResponse:
    """That the server runs, and which version."""
    return JSONResponse({"status": "ok", "name": mcp.name, "version": mcp.version})


@mcp.custom_route(READY_PATH, methods=["GET"])
async def ready(request: Request) -> JSONResponse:
    """Whether a balancer should send calls here; if not, 503 with the parts that cannot be used."""
    parts = await studios_of(Context(mcp)).local.operations.check_parts()
    missing: list[str] = [state.part for state in parts if not state.is_usable]
    if getattr(request.state, _LEAVING, False):
        missing.insert(0, "server")
    if missing:
        return JSONResponse({"status": "not ready", "parts": missing}, 503)
    return JSONResponse({"status": "ready"})


def note_leaving(scope: Scope) -> None:
    """Tells what answers a request that the server has begun to leave."""
    scope.setdefault("state", {})[_LEAVING] = True
