"""The structured content and the text of the deletion of an image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from gpt_image_mcp.presentation.structured import StructuredContent, dollars
from gpt_image_mcp.presentation.text import cost_text, counted, joined, readable_size

if TYPE_CHECKING:
    from gpt_image_mcp.values.deletions import Deletion


class DeletionContent(StructuredContent):
    """What was deleted, or would be with ``confirm``."""

    status: Literal["unconfirmed", "deleted"]
    id: str
    file_path: str
    size_bytes: int
    parents: list[str]
    children: list[str]
    session_ids: list[str]
    cost_usd_estimated: float | None = None
    notes: list[str]
    next: str


def deletion_content(deletion: Deletion, *, next_step: str) -> DeletionContent:
    """The structured content of a deletion."""
    image = deletion.image
    return DeletionContent(
        status="deleted" if deletion.is_done else "unconfirmed",
        id=image.id,
        file_path=image.location,
        size_bytes=image.size_bytes if deletion.file == "present" else 0,
        parents=list(deletion.parents),
        children=list(deletion.children),
        session_ids=[session.id for session in deletion.sessions],
        cost_usd_estimated=None if image.provenance.sandbox else dollars(image.provenance.cost.usd),
        notes=_notes(deletion),
        next=next_step,
    )


def deletion_text(deletion: Deletion, next_step: str) -> str:
    """The text of a deletion."""
    image = deletion.image
    done = "was deleted" if deletion.is_done else "would be deleted, and nothing was yet"
    size = f"{image.width}x{image.height}, {readable_size(image.size_bytes)}"
    file = f"{image.location} ({size})" if deletion.file == "present" else "no file, which is gone already"
    lines = [f"Image {image.id} {done}: {file}, its previews, metadata and history entry."]
    return joined(lines, notes=_notes(deletion), next_step=next_step)


def next_step_after_deletion(deletion: Deletion, *, confirm: str) -> str:
    """What to do next, in one sentence.

    Args:
        deletion: What was done, or planned.
        confirm: How a plan is carried out.
    """
    if deletion.is_done:
        return "Tell the user that it is gone; it cannot be brought back."
    return f"If the user agrees, {confirm}; it cannot be brought back."


def _notes(deletion: Deletion) -> list[str]:
    """What stays, a sentence each."""
    made = deletion.image.provenance
    notes = [] if made.sandbox else [f"What it cost stays in sums and budgets: {cost_text(made.cost)}."]
    if deletion.as_returned:
        notes.append(
            f"Image {deletion.as_returned}, the same picture as the API returned it, stays; delete it too if "
            "nothing is to be left."
        )
    sources = [parent for parent in deletion.parents if parent != deletion.as_returned]
    for what, ids in (("made from it", deletion.children), ("it was made from", sources)):
        if ids:
            notes.append(f"{counted(len(ids), 'image')} {what} {_stay(len(ids))}: {', '.join(ids)}.")
    for session in deletion.sessions:
        if session.turns:
            turns = ", ".join(map(str, session.turns))
            notes.append(f"Edit session {session.id} stays, but cannot go on from its turn {turns}.")
        if session.keeps_copy:
            notes.append(f"Edit session {session.id} keeps a copy of it as a start image.")
    return notes


def _stay(count: int) -> str:
    return "stays" if count == 1 else "stay"
