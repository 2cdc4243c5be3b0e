"""Addresses with signed links: where clients that are elsewhere fetch files and send their own pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fastmcp.server.dependencies import get_access_token, get_http_request

from gpt_image_mcp.team.identity import owner_of
from gpt_image_mcp.team.links import Links, links_of
from gpt_image_mcp.values.downloads import NO_LINKS, DownloadLinks

if TYPE_CHECKING:
    from gpt_image_mcp.settings import Settings
    from gpt_image_mcp.values.exports import ExportedFile
    from gpt_image_mcp.values.images import StoredImage
    from gpt_image_mcp.values.owners import Owner

IMAGES, EXPORTS, UPLOADS = "/images/", "/exports/", "/uploads/"


@dataclass(frozen=True, slots=True)
class SignedAddresses(DownloadLinks):
    """The addresses for the caller of a request.

    Attributes:
        links: Signs them.
        root: What they begin with.
        owner: Who calls.
        folder: Where the caller's files are.
    """

    links: Links
    root: str
    owner: Owner
    folder: Path

    shown = "download_url, which ends after five minutes (get_image gives another)"
    are_given = True

    def of_image(self, image: StoredImage) -> str:
        """The address of an image's file: it names the owner, who may be another of the caller's group."""
        return f"{self.root}{IMAGES}{self.links.sign('image', image.id, image.provenance.owner)}"

    def of_export(self, file: ExportedFile) -> str:
        """The address of a file that an export wrote to the caller's folder, while it is that file."""
        if not file.file_path.is_relative_to(self.folder):
            return ""
        name = f"{file.sha256}/{file.file_path.relative_to(self.folder).as_posix()}"
        return f"{self.root}{EXPORTS}{self.links.sign('export', name, self.owner.name)}"

    def of_upload(self, upload_id: str) -> str:
        """The address that takes a picture of the caller's."""
        return f"{self.root}{UPLOADS}{self.links.sign('upload', upload_id, self.owner.name)}"


def signed_addresses(settings: Settings) -> SignedAddresses | None:
    """The addresses for the caller of the current request; None where there are no links, or no request.

    Args:
        settings: Those of the caller's studio.
    """
    links = links_of(settings)
    if links is None:
        return None
    try:
        request = get_http_request()
    except RuntimeError:  # over stdio there is none
        return None
    root = (settings.auth_base_url or str(request.base_url)).rstrip("/")
    owner = owner_of(get_access_token(), settings)
    return SignedAddresses(links, root, owner, Path(settings.output_dir))


def download_links(settings: Settings) -> DownloadLinks:
    """Where the caller of the current request fetches files, if that is possible."""
    return signed_addresses(settings) or NO_LINKS
