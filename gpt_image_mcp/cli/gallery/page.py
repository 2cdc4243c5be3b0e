"""Writes the page: one file that needs nothing but the images it links to."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

import platformdirs

from gpt_image_mcp.atomic_files import write_over
from gpt_image_mcp.cli.gallery.cards import cards_of, data_url, script_json
from gpt_image_mcp.cli.gallery.thumbnails import make_thumbnails
from gpt_image_mcp.errors import OutputRejected, StorageFailed
from gpt_image_mcp.folders import APP
from gpt_image_mcp.regular_files import open_regular
from gpt_image_mcp.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from gpt_image_mcp.cli.gallery.thumbnails import Thumbnail
    from gpt_image_mcp.values.images import StoredImage

THUMBNAIL_SECONDS = 7.0
_GENERATOR = b'<meta name="generator" content="gpt-image-mcp gallery">'
_HEAD_BYTES = 1000
# The page's script reads the thumbnails in pieces, so that none takes long.
_THUMBNAILS_PER_BLOCK = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class GalleryReport:
    """What was written.

    Attributes:
        images: How many the page shows.
        missing: How many of their files are gone.
        unfinished: How many got no thumbnail in the time allowed and show the file itself; the next gallery
            continues there.
    """

    path: Path
    size_bytes: int
    images: int
    missing: int
    unfinished: int


def default_page() -> Path:
    """The default file of the gallery: one per user, replaced each time."""
    return platformdirs.user_data_path(APP, appauthor=False) / "gallery.html"


async def write_gallery(
    images: Sequence[StoredImage], path: Path, *, allowed_seconds: float = THUMBNAIL_SECONDS
) -> GalleryReport:
    """Writes the page of some images; an older gallery of the same name is replaced in one step.

    Args:
        images: Newest first.
        path: The file to write; its folder is made if it is not there.
        allowed_seconds: How long thumbnails may take that no earlier gallery made.

    Raises:
        OutputRejected: If the file exists and is no gallery.
        StorageFailed: If it cannot be written.
    """
    return await in_thread(_write, images, path, allowed_seconds)


def page_of(images: Sequence[StoredImage], thumbnails: Sequence[Thumbnail]) -> str:
    """The whole page of images and their thumbnails, both newest first."""
    style, script = _part("page.css"), _part("page.js")
    page = _part("page.html").replace("{{policy}}", _policy(style, script), 1)
    page = page.replace("{{style}}", style, 1).replace("{{script}}", script, 1)
    # Last, so that no placeholder is replaced inside a prompt.
    return page.replace("{{data}}", _data_blocks(images, thumbnails), 1)


def _write(images: Sequence[StoredImage], path: Path, allowed_seconds: float) -> GalleryReport:
    _require_replaceable(path)
    thumbnails = make_thumbnails(images, allowed_seconds=allowed_seconds)
    page = page_of(images, thumbnails).encode()
    try:
        write_over(path, page, follows_links=True)
    except OSError as error:
        message = f"The gallery {path} cannot be written: {error.strerror or error}."
        raise StorageFailed(message, next_step="Pass another --output.") from error
    return GalleryReport(
        path=path,
        size_bytes=len(page),
        images=len(images),
        missing=sum(thumbnail.state == "missing" for thumbnail in thumbnails),
        unfinished=sum(
            not thumbnail.data and thumbnail.decodable and thumbnail.state != "missing"
            for thumbnail in thumbnails
        ),
    )


def _require_replaceable(path: Path) -> None:
    """Refuses to write over what is not a gallery: another file, a folder, or something unreadable."""
    try:
        with open_regular(path) as stream:
            is_gallery = _GENERATOR in stream.read(_HEAD_BYTES)
    except FileNotFoundError:
        return
    except OSError as error:
        message = f"The file {path} cannot be replaced: {error.strerror or error}."
        raise OutputRejected(message, next_step="Choose another --output.") from error
    if not is_gallery:
        message = f"The file {path} exists and is no gallery."
        raise OutputRejected(message, next_step="Choose another --output, or delete it first.")


def _data_blocks(images: Sequence[StoredImage], thumbnails: Sequence[Thumbnail]) -> str:
    """The cards in one block of JSON, and the thumbnails, which are long, in several."""
    blocks = [_block("cards", cards_of(images, thumbnails))]
    urls = [data_url(thumbnail) for thumbnail in thumbnails]
    starts = range(0, len(urls), _THUMBNAILS_PER_BLOCK)
    blocks += [_block("thumbnails", urls[start : start + _THUMBNAILS_PER_BLOCK]) for start in starts]
    return "\n".join(blocks)


def _block(name: str, value: object) -> str:
    return f'<script type="application/json" class="{name}">{script_json(value)}</script>'


def _policy(style: str, script: str) -> str:
    """The content security policy: our own style and script, pictures from files, and nothing else.

    Source: https://www.w3.org/TR/CSP3/
    """
    return "; ".join(
        [
            "default-src 'none'",
            f"style-src 'sha256-{_digest(style)}'",
            f"script-src 'sha256-{_digest(script)}'",
            "img-src data: file:",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
        ]
    )


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _part(name: str) -> str:
    return resources.files("gpt_image_mcp.cli.gallery").joinpath(name).read_text(encoding="utf-8")
