"""The studio that tools and resources use, for as long as the server runs.

Nothing is opened and nothing in the environment is read at import. The transport decides which files a call
may name, so that it does not matter who started the server: ``gpt-image-mcp serve``, ``fastmcp run`` or a
program that embeds it.
"""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, cast

from gpt_image_mcp.settings import Settings, read_settings
from gpt_image_mcp.studio import Studio
from gpt_image_mcp.visible_text import log_visibly

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from fastmcp import Context, FastMCP

_NETWORK_TRANSPORTS = ("streamable-http", "sse")


class Studios:
    """The studios of a running server: one for callers on this machine, one for callers over HTTP.

    A caller over HTTP may be somebody else, so local files are read and saved for it only in the folders
    that are named for that. A server has one transport as a rule, and then opens one studio.

    Args:
        settings: Those of the environment.
        exits: Closes what is opened here.
    """

    def __init__(self, settings: Settings, exits: AsyncExitStack) -> None:
        self.settings = settings
        self._exits = exits
        self._studios: dict[bool, Studio] = {}

    def of(self, context: Context) -> Studio:
        """The studio for the caller of a request."""
        is_remote = context.transport in _NETWORK_TRANSPORTS
        if is_remote not in self._studios:
            studio = Studio(_for_remote_callers(self.settings) if is_remote else self.settings)
            self._exits.push_async_callback(studio.aclose)
            self._studios[is_remote] = studio
        return self._studios[is_remote]


@asynccontextmanager
async def lifespan(_server: FastMCP) -> AsyncGenerator[dict[str, object]]:
    """Reads the settings when the server starts, and closes the studios when it ends."""
    log_visibly()
    async with AsyncExitStack() as exits:
        yield {"studios": Studios(read_settings(), exits)}


def studio_of(context: Context) -> Studio:
    """The studio for the caller of a request."""
    return cast("Studios", context.lifespan_context["studios"]).of(context)


def settings_of(context: Context | None) -> Settings | None:
    """The settings of the running server; None where a server is only inspected and never started."""
    studios = cast("Studios | None", context.lifespan_context.get("studios") if context else None)
    return studios.settings if studios else None


def _for_remote_callers(settings: Settings) -> Settings:
    """The settings, with no local input files and one output folder unless folders are named for them."""
    roots = {"input_roots": settings.input_roots or (), "output_roots": settings.output_roots or ()}
    return settings.model_copy(update=roots)
