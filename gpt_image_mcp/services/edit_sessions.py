"""Edit sessions: turns that build on each other, branch, and survive the process.

Each turn edits the image of an earlier one; the references that the session started with come along. Turns of
one session follow each other, also when two servers work on it; different sessions run side by side.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from gpt_image_mcp.calls.runner import Errand, PaidJob
from gpt_image_mcp.errors import InputNotFound, InvalidArgument, NotFound, StorageFailed
from gpt_image_mcp.ids import new_session_id
from gpt_image_mcp.library.sessions import SessionRecord, StartImage, Turn
from gpt_image_mcp.services.edits import EditOptions, Edits, check_count, plan_edit
from gpt_image_mcp.threads import in_database, in_thread, to_the_end
from gpt_image_mcp.values.options import OutputOptions
from gpt_image_mcp.values.requests import InputImage
from gpt_image_mcp.values.sessions import EndedSession, SessionTurn

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from gpt_image_mcp.calls.planning import Plan
    from gpt_image_mcp.library.store import Library
    from gpt_image_mcp.values.images import Kind
    from gpt_image_mcp.values.results import ImageResult
    from gpt_image_mcp.values.sessions import SessionSummary

LATEST = -1
_POLL_SECONDS = 0.2
_KIND: Kind = "session"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EditSessions:
    """The sessions of one configuration."""

    edits: Edits
    library: Library
    locks: WeakValueDictionary[str, asyncio.Lock] = field(
        default_factory=WeakValueDictionary[str, asyncio.Lock]
    )

    def start(
        self, prompt: str, images: Sequence[str], *, output: OutputOptions, edit: EditOptions
    ) -> Errand:
        """The first turn of a new session.

        Raises:
            InvalidArgument: If there is no image, or too many.
        """
        check_count(images)
        session_id = new_session_id()
        settings = self.edits.settings

        def plan(call_id: str) -> Plan:
            planned = plan_edit(_KIND, prompt, call_id, output=output, edit=edit, settings=settings)
            return _on_turn(planned, SessionTurn(session_id=session_id, turn=1, parent_turn=0))

        async def prepare(planned: Plan) -> Plan:
            loaded = await self.edits.inputs.load(images)
            return await self.edits.complete(planned, loaded, output=output, edit=edit)

        return Errand(
            plan=plan, prepare=prepare, send=self.edits.send, record=partial(self._begin, output=output)
        )

    def resume(
        self,
        session_id: str,
        prompt: str,
        images: Sequence[str],
        *,
        from_turn: int,
        output: OutputOptions,
        edit: EditOptions,
    ) -> Errand:
        """The next turn of a session, on top of its latest or of an earlier one.

        ``output`` fields at their defaults take the session's choice.
        """
        settings = self.edits.settings
        session_id = session_id.strip()

        def plan(call_id: str) -> Plan:
            session = self.require(session_id)
            parent = _parent(session, from_turn)
            merged = _merged(output, session.options)
            planned = plan_edit(_KIND, prompt, call_id, output=merged, edit=edit, settings=settings)
            return _on_turn(planned, _next_turn(session, parent))

        async def prepare(planned: Plan) -> Plan:
            # The turns that ran while this one waited count too.
            session = await in_database(self.require, session_id)
            parent = _parent(session, from_turn)
            loaded = await self._images(session, parent, images)
            planned = _on_turn(planned, _next_turn(session, parent))
            merged = _merged(output, session.options)
            return await self.edits.complete(planned, loaded, output=merged, edit=edit)

        return Errand(
            plan=plan,
            prepare=prepare,
            send=self.edits.send,
            record=self._add_turn,
            turn_taking=partial(self._alone, session_id),
        )

    def require(self, session_id: str) -> SessionRecord:
        """The session of this id. Blocking.

        Raises:
            NotFound: If it was ended or never was.
        """
        session = self.library.sessions.find(session_id)
        if session is None:
            message = f"There is no edit session {session_id!r}."
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
        settings = self.edits.settings
        idle_since = datetime.now(UTC) - timedelta(milliseconds=settings.session_ttl_ms)
        return self.library.sessions.latest(most_open=settings.session_max, idle_since=idle_since)

    async def _images(
        self, session: SessionRecord, parent: Turn | None, extra: Sequence[str]
    ) -> tuple[InputImage, ...]:
        """What a turn edits: the parent's image, the references of the start, and what came with the call."""
        kept = session.start_images[1:] if parent else session.start_images
        check_count(extra, already=len(kept) + (1 if parent else 0))
        starting = await in_thread(lambda: tuple(_read(image) for image in kept))
        if parent is None:
            return (*starting, *await self.edits.inputs.load(extra, already=len(starting)))
        try:
            previous = await self.edits.inputs.load([parent.image_id])
        except InputNotFound as error:
            raise InputNotFound(
                f"The image of turn {parent.turn} is gone: {error.message}",
                next_step="Put the file back, or continue from another turn with from_turn (0 is the start).",
            ) from error
        added = await self.edits.inputs.load(extra, already=1 + len(starting))
        return (*previous, *starting, *added)

    def _begin(self, plan: Plan, result: ImageResult, *, output: OutputOptions) -> ImageResult:
        """Writes a new session down; the image is safe, so a failure is only a note."""
        turn = plan.session
        options = replace(
            output,
            model=output.model if plan.sandbox else plan.request.model,
            output_dir=str(plan.folder),
            filename="",
            n=1,
        )
        return self._written(
            result,
            lambda: self.library.sessions.begin(
                turn.session_id if turn else "",
                options=options,
                sandbox=plan.sandbox,
                start_images=plan.request.images,
                first=_turn(plan, result),
            ),
        )

    def _add_turn(self, plan: Plan, result: ImageResult) -> ImageResult:
        session_id = plan.session.session_id if plan.session else ""
        self._count_parent_as_seen(plan.session)
        return self._written(result, lambda: self.library.sessions.add_turn(session_id, _turn(plan, result)))

    def _count_parent_as_seen(self, turn: SessionTurn | None) -> None:
        """Notes that what was gone on from was delivered: the same words again mean another turn."""
        with contextlib.suppress(StorageFailed):
            session = self.library.sessions.find(turn.session_id) if turn else None
            parent = session.find(turn.parent_turn) if session and turn else None
            image = self.library.images.find_image(parent.image_id) if parent else None
            if image is not None:
                self.library.ledger.deliver(image.provenance.call_id)

    def _written(self, result: ImageResult, write: Callable[[], None]) -> ImageResult:
        try:
            write()
        except (StorageFailed, OSError) as error:
            note = (
                "The session could not be written down, so it cannot be continued from here "
                f"({getattr(error, 'message', error)}); start a new one with this image."
            )
            return replace(result, notes=(*result.notes, note))
        return result

    @contextlib.asynccontextmanager
    async def _alone(self, session_id: str, job: PaidJob) -> AsyncGenerator[None]:
        """The right to work on a session; the calls of this process queue up, others are waited for."""
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
        return await to_the_end(in_database(take, session_id, call_id, datetime.now(UTC)))

    async def _give_lease_back(self, session_id: str, call_id: str) -> None:
        with contextlib.suppress(StorageFailed):
            await in_database(self.library.sessions.give_lease_back, session_id, call_id)

    async def _renew(self, session_id: str, call_id: str) -> None:
        while True:
            await asyncio.sleep(self.library.sessions.lease.total_seconds() / 3)
            try:
                await self._take_lease(session_id, call_id)
            except NotFound:
                return  # the session was deleted, so nothing is left to hold
            except StorageFailed as error:
                _log.warning("the lease of %s could not be renewed: %s", session_id, error.message)


def _on_turn(plan: Plan, turn: SessionTurn) -> Plan:
    return replace(plan, session=turn, naming=replace(plan.naming, turn=turn.turn))


def _next_turn(session: SessionRecord, parent: Turn | None) -> SessionTurn:
    return SessionTurn(
        session_id=session.id, turn=session.turns[-1].turn + 1, parent_turn=parent.turn if parent else 0
    )


def _parent(session: SessionRecord, from_turn: int) -> Turn | None:
    """The turn to go on from; None for the start images.

    Raises:
        InvalidArgument: If the session has no such turn.
    """
    if from_turn == 0:
        return None
    turn = session.find(from_turn)
    if turn is None:
        message = (
            f"from_turn is {from_turn}, but session {session.id} has turns 1 to {session.turns[-1].turn}."
        )
        raise InvalidArgument(
            message, next_step="Use one of these, 0 for the start images, or -1 for the latest turn."
        )
    return turn


def _merged(output: OutputOptions, session: OutputOptions) -> OutputOptions:
    """What a turn asks for, and the session's choice where it is left at the default."""
    default = OutputOptions()
    chosen = {
        entry.name: getattr(output, entry.name)
        for entry in fields(OutputOptions)
        if getattr(output, entry.name) != getattr(default, entry.name)
    }
    return replace(session, **chosen)


def _read(image: StartImage) -> InputImage:
    """A start image as it was sent before.

    Raises:
        InputNotFound: If its file is gone.
    """
    try:
        data = image.file_path.read_bytes()
    except OSError as error:
        message = f"The session's start image {image.source} is no longer at {image.file_path}."
        raise InputNotFound(message, next_step="Start a new session with the images you have.") from error
    return InputImage(
        name=image.name,
        data=data,
        mime_type=image.mime_type,
        width=image.width,
        height=image.height,
        source=image.source,
        image_id=image.image_id,
    )


def _turn(plan: Plan, result: ImageResult) -> Turn:
    return Turn(
        turn=plan.session.turn if plan.session else 1,
        parent_turn=plan.session.parent_turn if plan.session else 0,
        prompt=plan.prompt,
        image_id=result.images[0].id,
        call_id=plan.call_id,
        created_at=datetime.now(UTC),
    )
