"""Which tools a server offers: those of the groups in ``GPT_IMAGE_TOOLS``. The others are hidden.

Every schema costs tokens in every conversation, so a user who never needs a group can leave it out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext

from gpt_image_mcp.errors import NotFound
from gpt_image_mcp.mcp_app.tool_results import ToolFailure
from gpt_image_mcp.settings import TOOL_GROUPS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastmcp.tools import Tool, ToolResult
    from mcp.types import CallToolRequestParams, ListToolsRequest

    from gpt_image_mcp.settings import ToolGroup
    from gpt_image_mcp.studio import Studio

# Not FastMCP's tags, because they are published with every tool.
group_of_tool: dict[str, ToolGroup] = {
    "generate_image": "core",
    "edit_image": "core",
    "batch_edit_images": "core",
    "get_image": "core",
    "find_images": "core",
    "estimate_cost": "core",
    "start_edit_session": "sessions",
    "continue_edit_session": "sessions",
    "end_edit_session": "sessions",
    "list_edit_sessions": "sessions",
    "export_image": "export",
}


class ToolGroups(Middleware):
    """Hides the tools of groups that are not configured: they are neither listed nor called."""

    async def on_list_tools(
        self,
        context: MiddlewareContext[ListToolsRequest],
        call_next: CallNext[ListToolsRequest, Sequence[Tool]],
    ) -> Sequence[Tool]:
        """The tools of the configured groups."""
        groups = _groups(context)
        return [tool for tool in await call_next(context) if group_of_tool.get(tool.name, "core") in groups]

    async def on_call_tool(
        self,
        context: MiddlewareContext[CallToolRequestParams],
        call_next: CallNext[CallToolRequestParams, ToolResult],
    ) -> ToolResult:
        """Runs the tool, or says which setting hides it."""
        name, groups = context.message.name, _groups(context)
        group = group_of_tool.get(name)
        if group is not None and group not in groups:
            message = f"{name} is not offered here: GPT_IMAGE_TOOLS is {','.join(sorted(groups))}."
            step = (
                f"Ask the user to add {group} to GPT_IMAGE_TOOLS, or to unset it, and to restart the server."
            )
            raise ToolFailure(NotFound(message, next_step=step))
        return await call_next(context)


def _groups(context: MiddlewareContext[Any]) -> frozenset[ToolGroup]:
    """The configured groups; all groups if the lifespan has not begun, as when a server is only inspected."""
    server = context.fastmcp_context
    studio = cast("Studio | None", server.lifespan_context.get("studio") if server else None)
    return studio.settings.tools if studio else frozenset(TOOL_GROUPS)
