"""The MCP server: ``mcp`` with all its tools and resources, for ``fastmcp run`` and for ``serving.py``."""

from gpt_image_mcp import resources
from gpt_image_mcp.application import mcp
from gpt_image_mcp.tools import edits, images, sessions

__all__ = ["edits", "images", "mcp", "resources", "sessions"]
