"""The service container: library, jobs and services of a user, each opened when it is first needed."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from anyio import CancelScope

from gpt_image_mcp.errors import InvalidArgument
from gpt_image_mcp.services.resources import Resources
from gpt_image_mcp.threads import in_database, in_folders
from gpt_image_mcp.values.owners import LOCAL, Owner

if TYPE_CHECKING:
    from collections.abc import Callable

    from gpt_image_mcp.calls.acknowledgements import Acknowledgements
    from gpt_image_mcp.calls.jobs import Jobs
    from gpt_image_mcp.calls.paid_call import PaidCall
    from gpt_image_mcp.calls.runner import Runner
    from gpt_image_mcp.library.store import Library
    from gpt_image_mcp.openai_api.connections import Connections
    from gpt_image_mcp.services.batches import Batches
    from gpt_image_mcp.services.edit_sessions import EditSessions
    from gpt_image_mcp.services.edits import EditServices
    from gpt_image_mcp.services.exports import Exports
    from gpt_image_mcp.services.inputs import Inputs
    from gpt_image_mcp.services.lookup import Lookup
    from gpt_image_mcp.services.operations import Operations
    from gpt_image_mcp.services.transfers import Transfers
    from gpt_image_mcp.services.viewing import Viewing
    from gpt_image_mcp.settings import Settings
    from gpt_image_mcp.values.progress import ProgressWatcher
    from gpt_image_mcp.values.results import ImageResult


def utc_now() -> datetime:
    """The time."""
    return datetime.now(UTC)


class Container:
    """The services of one configuration for one user, each made when it is first asked for.

    Args:
        settings: The configuration.
        owner: Whom they are for.
        resources: What other users' services use too, and whoever made them closes; None for its own.
        clock: The time that the memory of rejected routes goes by.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        owner: Owner = LOCAL,
        resources: Resources | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._settings = settings
        self._owner = owner
        self.resources = resources or Resources(settings)
        self._is_shared = resources is not None
        self._clock = clock
        self._opening = asyncio.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_closed = False
        self._library: Library | None = None
        self._jobs: Jobs | None = None
        self._sessions: EditSessions | None = None
        self._acknowledgements: Acknowledgements | None = None
        self._operations: Operations | None = None

    async def aclose(self) -> None:
        """Lets sent requests finish within the grace period and closes everything that is not shared.

        Whatever fails to close, the rest is closed all the same. A scope of anyio that is cancelled around it
        would cancel each step of it anew.
        """
        with CancelScope(shield=True):
            async with AsyncExitStack() as closing:
                closing.callback(self._note_closed)
                if not self._is_shared:
                    closing.push_async_callback(self.resources.aclose)
                if self._acknowledgements is not None:
                    closing.push_async_callback(self._acknowledgements.written)
                if self._jobs is not None:
                    await self._jobs.close(grace_seconds=self._settings.shutdown_grace_seconds)

    @property
    def jobs(self) -> Jobs:
        """The jobs that run now."""
        from gpt_image_mcp.calls.jobs import Jobs

        if self._jobs is None:
            self._jobs = Jobs()
        return self._jobs

    @property
    def connections(self) -> Connections:
        """The connections to the API and to the sandbox."""
        return self.resources.connections

    @property
    def operations(self) -> Operations:
        """What is asked of the shared parts; one object, because it looks at each part once at a time."""
        from gpt_image_mcp.services.operations import Operations
        from gpt_image_mcp.services.readiness import Readiness

        if self._operations is None:
            self._operations = Operations(Readiness(self._settings, self.resources), self.resources)
        return self._operations

    async def library(self) -> Library:
        """The images, calls and sessions of the user.

        Raises:
            InvalidArgument: If it is closed, or belongs to another event loop: connections, locks and jobs
                live in one.
        """
        self._require_usable()
        async with self._opening:
            if self._library is None:
                self._library = await in_database(self._open_library)
            return self._library

    async def runner(self) -> Runner:
        """What carries out calls that cost money."""
        from gpt_image_mcp.calls.acknowledgements import Acknowledgements
        from gpt_image_mcp.calls.budget import Reservations
        from gpt_image_mcp.calls.runner import Runner

        library = await self.library()
        if self._acknowledgements is None:
            self._acknowledgements = Acknowledgements(library.ledger)
        return Runner(library, self.jobs, Reservations(library), self._acknowledgements)

    async def run(
        self, call: PaidCall, *, wait_seconds: float | None, watch: ProgressWatcher | None
    ) -> ImageResult:
        """Makes a paid call for whoever asked for it."""
        from gpt_image_mcp.calls.idempotency import key_of_call

        key = await in_folders(key_of_call, call.identity, call.inputs, self._settings)
        runner = await self.runner()
        result = await runner.run(call, idempotency_key=key, wait_seconds=wait_seconds, watch=watch)
        return runner.acknowledged(result)

    async def inputs(self) -> Inputs:
        """What reads images from wherever they are."""
        from gpt_image_mcp.services.inputs import Inputs

        return Inputs(self._settings, await self.library())

    async def lookup(self) -> Lookup:
        """What looks up images by reference."""
        from gpt_image_mcp.services.lookup import Lookup

        return Lookup(await self.inputs())

    async def edits(self) -> EditServices:
        """What every edit works with."""
        from gpt_image_mcp.services.edits import EditServices

        return EditServices(self._settings, await self.inputs(), self.connections, self._clock)

    async def exports(self) -> Exports:
        """What converts images into files for a use."""
        from gpt_image_mcp.services.exports import Exports

        return Exports(self._settings, await self.inputs())

    async def viewing(self) -> Viewing:
        """What makes small versions of images."""
        from gpt_image_mcp.services.viewing import Viewing

        return Viewing(self._settings, await self.library())

    async def transfers(self) -> Transfers:
        """What comes in and goes out by link."""
        from gpt_image_mcp.services.transfers import Transfers

        return Transfers(self._settings, await self.library(), self._clock)

    async def batches(self) -> Batches:
        """What edits many images."""
        from gpt_image_mcp.services.batches import Batches

        return Batches(await self.edits(), await self.runner())

    async def sessions(self) -> EditSessions:
        """The edit sessions; one object, because it holds the locks."""
        from gpt_image_mcp.services.edit_sessions import EditSessions

        library = await self.library()
        # From here on without waiting: two first calls must not get two of them.
        if self._sessions is None:
            self._sessions = EditSessions(self._settings, library)
        return self._sessions

    def _require_usable(self) -> None:
        loop = asyncio.get_running_loop()
        self._loop = self._loop or loop
        if self._is_closed:
            raise InvalidArgument("This Studio is closed.", next_step="Make another one.")
        if self._loop is not loop:
            message = "This Studio belongs to another event loop, in which it was first used."
            step = "Make one in each: async with Studio() as studio, inside what asyncio.run is given."
            raise InvalidArgument(message, next_step=step)

    def _note_closed(self) -> None:
        self._is_closed = True

    def _open_library(self) -> Library:
        from gpt_image_mcp.library.database_of_people import DatabaseOfPeople
        from gpt_image_mcp.library.store import Library

        shared = self.resources
        database = DatabaseOfPeople(shared.database) if self._owner.name else shared.database
        return Library(self._settings, owner=self._owner, database=database, budgets=shared.budgets)
