"""``/metrics``, for an administrator's Prometheus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastmcp import Context
from starlette.responses import PlainTextResponse, Response

from gpt_image_mcp.errors import StorageFailed
from gpt_image_mcp.mcp_app.access import signed_in
from gpt_image_mcp.mcp_app.app import mcp
from gpt_image_mcp.mcp_app.lifespan import studios_of
from gpt_image_mcp.team.scopes import ADMIN
from gpt_image_mcp.threads import in_thread

if TYPE_CHECKING:
    from starlette.requests import Request

    from gpt_image_mcp.mcp_app.lifespan import Studios
    from gpt_image_mcp.team.metrics import Readings

METRICS_PATH = "/metrics"
_NOT_INSTALLED = "Metrics need the extra team: install gpt-image-mcp-server[team].\n"


@mcp.custom_route(METRICS_PATH, methods=["GET"])
async def metrics(request: Request) -> Response:
    """What Prometheus asks for, with the token of an administrator where people sign in."""
    studios = studios_of(Context(mcp))
    signed_in(request, studios.settings, scope=ADMIN)
    try:
        from gpt_image_mcp.team.metrics import exposition
    except ImportError:
        return PlainTextResponse(_NOT_INSTALLED, 501)
    readings = await _read(studios)
    body, media_type = await in_thread(exposition, readings, request.headers.get("accept", ""))
    return Response(body, headers={"Content-Type": media_type, "Cache-Control": "no-store"})


async def _read(studios: Studios) -> Readings:
    from gpt_image_mcp.team.metrics import Readings

    parts = await studios.local.operations.check_parts()
    has_database = all(state.is_usable for state in parts if state.part == "database")
    try:
        totals = await studios.local.operations.call_totals() if has_database else None
    except StorageFailed:  # it went away just now
        totals = None
    return Readings(
        totals=totals,
        parts=parts,
        stages=studios.stages,
        people=studios.active_people,
        model_names=studios.settings.model_aliases.keys(),
    )
