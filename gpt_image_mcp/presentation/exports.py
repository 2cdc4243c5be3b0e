"""The structured content and the text of an export."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from gpt_image_mcp.object_paths import location
from gpt_image_mcp.presentation.structured import StructuredContent
from gpt_image_mcp.presentation.text import counted, download_line, joined, readable_size
from gpt_image_mcp.values.downloads import NO_LINKS, DownloadLinks

if TYPE_CHECKING:
    from gpt_image_mcp.values.exports import ExportedFile, ExportResult

_NEXT_STEPS = {
    "": "Show the user the file_path.",
    "favicon": "Copy the files to the root of the site and paste the html into the head of its pages; add "
    "the site's name to site.webmanifest, or these icons to the manifest that it has.",
    "app_icon": "Give the user the folder; the 1024 one is for the stores.",
    "social": "Give the user the folder; the og file is for the og:image tag.",
}
# The same for a user who is elsewhere and has no use for the paths.
_FETCHED = "which end after five minutes"
_NEXT_STEPS_ELSEWHERE = {
    "": "Show the user the download_url, which ends after five minutes.",
    "favicon": f"Fetch the files from their download_urls, {_FETCHED}, into the root of the site, with the "
    "manifest as site.webmanifest, and paste the html into the head of its pages; add the site's name to the "
    "manifest, or these icons to the one that the site has.",
    "app_icon": f"Show the user the download_urls, {_FETCHED}; the 1024 one is for the stores.",
    "social": f"Show the user the download_urls, {_FETCHED}; the og file is for the og:image tag.",
}


class ExportedFileContent(StructuredContent):
    """One file that the export wrote."""

    file_path: str
    filename: str
    size_bytes: int
    mime_type: str
    width: int
    height: int
    download_url: str | None = None


class ExportContent(StructuredContent):
    """The result of an export."""

    status: Literal["completed"]
    source: str
    folder: str
    files: list[ExportedFileContent]
    background: str | None = None
    html: str | None = None
    manifest: str | None = None
    manifest_path: str | None = None
    cost_usd_estimated: float
    notes: list[str]
    next: str


def export_content(result: ExportResult, links: DownloadLinks = NO_LINKS) -> ExportContent:
    """The structured content of an export."""
    return ExportContent(
        status="completed",
        source=result.source,
        folder=location(result.folder),
        files=[_file(entry, links) for entry in result.files],
        background=result.background or None,
        html=result.html or None,
        manifest=result.manifest or None,
        manifest_path=location(result.manifest_path) if result.manifest_path else None,
        cost_usd_estimated=0,
        notes=list(result.notes),
        next=_next_step(result, links),
    )


def export_text(result: ExportResult, links: DownloadLinks = NO_LINKS) -> str:
    """The text of an export."""
    lines = [f"{counted(len(result.files), 'file')} exported from {result.source}, free of charge."]
    for number, entry in enumerate(result.files, start=1):
        lines += [_line(number, entry), *download_line(links.of_export(entry))]
    if result.html:
        lines += ["For the head of the page:", *result.html.split("\n")]
    if result.manifest_path:
        lines += [f"Written to {location(result.manifest_path)}:", *result.manifest.split("\n")]
    return joined(lines, notes=result.notes, next_step=_next_step(result, links))


def _next_step(result: ExportResult, links: DownloadLinks) -> str:
    return (_NEXT_STEPS_ELSEWHERE if links.are_given else _NEXT_STEPS)[result.preset]


def _line(number: int, entry: ExportedFile) -> str:
    return (
        f"{number}. {location(entry.file_path)} ({entry.width}x{entry.height}, {entry.mime_type}, "
        f"{readable_size(entry.size_bytes)})"
    )


def _file(entry: ExportedFile, links: DownloadLinks) -> ExportedFileContent:
    return ExportedFileContent(
        file_path=location(entry.file_path),
        filename=entry.file_path.name,
        size_bytes=entry.size_bytes,
        mime_type=entry.mime_type,
        width=entry.width,
        height=entry.height,
        download_url=links.of_export(entry) or None,
    )
