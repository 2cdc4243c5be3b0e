"""Saying how transparent the images of a call are that asked for transparency, and what only looks so."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

from gpt_image_mcp.errors import ImageError
from gpt_image_mcp.imaging.transparency import inspect_transparency
from gpt_image_mcp.pillow_errors import DamagedImage

if TYPE_CHECKING:
    from gpt_image_mcp.calls.planning import Plan
    from gpt_image_mcp.imaging.transparency import Transparency
    from gpt_image_mcp.library.store import Library
    from gpt_image_mcp.values.results import ImageResult

_INSPECTED = ("image/png", "image/webp", "image/jpeg")
_AGAIN = (
    "Call again for the subject alone, with nothing around it, or with another model that has transparency."
)
_RESTORED = "keep_unmasked put the original back outside the mask; pass false for what the model made there."


def note_transparency(result: ImageResult, plan: Plan, library: Library) -> ImageResult:
    """The result with a note on the transparency of each image, where that was asked for. Blocking.

    The images are safe by then: one that cannot be read or decoded gets no note.
    """
    if plan.request.background != "transparent":
        return result
    notes: list[str] = []
    advice = _RESTORED if plan.backdrop else _AGAIN
    for number, image in enumerate(result.images, start=1):
        if image.mime_type in _INSPECTED:
            which = f" of image {number}" if len(result.images) > 1 else ""
            with contextlib.suppress(ImageError, DamagedImage):
                found = inspect_transparency(library.read(image))
                notes.append(f"Transparency{which}: {_described(found, advice=advice)}")
    return replace(result, notes=(*result.notes, *notes))


def _described(found: Transparency, *, advice: str) -> str:
    """The shares, and what is wrong with a picture that is not transparent as it should be."""
    said = [f"{found.clear:.1%} clear, {found.soft:.1%} soft, {found.opaque:.1%} opaque."]
    if found.is_checkered:
        said += ["A checkerboard is painted into the picture instead of transparency.", advice]
    elif not found.clear:
        what = "its background still shows through" if found.soft else "the picture is opaque"
        said += [f"No pixel is clear: {what}.", advice]
    if found.halo:
        said.append(
            f"Its edges have a fringe of about {found.halo} that the subject has not, and that shows on "
            "other colours: trim the edge by a pixel or two in an image editor, or call again."
        )
    return " ".join(said)
