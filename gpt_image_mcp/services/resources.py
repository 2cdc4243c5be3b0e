"""What all studios of a process have in common, whoever they are for: the database and the connections."""

from __future__ import annotations

import threading
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from gpt_image_mcp.memory import BYTES_PER_MB, MEMORY
from gpt_image_mcp.threads import in_database

if TYPE_CHECKING:
    from gpt_image_mcp.library.budgets import Budgets
    from gpt_image_mcp.library.database import Database
    from gpt_image_mcp.library.rate_pauses import RatePauses
    from gpt_image_mcp.openai_api.connections import Connections
    from gpt_image_mcp.settings import Settings


class Resources:
    """The database and the connections of one configuration, each made when it is first asked for.

    Args:
        settings: The configuration.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        MEMORY.limit_bytes = settings.memory_mb * BYTES_PER_MB
        self._opening = threading.Lock()
        self._database: Database | None = None
        self._connections: Connections | None = None
        self._budgets: Budgets | None = None
        if settings.budgets_file is not None:
            self.budgets  # noqa: B018 - what is wrong with the file is said now, not at the first call

    @property
    def database(self) -> Database:
        """The database of everybody's images. Imports what it needs, so it is for a worker thread."""
        from gpt_image_mcp.library.store import database_of

        with self._opening:
            if self._database is None:
                self._database = database_of(self._settings)
            return self._database

    @property
    def budgets(self) -> Budgets:
        """The limits on what everybody's calls may cost.

        Raises:
            InvalidSetting: If there is a file of budgets that cannot be used.
        """
        from gpt_image_mcp.library.budgets import Budgets

        if self._budgets is None:
            self._budgets = Budgets(self._settings)
        return self._budgets

    @property
    def connections(self) -> Connections:
        """The connections to the API and to the sandbox."""
        from gpt_image_mcp.openai_api.connections import Connections

        if self._connections is None:
            pauses = self._pauses if self._settings.is_served else None
            self._connections = Connections(self._settings, pauses)
        return self._connections

    def _pauses(self) -> RatePauses:
        """What the API asked of all processes. Imports what it needs, so it is for a worker thread."""
        from gpt_image_mcp.library.rate_pauses import RatePauses

        return RatePauses(self.database)

    async def aclose(self) -> None:
        """Closes both, also if one fails to close."""
        async with AsyncExitStack() as closing:
            if self._database is not None:
                closing.push_async_callback(in_database, self._database.close)
            if self._connections is not None:
                closing.push_async_callback(self._connections.aclose)
