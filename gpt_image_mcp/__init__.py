"""OpenAI's gpt-image models for MCP clients, scripts and Python programs.

The public names are loaded when first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gpt_image_mcp.settings import Settings
    from gpt_image_mcp.studio import Studio

    __version__: str

__all__ = ["Settings", "Studio", "__version__"]

_HOMES = {"Settings": "gpt_image_mcp.settings", "Studio": "gpt_image_mcp.studio"}


def __getattr__(name: str) -> object:
    """Load ``Settings``, ``Studio`` or ``__version__`` on first use."""
    if name == "__version__":
        from importlib.metadata import version

        return version("gpt-image-mcp-server")
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
