"""Edit sessions: what each started from, its turns, and who works on it now.

A session is written down when its first turn has succeeded, and a turn when its image is saved, so that a
failed turn leaves no trace. Whoever works on a session holds its lease, in the database, and renews it; when
the holder's process dies, the lease runs out and the next one can take it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter
from sqlalchemy import bindparam, delete, func, insert, or_, select, update

from gpt_image_mcp.errors import NotFound, quoted
from gpt_image_mcp.library import storage
from gpt_image_mcp.library.clock import lease_window, steady_now
from gpt_image_mcp.library.images import readable_images
from gpt_image_mcp.library.ownership import owned, signed
from gpt_image_mcp.library.schema import images, session_turns, sessions
from gpt_image_mcp.library.start_images import StartImage, keep_start_image
from gpt_image_mcp.values.options import OutputOptions
from gpt_image_mcp.values.owners import LOCAL, Owner
from gpt_image_mcp.values.requests import InputImage
from gpt_image_mcp.values.sessions import SessionSummary, SessionUse

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlalchemy import ColumnElement, Connection, Row

    from gpt_image_mcp.library.database import Database

_LEASE = timedelta(seconds=15)
_CLOSED_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One finished turn. ``image_id`` is its result; it was made from the image of ``parent_turn``.

    A ``parent_turn`` of 0 means the start images.
    """

    turn: int
    parent_turn: int
    prompt: str
    image_id: str
    call_id: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRecord:
    """A session as the library remembers it. Later turns inherit its ``options``."""

    id: str
    created_at: datetime
    updated_at: datetime
    is_ended: bool
    options: OutputOptions
    sandbox: bool
    start_images: tuple[StartImage, ...]
    turns: tuple[Turn, ...]

    def find(self, turn: int) -> Turn | None:
        """The turn of this number; the latest for -1."""
        if turn == -1:
            return self.turns[-1]
        return next((known for known in self.turns if known.turn == turn), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftovers:
    """What is of no more use once some images are deleted.

    Attributes:
        sessions: Ids of the sessions that have no image left.
        start_images: Files of start images that only such sessions, or ended ones, refer to.
    """

    sessions: tuple[str, ...]
    start_images: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class _Document:
    options: OutputOptions
    sandbox: bool
    start_images: tuple[StartImage, ...]


_DOCUMENT = TypeAdapter(_Document)


@dataclass(frozen=True, slots=True)
class Sessions:
    """All sessions of a user. Every method raises ``StorageFailed`` if the database cannot be used.

    Attributes:
        owner: Whose sessions they are.
        lease: How long the right to work on a session lasts unless it is renewed.
        store: The folder of the store that start images are kept in; None for the user's own.
    """

    database: Database
    owner: Owner = LOCAL
    lease: timedelta = _LEASE
    store: Path | None = None

    def begin(
        self,
        session_id: str,
        *,
        options: OutputOptions,
        sandbox: bool,
        start_images: Sequence[InputImage],
        first: Turn,
    ) -> int:
        """Adds a session with its first turn and gives its number; once, however often it is tried.

        Raises:
            OSError: If the start images cannot be kept.
            StorageFailed: If the store does not take them.
        """
        kept = tuple(keep_start_image(image, self.store) for image in start_images)
        document = _DOCUMENT.dump_json(_Document(options, sandbox, kept)).decode()
        values = {
            "id": session_id,
            **signed(self.owner),
            "created_at": first.created_at.timestamp(),
            "updated_at": first.created_at.timestamp(),
            "document": document,
        }
        with self.database.writing() as connection:
            if not connection.execute(select(sessions.c.id).where(self._is(session_id))).first():
                connection.execute(insert(sessions), values)
            return _add(connection, session_id, first)

    def add_turn(self, session_id: str, turn: Turn) -> int:
        """Adds a finished turn; a session that was closed for being idle is open again.

        Gives the number it has: the next, if another turn has its own. To add it again changes nothing.
        """
        with self.database.writing() as connection:
            number = _add(connection, session_id, turn)
            connection.execute(
                update(sessions)
                .where(sessions.c.id == session_id)
                .values(updated_at=turn.created_at.timestamp())
            )
            return number

    def find(self, session_id: str) -> SessionRecord | None:
        """The session of this id, ended or not."""
        if not session_id.isascii():
            return None
        turns = select(session_turns).where(session_turns.c.session_id == session_id)
        with self.database.reading() as connection:
            row = connection.execute(select(sessions).where(self._is(session_id))).one_or_none()
            rows = connection.execute(turns.order_by(session_turns.c.turn)).all()
            return None if row is None else _record(row, rows)

    def end(self, session_id: str, when: datetime) -> None:
        """Ends a session; its images stay."""
        with self.database.writing() as connection:
            connection.execute(
                update(sessions)
                .where(self._is(session_id), sessions.c.ended_at.is_(None))
                .values(ended_at=when.timestamp())
            )

    def latest(self, *, most_open: int, idle_since: datetime) -> tuple[SessionSummary, ...]:
        """Sessions that were not ended, the last used first: the open ones, and the latest closed ones.

        Args:
            most_open: How many can be open; the others are closed.
            idle_since: A session that was last used before this moment is closed.
        """
        last = (
            select(session_turns.c.session_id, func.max(session_turns.c.turn).label("turn"))
            .group_by(session_turns.c.session_id)
            .subquery()
        )
        query = (
            select(
                sessions,
                session_turns.c.turn,
                session_turns.c.prompt,
                session_turns.c.image_id,
                images.c.document.label("image"),
            )
            .join(last, last.c.session_id == sessions.c.id)
            .join(
                session_turns,
                (session_turns.c.session_id == sessions.c.id) & (session_turns.c.turn == last.c.turn),
            )
            .outerjoin(images, images.c.id == session_turns.c.image_id)
            .where(sessions.c.ended_at.is_(None), owned(sessions, self.owner))
            .order_by(sessions.c.updated_at.desc(), sessions.c.id.desc())
            .limit(most_open + _CLOSED_SHOWN)
        )
        with self.database.reading() as connection:
            rows = connection.execute(query).all()
            return tuple(
                _summary(row, is_open=position < most_open and row.updated_at >= idle_since.timestamp())
                for position, row in enumerate(rows)
            )

    def leftovers(self, leaving: Collection[str], *, in_use: Collection[str]) -> Leftovers:
        """What is of no more use, to anybody, once some images are deleted; for maintenance.

        Args:
            leaving: Ids of the images to delete.
            in_use: Ids of sessions that stay even if they have no image left.
        """
        turns = select(session_turns.c.session_id, images.c.id).join(
            images, images.c.id == session_turns.c.image_id
        )
        with self.database.reading() as connection:
            rows = connection.execute(select(sessions)).all()
            known = connection.execute(turns).all()
            kept = {row.id: _kept_files(row) for row in rows}
        alive = {*in_use, *(row.session_id for row in known if row.id not in leaving)}
        usable = {row.id for row in rows if row.id in alive and row.ended_at is None}
        needed = {path for row in rows if row.id in usable for path in kept[row.id]}
        named = dict.fromkeys(path for row in rows if row.id not in usable for path in kept[row.id])
        return Leftovers(
            sessions=tuple(row.id for row in rows if row.id not in alive),
            start_images=tuple(path for path in named if path not in needed and storage.exists(path)),
        )

    def remove(self, session_ids: Sequence[str]) -> None:
        """Forgets sessions with their turns."""
        with self.database.writing() as connection:
            connection.execute(delete(session_turns).where(session_turns.c.session_id.in_(session_ids)))
            connection.execute(delete(sessions).where(sessions.c.id.in_(session_ids)))

    def take_lease(self, session_id: str, holder: str) -> bool:
        """Takes or renews the right to work on a session; False if someone else has it.

        Raises:
            NotFound: If the session is gone, so that there is nothing to wait for.
        """
        this = self._is(session_id)
        with self.database.writing() as connection:
            free = or_(~_is_leased(connection), sessions.c.lease_holder == holder)
            until = steady_now(connection) + self.lease.total_seconds()
            values = {"lease_holder": holder, "lease_until": until}
            if connection.execute(update(sessions).where(this, free).values(**values)).rowcount:
                return True
            is_there = connection.execute(select(sessions.c.id).where(this)).first()
        if not is_there:
            message = f"There is no edit session {quoted(session_id)}; it was deleted meanwhile."
            raise NotFound(message, next_step="Start a new one with start_edit_session.")
        return False

    def give_lease_back(self, session_id: str, holder: str) -> None:
        """Ends the lease of a holder early, so that the next one can work on the session."""
        mine = (sessions.c.id == session_id, sessions.c.lease_holder == holder)
        with self.database.writing() as connection:
            connection.execute(update(sessions).where(*mine).values(lease_holder="", lease_until=0))

    def _is(self, session_id: str) -> ColumnElement[bool]:
        """The session of this id, if it is one of the user's."""
        return (sessions.c.id == session_id) & owned(sessions, self.owner)


def _is_leased(connection: Connection) -> ColumnElement[bool]:
    """Whether somebody works on a session."""
    return sessions.c.lease_until.between(*lease_window(connection, _LEASE.total_seconds()))


def sessions_using(connection: Connection, image_id: str) -> tuple[SessionUse, ...]:
    """The sessions that have an image as a result, or a copy of it as a start image."""
    turns = select(session_turns.c.turn).where(
        session_turns.c.session_id == bindparam("session"), session_turns.c.image_id == image_id
    )
    ids = select(session_turns.c.session_id).where(session_turns.c.image_id == image_id)
    named = sessions.c.document.contains(image_id)
    is_busy = _is_leased(connection).label("is_busy")
    found = connection.execute(select(sessions, is_busy).where(or_(sessions.c.id.in_(ids), named))).all()
    return tuple(
        SessionUse(
            id=row.id,
            turns=tuple(
                connection.execute(turns.order_by(session_turns.c.turn), {"session": row.id}).scalars()
            ),
            keeps_copy=any(image.image_id == image_id for image in _start_images(row)),
            is_busy=row.is_busy,
        )
        for row in found
    )


def _add(connection: Connection, session_id: str, turn: Turn) -> int:
    known = select(session_turns.c.turn).where(session_turns.c.session_id == session_id)
    number = connection.execute(known.where(session_turns.c.call_id == turn.call_id)).scalar()
    if number is not None:
        return int(number)
    latest = connection.execute(known.order_by(session_turns.c.turn.desc())).scalar() or 0
    number = max(turn.turn, latest + 1)
    connection.execute(
        insert(session_turns),
        {
            "session_id": session_id,
            "turn": number,
            "parent_turn": turn.parent_turn,
            "prompt": turn.prompt,
            "image_id": turn.image_id,
            "call_id": turn.call_id,
            "created_at": turn.created_at.timestamp(),
        },
    )
    return number


def _kept_files(row: Row[Any]) -> list[Path]:
    return [image.file_path for image in _start_images(row)]


def _start_images(row: Row[Any]) -> tuple[StartImage, ...]:
    return _DOCUMENT.validate_json(row.document).start_images


def _record(row: Row[Any], turns: Sequence[Row[Any]]) -> SessionRecord:
    document = _DOCUMENT.validate_json(row.document)
    return SessionRecord(
        id=row.id,
        created_at=datetime.fromtimestamp(row.created_at, UTC),
        updated_at=datetime.fromtimestamp(row.updated_at, UTC),
        is_ended=row.ended_at is not None,
        options=document.options,
        sandbox=document.sandbox,
        start_images=document.start_images,
        turns=tuple(
            Turn(
                turn=turn.turn,
                parent_turn=turn.parent_turn,
                prompt=turn.prompt,
                image_id=turn.image_id,
                call_id=turn.call_id,
                created_at=datetime.fromtimestamp(turn.created_at, UTC),
            )
            for turn in turns
        ),
    )


def _summary(row: Row[Any], *, is_open: bool) -> SessionSummary:
    return SessionSummary(
        id=row.id,
        status="open" if is_open else "closed",
        created_at=datetime.fromtimestamp(row.created_at, UTC),
        updated_at=datetime.fromtimestamp(row.updated_at, UTC),
        turns=row.turn,
        last_prompt=row.prompt,
        last_image_id=row.image_id,
        last_image=next(readable_images([row.image]), None),
        sandbox=_DOCUMENT.validate_json(row.document).sandbox,
    )
