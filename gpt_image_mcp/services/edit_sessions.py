"""Edit sessions: turns that build on each other, branch, and survive the process.

Each turn edits the image of an earlier one; the references that the session started with come along. The
turns of one session follow each other, also when two servers work on it; different sessions run side by side.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from gpt_image_mcp.errors import NotFound, StorageFailed, quoted
from gpt_image_mcp.threads import in_database, to_the_end
from gpt_image_mcp.values.sessions import EndedSession

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from gpt_image_mcp.calls.paid_call import PaidJob
    from gpt_image_mcp.library.sessions import SessionRecord
    from gpt_image_mcp.library.store import Library
    from gpt_image_mcp.settings import Settings
    from gpt_image_mcp.values.sessions import SessionSummary

_POLL_SECONDS = 0.2
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EditSessions:
    """The sessions of one configuration."""

    settings: Settings
    library: Library
    locks: WeakValueDictionary[str, asyncio.Lock] = field(
        default_factory=WeakValueDictionary[str, asyncio.Lock]
    )

    def require(self, session_id: str) -> SessionRecord:
        """The session of this id. Blocking.

        Raises:
            NotFound: If it was ended or never was.
        """
        session = self.library.sessions.find(session_id)
        if session is None:
            message = f"There is no edit session {quoted(session_id)}."
            raise NotFound(
                message,
                next_step="Call list_edit_sessions for those there are, or start_edit_session for a new one. "
                "If it was just started, collect its first turn with get_image.",
            )
        if session.is_ended:
            last = session.turns[-1]
            message = f"The edit session {session_id} was ended."
            raise NotFound(
                message,
                next_step=f"Call start_edit_session with its last image {last.image_id} to go on from there.",
            )
        return session

    def end(self, session_id: str) -> EndedSession:
        """Ends a session; its images stay. Blocking. Ending it again changes nothing.

        Raises:
            NotFound: If it never was.
        """
        session = self.library.sessions.find(session_id.strip())
        if session is None or not session.is_ended:
            session = self.require(session_id.strip())
        self.library.sessions.end(session.id, datetime.now(UTC))
        return EndedSession(id=session.id, turns=len(session.turns), last_image_id=session.turns[-1].image_id)

    def list(self) -> tuple[SessionSummary, ...]:
        """The sessions that can be continued, latest first. Blocking."""
        idle_since = datetime.now(UTC) - timedelta(milliseconds=self.settings.session_ttl_ms)
        return self.library.sessions.latest(most_open=self.settings.session_max, idle_since=idle_since)

    @contextlib.asynccontextmanager
    async def occupied(self, session_id: str, job: PaidJob) -> AsyncGenerator[None]:
        """The right to work on a session: calls of this process queue up, other processes are waited for."""
        lock = self.locks.setdefault(session_id, asyncio.Lock())
        if lock.locked():
            job.advance("queued")
        async with lock, contextlib.AsyncExitStack() as leaving:
            leaving.push_async_callback(self._give_lease_back, session_id, job.id)
            while not await self._take_lease(session_id, job.id):
                job.advance("queued")
                await asyncio.sleep(_POLL_SECONDS)
            renewing = asyncio.create_task(self._renew(session_id, job.id))
            leaving.callback(renewing.cancel)
            yield

    async def _take_lease(self, session_id: str, call_id: str) -> bool:
        """Takes or renews the lease; to the end, so that one that was taken is also given back."""
        take = self.library.sessions.take_lease
        return await to_the_end(in_database(take, session_id, call_id))

    async def _give_lease_back(self, session_id: str, call_id: str) -> None:
        with contextlib.suppress(StorageFailed):
            await in_database(self.library.sessions.give_lease_back, session_id, call_id)

    async def _renew(self, session_id: str, call_id: str) -> None:
        """Renews the lease again and again, until the session is gone or the block is left."""
        while True:
            await asyncio.sleep(self.library.sessions.lease.total_seconds() / 3)
            try:
                await self._take_lease(session_id, call_id)
            except NotFound:
                return  # the session was deleted, so nothing is left to hold
            except StorageFailed as error:
                _log.warning("the lease of %s could not be renewed: %s", session_id, error.message)
