"""The MCP server: ``mcp`` with all its tools and resources, for ``fastmcp run`` and for ``serving.py``."""

from gpt_image_mcp.mcp_app import completions, prompts, resources, tasks
from gpt_image_mcp.mcp_app.app import mcp
from gpt_image_mcp.mcp_app.tool_groups import ToolGroups
from gpt_image_mcp.mcp_app.tools import edits, exports, history, images, sessions

mcp.add_middleware(ToolGroups())

__all__ = [
    "completions",
    "edits",
    "exports",
    "history",
    "images",
    "mcp",
    "prompts",
    "resources",
    "sessions",
    "tasks",
]
