"""Who may do what, where people sign in: which tools a token may call, and who asks for a route of ours.

Every request of MCP needs ``images:read``; FastMCP refuses the others before they come here. A tool that is
not marked as only reading needs ``images:spend`` too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from fastmcp.server.dependencies import get_access_token
from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from starlette.exceptions import HTTPException

from gpt_image_mcp.errors import AuthenticationFailed
from gpt_image_mcp.mcp_app.lifespan import NETWORK_TRANSPORTS, settings_of
from gpt_image_mcp.mcp_app.tool_results import ToolFailure
from gpt_image_mcp.team.identity import owner_of
from gpt_image_mcp.team.scopes import READ, SPEND, Scope
from gpt_image_mcp.values.owners import LOCAL, Owner

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastmcp.server.auth import AccessToken
    from fastmcp.server.context import Context
    from fastmcp.tools import Tool, ToolResult
    from mcp.types import CallToolRequestParams, ListToolsRequest
    from starlette.requests import Request

    from gpt_image_mcp.settings import Settings


def signed_in(request: Request, settings: Settings, *, scope: Scope = READ) -> Owner:
    """Who asks for a custom route, which FastMCP leaves open; whoever asks, where nobody signs in.

    Args:
        request: The request; the token in it was verified by the application's own provider.
        settings: Those of the server.
        scope: What the token must have.

    Raises:
        HTTPException: 401 without a valid token, 403 with one that has not the scope.
    """
    if not settings.is_served:
        return LOCAL
    user = request.scope.get("user")
    if not isinstance(user, AuthenticatedUser):
        raise HTTPException(401, "Sign in first.", {"WWW-Authenticate": f'Bearer scope="{scope}"'})
    if scope not in user.scopes:
        challenge = f'Bearer error="insufficient_scope", scope="{scope}"'
        raise HTTPException(403, f"This needs the scope {scope}.", {"WWW-Authenticate": challenge})
    return owner_of(cast("AccessToken", user.access_token), settings)


class ToolScopes(Middleware):
    """Lists and runs only the tools that the token of a request may call."""

    async def on_list_tools(
        self,
        context: MiddlewareContext[ListToolsRequest],
        call_next: CallNext[ListToolsRequest, Sequence[Tool]],
    ) -> Sequence[Tool]:
        """The tools that this token may call."""
        tools = await call_next(context)
        scopes = _scopes(context.fastmcp_context)
        return tools if scopes is None else [tool for tool in tools if needed_scope(tool) in scopes]

    async def on_call_tool(
        self,
        context: MiddlewareContext[CallToolRequestParams],
        call_next: CallNext[CallToolRequestParams, ToolResult],
    ) -> ToolResult:
        """Runs the tool, or says which scope is missing."""
        server, scopes = context.fastmcp_context, _scopes(context.fastmcp_context)
        tool = await server.fastmcp.get_tool(context.message.name) if server and scopes is not None else None
        if tool and scopes is not None and (scope := needed_scope(tool)) not in scopes:
            message = f"{tool.name} needs the scope {scope}; this sign-in has {', '.join(sorted(scopes))}."
            step = f"Ask whoever runs the server for a sign-in with {scope}, and connect again."
            raise ToolFailure(AuthenticationFailed(message, next_step=step))
        return await call_next(context)


def needed_scope(tool: Tool) -> Scope:
    """The scope that a tool needs: ``images:spend`` unless it is marked as only reading."""
    return READ if tool.annotations and tool.annotations.read_only_hint else SPEND


def _scopes(context: Context | None) -> frozenset[str] | None:
    """The scopes of a request's token; None where nobody signs in."""
    settings = settings_of(context)
    if not settings or not settings.is_served or not context or context.transport not in NETWORK_TRANSPORTS:
        return None
    token: AccessToken | None = get_access_token()
    return frozenset(token.scopes if token else ())
