"""Lookup of a reference: an image of the library, the latest of a session, or an image from elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gpt_image_mcp.calls.stored_results import result_of
from gpt_image_mcp.errors import InputNotFound, NotFound
from gpt_image_mcp.ids import image_id_in, is_session_id
from gpt_image_mcp.paths import unquoted
from gpt_image_mcp.services.image_search import file_state
from gpt_image_mcp.services.references import find_image, known_image, with_file
from gpt_image_mcp.threads import in_database
from gpt_image_mcp.values.sessions import SessionTurn

if TYPE_CHECKING:
    from gpt_image_mcp.services.inputs import Inputs
    from gpt_image_mcp.values.images import StoredImage
    from gpt_image_mcp.values.requests import InputImage
    from gpt_image_mcp.values.results import ImageResult

_CHANGED = "The file was changed since it was made; size, prompt and cost are those of the saved image."
_SHARED = (
    "The tokens are those of the whole call, which was to make {n} images; the cost is this image's share."
)
_NEXT = "Pass the id of an image, session or job, a path or a URL; find_images searches what was made before."


@dataclass(frozen=True, slots=True)
class Lookup:
    """Looks references up."""

    inputs: Inputs

    async def look_up(self, ref: str) -> ImageResult | InputImage:
        """An image of the library with all that is known of it, or one from elsewhere as an edit reads it.

        Args:
            ref: A session id, or whatever ``edit_image`` takes as an image.

        Raises:
            NotFound: If there is no such session or image.
            InputRejected: If it is not allowed, or no image.
        """
        ref = unquoted(ref)
        known = await in_database(self._known, ref)
        if known is not None:
            return known
        try:
            return (await self.inputs.load([ref]))[0]
        except InputNotFound as error:
            raise NotFound(error.message, next_step=_NEXT) from error

    def _known(self, ref: str) -> ImageResult | None:
        image = self._image(ref)
        if image is None:
            return None
        return replace(result_of((image,), notes=_notes(image)), session=self._latest_turn(image))

    def _image(self, ref: str) -> StoredImage | None:
        library, settings = self.inputs.library, self.inputs.settings
        if is_session_id(ref):
            ref = self._last_image_of(ref)
        if image_id_in(ref):
            return find_image(ref, library, settings=settings)
        image = known_image(ref, library, settings=settings)
        return with_file(image) if image else None

    def _latest_turn(self, image: StoredImage) -> SessionTurn | None:
        """The turn that made an image, if it is the latest of a session that is open."""
        made = image.provenance
        session = self.inputs.library.sessions.find(made.session_id) if made.session_id else None
        if session is None or session.is_ended or session.turns[-1].turn != made.turn:
            return None
        latest = session.turns[-1]
        return SessionTurn(session_id=session.id, turn=latest.turn, parent_turn=latest.parent_turn)

    def _last_image_of(self, session_id: str) -> str:
        session = self.inputs.library.sessions.find(session_id)
        if session is None:
            message = f"There is no edit session {session_id!r}."
            raise NotFound(message, next_step="Call list_edit_sessions to see those there are.")
        return session.turns[-1].image_id


def _notes(image: StoredImage) -> tuple[str, ...]:
    """What someone who reads the metadata should know."""
    made = image.provenance
    notes: list[str] = []
    if file_state(image) == "changed":
        notes.append(_CHANGED)
    if made.usage is not None and made.requested.n > 1:
        notes.append(_SHARED.format(n=made.requested.n))
    return tuple(notes)
