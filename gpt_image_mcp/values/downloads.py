"""Files that a client which is elsewhere fetches, and where it does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gpt_image_mcp.values.exports import ExportedFile
    from gpt_image_mcp.values.images import StoredImage


@dataclass(frozen=True, slots=True)
class Download:
    """A file that goes to a client, with its MIME type and what it is called."""

    data: bytes
    mime_type: str
    filename: str


class DownloadLinks:
    """Gives the address of a file, or nothing where files are not fetched, which is so unless a server says.

    Attributes:
        shown: What of an image a user is shown.
        are_given: Whether there are addresses at all.
    """

    shown: str = "file_path"
    are_given: bool = False

    def of_image(self, image: StoredImage) -> str:
        """The address of an image's file; empty for none."""
        del image
        return ""

    def of_export(self, file: ExportedFile) -> str:
        """The address of a file that an export wrote; empty for none."""
        del file
        return ""


NO_LINKS = DownloadLinks()
