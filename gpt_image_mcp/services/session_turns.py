"""The turns of an edit session as paid calls: the first, and the next on top of an earlier one."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from gpt_image_mcp.calls.destination import format_of_ending, names_folder, parse_filename
from gpt_image_mcp.errors import InputNotFound, InvalidArgument, StorageFailed
from gpt_image_mcp.folders import is_own
from gpt_image_mcp.ids import new_session_id
from gpt_image_mcp.imaging.normalise import normalise
from gpt_image_mcp.library.reconnecting import once_more
from gpt_image_mcp.library.sessions import Turn
from gpt_image_mcp.library.storage import read_saved
from gpt_image_mcp.object_paths import is_object, location, object_path
from gpt_image_mcp.paths import local_path, unquoted
from gpt_image_mcp.services.edit_planning import check_count
from gpt_image_mcp.services.edits import Edit
from gpt_image_mcp.threads import in_database, in_drawing
from gpt_image_mcp.values.requests import InputImage
from gpt_image_mcp.values.sessions import SessionTurn

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from gpt_image_mcp.calls.paid_call import PaidJob
    from gpt_image_mcp.calls.planning import Plan
    from gpt_image_mcp.library.sessions import SessionRecord
    from gpt_image_mcp.library.start_images import StartImage
    from gpt_image_mcp.services.edit_sessions import EditSessions
    from gpt_image_mcp.settings import Settings
    from gpt_image_mcp.values.images import Kind
    from gpt_image_mcp.values.options import OutputOptions
    from gpt_image_mcp.values.owners import Owner
    from gpt_image_mcp.values.results import ImageResult

LATEST = -1


@dataclass(frozen=True, kw_only=True)
class FirstTurn(Edit):
    """The first turn of a new session: an edit after which the session is written down."""

    sessions: EditSessions
    kind: Kind = "session"
    session_id: str = field(default_factory=new_session_id)

    @property
    def identity(self) -> tuple[object, ...]:
        """As for an edit; the id of the session is new each time."""
        return ("first turn", *super().identity)

    def plan(self, call_id: str) -> Plan:
        """Checks the arguments, as for any edit."""
        turn = SessionTurn(session_id=self.session_id, turn=1, parent_turn=0)
        return _on_turn(self.plan_with(self.output, call_id), turn)

    def record(self, plan: Plan, result: ImageResult) -> ImageResult:
        """Writes the new session down."""
        chosen = replace(
            self.output,
            model=self.output.model if plan.sandbox else plan.request.model,
            output_dir=_folder_of_turns(self.output, plan, owner=self.sessions.library.images.owner),
            filename="",
            overwrite=False,
            n=1,
        )
        return _written(
            result,
            lambda: self.sessions.library.sessions.begin(
                self.session_id,
                options=chosen,
                sandbox=plan.sandbox,
                start_images=plan.request.images,
                first=_turn(plan, result),
            ),
        )


@dataclass(frozen=True, kw_only=True)
class NextTurn(Edit):
    """The next turn of a session, on top of its latest or of an earlier one.

    Attributes:
        images: References of this turn, besides those that the session started with.
        output: Fields at their defaults take the session's choice.
        from_turn: -1 for the latest turn, 0 for the start images, 1 for the first result, and so on.
    """

    sessions: EditSessions
    session_id: str
    from_turn: int = LATEST
    kind: Kind = "session"
    images: Sequence[str] = ()

    def __post_init__(self) -> None:
        """How many images there are is known when the session is read."""

    @property
    def identity(self) -> tuple[object, ...]:
        """As for an edit, of this session and turn."""
        return ("next turn", self.session_id, self.from_turn, *super().identity)

    def plan(self, call_id: str) -> Plan:
        """Checks the arguments against the session too.

        Raises:
            NotFound: If the session was ended or never was.
        """
        session = self.sessions.require(self.session_id)
        parent = _parent(session, self.from_turn)
        chosen = self._merged(session.options)
        planned = self.plan_with(_named(chosen, self.output, settings=self.services.settings), call_id)
        return _on_turn(planned, _next_turn(session, parent))

    @contextlib.asynccontextmanager
    async def occupy(self, job: PaidJob) -> AsyncGenerator[None]:
        """The session, which takes one turn after the other, and then what any edit occupies."""
        async with self.sessions.occupied(self.session_id, job), super().occupy(job):
            yield

    async def prepare(self, plan: Plan) -> Plan:
        """Reads the images of the turn; the turns that were made while this one waited count too."""
        session = await in_database(self.sessions.require, self.session_id)
        parent = _parent(session, self.from_turn)
        loaded = await self._load(session, parent)
        planned = _on_turn(plan, _next_turn(session, parent))
        return await self.complete(planned, loaded, size=self._merged(session.options).size)

    def on_arrival(self, plan: Plan) -> Plan:
        """With the next number, where others made turns after a stopped process had lost its lease."""
        turn = plan.session
        with contextlib.suppress(StorageFailed):
            session = self.sessions.library.sessions.find(self.session_id)
            if session and turn and session.find(turn.turn):
                last = session.turns[-1].turn
                return replace(
                    _on_turn(plan, replace(turn, turn=last + 1)),
                    notes=(*plan.notes, _moved_on(turn, last + 1)),
                )
        return plan

    def record(self, plan: Plan, result: ImageResult) -> ImageResult:
        """Writes the turn down."""
        self._acknowledge_parent(plan.session)
        sessions = self.sessions.library.sessions
        return _written(result, lambda: sessions.add_turn(self.session_id, _turn(plan, result)))

    def _merged(self, session: OutputOptions) -> OutputOptions:
        """What the turn asks for, and the session's choice where it is left at the default."""
        edits_part = self.options.mask.strip() or self.options.regions
        # A turn that edits a part has the size of the picture it goes on from.
        session = replace(session, exact_size="") if edits_part else session
        return session.with_choices(self.output.choices())

    async def _load(self, session: SessionRecord, parent: Turn | None) -> tuple[InputImage, ...]:
        """What the turn edits: the parent's image, the references of the start, and those of this turn."""
        kept = list(enumerate(session.start_images))[1 if parent else 0 :]
        check_count(self.images, already=len(kept) + (1 if parent else 0))
        starting = await in_drawing(lambda: tuple(_read(image, is_first=index == 0) for index, image in kept))
        load = self.services.inputs.load
        if parent is None:
            return (*starting, *await load(self.images, already=len(starting)))
        try:
            previous = await load([parent.image_id])
        except InputNotFound as error:
            raise InputNotFound(
                f"The image of turn {parent.turn} is gone: {error.message}",
                next_step="Continue from another turn with from_turn (0 is the start); a file that was moved "
                "can be put back.",
            ) from error
        return (*previous, *starting, *await load(self.images, already=1 + len(starting)))

    def _acknowledge_parent(self, turn: SessionTurn | None) -> None:
        """Counts the turn that was gone on from as received: the same words again mean another turn."""
        library = self.sessions.library
        with contextlib.suppress(StorageFailed):
            session = library.sessions.find(turn.session_id) if turn else None
            parent = session.find(turn.parent_turn) if session and turn else None
            image = library.images.find_image(parent.image_id) if parent else None
            if image is not None:
                library.ledger.acknowledge(image.provenance.call_id)


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


def _folder_of_turns(output: OutputOptions, plan: Plan, *, owner: Owner) -> str:
    """The folder that a session goes on in: the caller's choice, whatever the name of the first turn was.

    Whoever shares it goes on in a folder of their own.
    """
    if output_dir := unquoted(output.output_dir):
        return location(local_path(output_dir, base=plan.project_dir))
    folder, home = plan.destination.folder, plan.destination.home
    # On another replica, whose project is another, that of the store is where images go there.
    is_lasting = folder == home and not owner.shared_groups and not is_object(folder)
    return str(folder) if is_lasting else ""


def _named(chosen: OutputOptions, output: OutputOptions, *, settings: Settings) -> OutputOptions:
    """What was chosen for a turn, with the folder and the format that its own exact name says.

    Raises:
        OutputRejected: If the name cannot be used.
    """
    if not unquoted(output.filename):
        return chosen
    path, choices = parse_filename(output.filename), output.choices()
    if "output_format" not in choices:
        chosen = replace(chosen, output_format=format_of_ending(path) or chosen.output_format)
    if "output_dir" in choices or not (path.is_absolute() or names_folder(output.filename)):
        return chosen
    folder = object_path(chosen.output_dir) or Path(chosen.output_dir)
    is_elsewhere = path.is_absolute() or is_own(folder, settings)
    return replace(chosen, output_dir="") if is_elsewhere else chosen


def _read(image: StartImage, *, is_first: bool) -> InputImage:
    """A start image, converted again as it was before.

    Raises:
        InputNotFound: If its file is gone, or another than it was.
        StorageFailed: If the store does not give it.
    """
    try:
        data = read_saved(image.file_path, image.file_path.stem)  # which is named by its digest
    except OSError as error:
        message = f"The session's start image {image.source} is no longer at {location(image.file_path)}."
        raise InputNotFound(message, next_step="Start a new session with the images you have.") from error
    return InputImage(
        name=image.name,
        data=normalise(data, source=image.source, is_first=is_first).data,
        mime_type=image.mime_type,
        width=image.width,
        height=image.height,
        source=image.source,
        image_id=image.image_id,
        original=data,
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


def _moved_on(turn: SessionTurn, number: int) -> str:
    return (
        f"Another process went on with the session meanwhile and made turn {turn.turn}; this one, made from "
        f"{f'turn {turn.parent_turn}' if turn.parent_turn else 'the start images'}, is turn {number}."
    )


def _written(result: ImageResult, write: Callable[[], int]) -> ImageResult:
    """The result as it was written down, which gives the number that its turn has.

    With a note if that failed: the image is safe all the same.
    """
    try:
        number = once_more(write)
    except (StorageFailed, OSError) as error:
        note = (
            "The session could not be written down, so it cannot be continued from here "
            f"({getattr(error, 'message', error)}); start a new one with this image."
        )
        return replace(result, notes=(*result.notes, note))
    turn = result.session
    if turn is None or turn.turn == number:
        return result
    notes = (*result.notes, _moved_on(turn, number))
    return replace(result, session=replace(turn, turn=number), notes=notes)
