"""The data of each image on the page, as JSON for its script."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, TypedDict

from gpt_image_mcp.cli.gallery.thumbnails import MIME_TYPE
from gpt_image_mcp.imaging.svg import MIME_TYPE as SVG
from gpt_image_mcp.object_paths import is_object

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gpt_image_mcp.cli.gallery.thumbnails import Thumbnail
    from gpt_image_mcp.values.history import FileState
    from gpt_image_mcp.values.images import StoredImage

# Inside <script>, these could end the element or begin a comment; in JSON they mean the same escaped.
_ESCAPES = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


class Card(TypedDict):
    """One image of the page; the names are those that ``page.js`` reads.

    Attributes:
        url: Address of the file; empty if its path is of another system, if it is an SVG, or in a store.
        cost_usd: As a decimal number in a string; empty if unknown.
        paid_with: The parent that carries the cost already; mostly empty.
        children: Ids of the images of this page that were made from it, oldest first.
        shows_file: Whether the file itself stands in for a thumbnail.
    """

    id: str
    prompt: str
    model: str
    quality: str
    width: int
    height: int
    size_bytes: int
    mime_type: str
    created_at: str
    cost_usd: str
    cost_basis: str
    paid_with: str
    kind: str
    edit_type: str
    path: str
    url: str
    state: FileState
    shows_file: bool
    session_id: str
    turn: int
    parents: list[str]
    children: list[str]
    sandbox: bool


def cards_of(images: Sequence[StoredImage], thumbnails: Sequence[Thumbnail]) -> list[Card]:
    """The cards of images, in their order."""
    children = _children(images)
    calls = {image.id: image.provenance.call_id for image in images}
    return [
        _card(image, thumbnail, children.get(image.id, []), paid_with=image.paid_with(calls))
        for image, thumbnail in zip(images, thumbnails, strict=True)
    ]


def data_url(thumbnail: Thumbnail) -> str:
    """A thumbnail as a ``data:`` URL; empty if there is none."""
    if not thumbnail.data:
        return ""
    return f"data:{MIME_TYPE};base64,{base64.b64encode(thumbnail.data).decode()}"


def script_json(value: object) -> str:
    """A value as JSON of ASCII characters that can stand inside a ``<script>`` element."""
    return json.dumps(value, separators=(",", ":")).translate(_ESCAPES)


def _children(images: Sequence[StoredImage]) -> dict[str, list[str]]:
    """The ids of the images made from each, oldest first."""
    found: dict[str, list[str]] = {}
    for image in sorted(images, key=lambda image: image.created_at):
        for parent in dict.fromkeys(image.provenance.parents):
            found.setdefault(parent, []).append(image.id)
    return found


def _card(image: StoredImage, thumbnail: Thumbnail, children: list[str], *, paid_with: str) -> Card:
    origin = image.provenance
    # A library shared between machines may hold paths of another system, which are not absolute here.
    # A browser would run what is in an SVG, with the rights of a page that was opened from this disk.
    is_linked = image.file_path.is_absolute() and image.mime_type != SVG and not is_object(image.file_path)
    url = image.file_path.as_uri() if is_linked else ""
    return Card(
        id=image.id,
        prompt=origin.prompt,
        model=origin.model,
        quality=origin.applied.quality,
        width=image.width,
        height=image.height,
        size_bytes=image.size_bytes,
        mime_type=image.mime_type,
        created_at=image.created_at.isoformat(),
        cost_usd="" if origin.cost.usd is None else f"{origin.cost.usd:f}",
        cost_basis=origin.cost.basis,
        paid_with=paid_with,
        kind=origin.kind,
        edit_type=origin.edit_type,
        path=image.location,
        url=url,
        state=thumbnail.state,
        shows_file=bool(url) and not thumbnail.data and thumbnail.state != "missing" and thumbnail.decodable,
        session_id=origin.session_id,
        turn=origin.turn,
        parents=list(dict.fromkeys(origin.parents)),
        children=children,
        sandbox=origin.sandbox,
    )
