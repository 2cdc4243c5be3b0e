"""The three places where we use what FastMCP does not publish: if one fails, read what is said there."""

from __future__ import annotations

import re
from pathlib import Path

from fastmcp.server.http import StreamableHTTPASGIApp
from mcp.server.lowlevel import Server
from mcp.server.transport_security import RequestBodyLimitMiddleware
from starlette.routing import Route

import gpt_image_mcp
from gpt_image_mcp.mcp_app.outgoing import send_what_is_known
from gpt_image_mcp.server import mcp


def test_the_server_below_fastmcp_is_the_sdks_and_runs_over_any_streams() -> None:
    """``stdio.py`` runs it over its own lines, and ``app.py`` adds a middleware to it."""
    protocol = mcp._mcp_server  # pyright: ignore[reportPrivateUsage]
    assert isinstance(protocol, Server)
    assert protocol.create_initialization_options().server_name == mcp.name
    assert send_what_is_known in protocol.middleware


async def test_the_limit_on_bodies_is_found_and_replaced() -> None:
    """``http_middleware.py`` replaces it where FastMCP has put the SDK's default."""
    app = mcp.http_app(path="/mcp")
    (route,) = [route for route in app.routes if isinstance(route, Route) and route.path == "/mcp"]
    endpoint = route.endpoint
    assert isinstance(endpoint, StreamableHTTPASGIApp)
    async with app.router.lifespan_context(app):
        assert endpoint.session_manager is not None
        handler = endpoint.session_manager.asgi_app
    assert not isinstance(handler, RequestBodyLimitMiddleware)
    assert callable(handler)


def test_no_other_private_name_is_used() -> None:
    """The linter refuses every other, because none is excused."""
    package = Path(gpt_image_mcp.__file__).parent
    excused = {
        path.name: len(re.findall(r"noqa:.*SLF001", path.read_text()))
        for path in package.rglob("*.py")
        if "SLF001" in path.read_text()
    }
    assert excused == {"app.py": 1, "stdio.py": 1}
