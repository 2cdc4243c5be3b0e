"""``/health``, beside MCP wherever the server is served over HTTP: for whoever watches over it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import JSONResponse

from gpt_image_mcp.mcp_app.app import mcp

if TYPE_CHECKING:
    from starlette.requests import Request

HEALTH_PATH = "/health"


@mcp.custom_route(HEALTH_PATH, methods=["GET"])
async def health(_request: Request) -> JSONResponse:
    """That the server runs, and which version."""
    return JSONResponse({"status": "ok", "name": mcp.name, "version": mcp.version})
