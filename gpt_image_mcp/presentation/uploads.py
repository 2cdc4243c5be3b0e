"""The structured content and the text of an address that takes a client's own picture."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gpt_image_mcp.presentation.structured import StructuredContent
from gpt_image_mcp.presentation.text import joined

if TYPE_CHECKING:
    from datetime import datetime

# Within double quotes, POSIX shells, cmd.exe and PowerShell all read such a path as it is; PowerShell takes
# curly quotes for straight ones, and a backslash at the end would escape the quote that follows.
# A dash or dot alone means stdin to curl.
_PLAIN_PATH = re.compile(r"(?![-.]\Z)[^\"$`!%“”„\x00-\x1f\x7f]{1,4096}(?<!\\)")


class UploadLinkContent(StructuredContent):
    """An address that takes one picture until ``expires_at``, and the reference that the picture then has."""

    upload_url: str
    ref: str
    expires_at: str
    curl: str
    next: str


def upload_link_content(
    url: str, ref: str, *, file: str, ends_at: datetime, max_mb: float
) -> UploadLinkContent:
    """The structured content of an address for an upload.

    Its line is for any shell, so that no file can be named to run something. It has ``FILE`` in the place of
    ``file`` if the caller named none, or one that not every shell reads as it is.
    """
    name = file if _PLAIN_PATH.fullmatch(file) else "FILE"
    return UploadLinkContent(
        upload_url=url,
        ref=ref,
        expires_at=ends_at.isoformat(timespec="seconds"),
        curl=f'curl -gT "{name}" "{url}"',
        next="Run the curl line where the picture is, or have the user run it, with its path for FILE (up to "
        f"{max_mb:g} MB, within five minutes); then pass {ref} as an image, mask or ref, for 24 hours.",
    )


def upload_link_text(content: UploadLinkContent) -> str:
    """The text of an address for an upload."""
    lines = [
        f"An upload address that works once, until {content.expires_at}: {content.upload_url}",
        content.curl,
        f"The picture is then {content.ref}.",
    ]
    return joined(lines, next_step=content.next)
