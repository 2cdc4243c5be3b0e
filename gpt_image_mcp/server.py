"""The MCP server: ``mcp`` with all that it offers, for ``fastmcp run`` and for our own commands."""

from gpt_image_mcp.mcp_app import completions, health, link_routes, metrics, prompts, resources, tasks
from gpt_image_mcp.mcp_app.app import mcp
from gpt_image_mcp.mcp_app.tools import deletion, edits, exports, history, images, sessions, uploads

__all__ = [
    "completions",
    "deletion",
    "edits",
    "exports",
    "health",
    "history",
    "images",
    "link_routes",
    "mcp",
    "metrics",
    "prompts",
    "resources",
    "sessions",
    "tasks",
    "uploads",
]
