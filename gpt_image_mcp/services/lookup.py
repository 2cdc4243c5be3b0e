"""Lookup of a reference: an image of the library, the latest of a session, or an image from elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gpt_image_mcp.calls.stored_results import result_of
from gpt_image_mcp.errors import InputNotFound, NotFound, quoted
from gpt_image_mcp.references import Reference
from gpt_image_mcp.services.image_search import file_state
from gpt_image_mcp.services.references import known_image, with_file
from gpt_image_mcp.threads import in_folders
from gpt_image_mcp.values.results import RelatedImage, TurnImage
from gpt_image_mcp.values.sessions import SessionTurn

if TYPE_CHECKING:
    from gpt_image_mcp.library.sessions import Turn
    from gpt_image_mcp.services.inputs import Inputs
    from gpt_image_mcp.values.images import StoredImage
    from gpt_image_mcp.values.requests import InputImage
    from gpt_image_mcp.values.results import ImageResult

_CHANGED = "The file was changed since it was made; size, prompt and cost are those of the saved image."
_SHARED = (
    "The tokens are those of the whole call, which was to make {n} images; the cost is this image's share."
)


@dataclass(frozen=True, slots=True)
class Lookup:
    """Looks references up."""

    inputs: Inputs

    async def look_up(self, ref: Reference) -> ImageResult | InputImage:
        """An image of the library with all that is known of it, or one from elsewhere as it is shown.

        Args:
            ref: A session, or whatever ``edit_image`` takes as an image.

        Raises:
            NotFound: If there is no such session or image.
            InputRejected: If it is not allowed, or no image.
        """
        try:
            known = None if ref.kind in ("data", "web", "upload") else await in_folders(self._known, ref)
            return known or await self.inputs.look_at(ref.text)
        except InputNotFound as error:
            raise NotFound(error.message, next_step=error.next_step) from error

    def _known(self, ref: Reference) -> ImageResult | None:
        """An image of the library; None for one from elsewhere."""
        turns: tuple[TurnImage, ...] = ()
        if ref.kind == "session":
            turns = self._turns_of(ref.text)
            ref = Reference("image", ref.text, _last_image(turns).id)
        image, notes = known_image(ref, self.inputs.library, settings=self.inputs.settings)
        if image is None:
            return None
        result = result_of((with_file(image),), notes=(*notes, *_notes(image)))
        parents = tuple(self._related(image_id)[0] for image_id in image.provenance.parents)
        return replace(result, session=self._latest_turn(image), parents=parents, turns=turns)

    def _latest_turn(self, image: StoredImage) -> SessionTurn | None:
        """The turn that made an image, if it is the latest of a session that is open."""
        made = image.provenance
        session = self.inputs.library.sessions.find(made.session_id) if made.session_id else None
        if session is None or session.is_ended or session.turns[-1].turn != made.turn:
            return None
        latest = session.turns[-1]
        return SessionTurn(session_id=session.id, turn=latest.turn, parent_turn=latest.parent_turn)

    def _turns_of(self, session_id: str) -> tuple[TurnImage, ...]:
        session = self.inputs.library.sessions.find(session_id)
        if session is None:
            message = f"There is no edit session {quoted(session_id)}."
            raise NotFound(message, next_step="Call list_edit_sessions to see those there are.")
        return tuple(self._turn(turn) for turn in session.turns)

    def _turn(self, turn: Turn) -> TurnImage:
        related, image = self._related(turn.image_id)
        return TurnImage(
            turn=turn.turn,
            parent_turn=turn.parent_turn,
            prompt=turn.prompt,
            image=related,
            parents=image.provenance.parents if image else (),
        )

    def _related(self, image_id: str) -> tuple[RelatedImage, StoredImage | None]:
        """An image by its id, and all that is known of it."""
        image = self.inputs.library.images.find_image(image_id)
        if image is None:
            return RelatedImage(id=image_id, file="deleted", file_path=None), None
        return RelatedImage(id=image_id, file=file_state(image), file_path=image.file_path), image


def _last_image(turns: tuple[TurnImage, ...]) -> RelatedImage:
    """The latest result of a session that can be shown, or the latest of all if none can."""
    images = [turn.image for turn in reversed(turns)]
    return next((image for image in images if image.file in {"present", "changed"}), images[0])


def _notes(image: StoredImage) -> tuple[str, ...]:
    """What someone who reads the metadata should know."""
    made = image.provenance
    notes: list[str] = []
    if file_state(image) == "changed":
        notes.append(_CHANGED)
    if made.usage is not None and made.requested.n > 1:
        notes.append(_SHARED.format(n=made.requested.n))
    return tuple(notes)
