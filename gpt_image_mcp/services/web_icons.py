"""What a web page says of its favicons: the lines for its head, and the icons of its web app manifest."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gpt_image_mcp.values.exports import ExportedFile

MANIFEST_NAME = "site.webmanifest"
_APPLE, _OF_MANIFEST = "apple-touch-icon", "icon-"


def icon_links(files: Iterable[ExportedFile]) -> str:
    """The lines of HTML for the files of a favicon set at the root of a site."""
    links = [link for file in files if (link := _link(file))]
    return "\n".join((*links, f'<link rel="manifest" href="/{MANIFEST_NAME}">'))


def icon_manifest(files: Iterable[ExportedFile]) -> str:
    """The web app manifest of a favicon set, as JSON; a site adds its name and colours."""
    icons = [
        {"src": f"/{file.file_path.name}", "sizes": _sizes(file), "type": file.mime_type}
        for file in files
        if file.file_path.name.startswith(_OF_MANIFEST)
    ]
    return json.dumps({"icons": icons}, indent=2)


def _link(file: ExportedFile) -> str:
    name = file.file_path.name
    if name.startswith(_OF_MANIFEST):
        return ""
    if name.startswith(_APPLE):
        return f'<link rel="apple-touch-icon" sizes="{_sizes(file)}" href="/{name}">'
    kind = "" if name.endswith(".ico") else f' type="{file.mime_type}"'
    return f'<link rel="icon"{kind} sizes="{_sizes(file)}" href="/{name}">'


def _sizes(file: ExportedFile) -> str:
    return f"{file.width}x{file.height}"
