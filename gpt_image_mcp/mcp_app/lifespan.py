"""The studio that tools and resources use, for as long as the server runs.

Nothing is opened and nothing in the environment is read at import. The transport decides which files a call
may name, so that it does not matter who started the server: ``gpt-image-mcp serve``, ``fastmcp run`` or a
program that embeds it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from time import monotonic
from typing import TYPE_CHECKING, cast

from fastmcp.server.dependencies import get_access_token

from gpt_image_mcp.environment import secrets
from gpt_image_mcp.folders import person_folder
from gpt_image_mcp.settings import Settings, read_settings
from gpt_image_mcp.studio import Studio
from gpt_image_mcp.team.identity import owner_of
from gpt_image_mcp.values.owners import LOCAL, Owner
from gpt_image_mcp.visible_text import log_visibly

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from fastmcp import Context, FastMCP

    from gpt_image_mcp.values.progress import Stage

ACTIVE_SECONDS = 300
_WHOLE_FILES_AT_ONCE = 2
NETWORK_TRANSPORTS = ("streamable-http", "sse")


class Studios:
    """The studios of a running server: one for callers on this machine, one for each caller over HTTP.

    A caller over HTTP may be somebody else, so local files are read and saved for it only in the folders
    that are named for that. Where people sign in, each has a studio and a folder of their own, and all use
    one database and the same connections.

    Args:
        settings: Those of the environment.

    Attributes:
        local: The studio for callers on this machine; the others use its database and connections.
        whole_files: Held while a whole image is read to be sent, which takes memory several times.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.local = Studio(settings)
        self.whole_files = asyncio.Semaphore(_WHOLE_FILES_AT_ONCE)
        self._studios: dict[Owner, Studio] = {}
        self._seen: dict[Owner, float] = {}

    def of(self, context: Context) -> Studio:
        """The studio for the caller of a request.

        Raises:
            AuthenticationFailed: If people sign in here, and this one has not.
        """
        if context.transport not in NETWORK_TRANSPORTS:
            return self.local
        owner = owner_of(get_access_token(), self.settings) if self.settings.is_served else LOCAL
        self._seen[owner] = monotonic()
        if owner not in self._studios:
            settings = _for_remote_callers(self.settings, owner)
            self._studios[owner] = self.local.for_owner(owner, settings)
        return self._studios[owner]

    @property
    def stages(self) -> Counter[Stage]:
        """How many calls of this process stand where."""
        return Counter(stage for studio in self._all for stage in studio.stages)

    @property
    def active_people(self) -> int:
        """How many people asked this process for something a short time ago."""
        since = monotonic() - ACTIVE_SECONDS
        return sum(seen >= since for seen in self._seen.values())

    def opened_for(self, owner: Owner) -> AbstractAsyncContextManager[Studio]:
        """A studio of a person who has not signed in, for what a link names; it is closed at the end."""
        return self.local.for_owner(owner, _for_remote_callers(self.settings, owner))

    def release(self) -> None:
        """Has all callers go who wait for a call, with the id of its job."""
        for studio in self._all:
            studio.release()

    @property
    def _all(self) -> tuple[Studio, ...]:
        return (self.local, *self._studios.values())

    async def aclose(self) -> None:
        """Closes all at once, because each waits for requests that were sent; then what they share."""
        try:
            async with asyncio.TaskGroup() as closing:
                for studio in self._studios.values():
                    closing.create_task(studio.aclose())
        finally:
            await self.local.aclose()


@asynccontextmanager
async def lifespan(_server: FastMCP) -> AsyncGenerator[dict[str, object]]:
    """Reads the settings when the server starts, and closes the studios when it ends."""
    log_visibly(secrets())
    async with aclosing(Studios(read_settings())) as studios:
        yield {"studios": studios}


def studio_of(context: Context) -> Studio:
    """The studio for the caller of a request."""
    return studios_of(context).of(context)


def studios_of(context: Context) -> Studios:
    """The studios of the running server."""
    return cast("Studios", context.lifespan_context["studios"])


def settings_of(context: Context | None) -> Settings | None:
    """The settings of the running server; None where a server is only inspected and never started."""
    studios = cast("Studios | None", context.lifespan_context.get("studios") if context else None)
    return studios.settings if studios else None


def _for_remote_callers(settings: Settings, owner: Owner) -> Settings:
    """The settings, with no local input files and one output folder unless folders are named for them.

    For a person who signed in nothing can be named: the output folder is their own.
    """
    if owner == LOCAL:
        roots = {"input_roots": settings.input_roots or (), "output_roots": settings.output_roots or ()}
        return settings.model_copy(update=roots)
    folder = str(person_folder(settings, owner.name))
    return settings.model_copy(update={"input_roots": (), "output_roots": (), "output_dir": folder})
