"""What deleting an image did, or would do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gpt_image_mcp.values.history import FileState
    from gpt_image_mcp.values.images import StoredImage
    from gpt_image_mcp.values.sessions import SessionUse


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletion:
    """A deletion of one image.

    Attributes:
        file: What was there of its file: ``present``, or ``missing``.
        parents: Ids of the images that it was made from and that stay; ``children`` those made from it.
        as_returned: The one of the parents that the same call made, of which the image was cut or composited.
        sessions: Edit sessions that use it, and stay.
        is_done: Whether it was deleted; false if this is a plan.
    """

    image: StoredImage
    file: FileState
    parents: tuple[str, ...]
    children: tuple[str, ...]
    as_returned: str
    sessions: tuple[SessionUse, ...]
    is_done: bool
