"""Checks of a library that several people are served. They may ask a provider, so call them in a thread."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from gpt_image_mcp.cli.doctor.findings import ok, refused, warning
from gpt_image_mcp.errors import ImageError
from gpt_image_mcp.redaction import without_password

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gpt_image_mcp.cli.doctor.findings import Finding
    from gpt_image_mcp.settings import Settings

_HERE = ("localhost", "127.0.0.1", "::1")


def check_serving(settings: Settings) -> Iterator[Finding]:
    """Whether people can sign in, and what several replicas need; nothing where nobody signs in."""
    if not settings.is_served:
        return
    yield _sign_in(settings)
    yield _address(settings)
    yield _links(settings)
    if not settings.database_url.get_secret_value().startswith("postgresql"):
        said = "The database is a file of this machine, which one server can use."
        yield warning("replicas", said, "Set GPT_IMAGE_DATABASE_URL to a PostgreSQL database for several.")
    elif settings.storage == "file":
        said = "The database is shared, and pictures lie on this machine, where other servers find none."
        yield warning("replicas", said, "Set GPT_IMAGE_STORAGE to a bucket.")
    else:
        yield ok("replicas", "Database and pictures are where all servers reach them.")


def _sign_in(settings: Settings) -> Finding:
    from gpt_image_mcp.team.sign_in import auth_provider
    from gpt_image_mcp.team.tokens import tokens_file

    try:
        auth_provider(settings)
        count = len(tokens_file(settings).read()) if settings.auth == "tokens" else None
    except ImageError as error:
        return refused("sign-in", error)
    if count == 0:
        return warning("sign-in", "There is no token yet, so nobody can.", "gpt-image-mcp token add NAME")
    return ok("sign-in", f"People sign in by {settings.auth}{'' if count is None else f' ({count})'}.")


def _address(settings: Settings) -> Finding:
    address = urlsplit(settings.auth_base_url or "")
    shown = without_password(settings.auth_base_url or "")
    if not address.hostname:
        said = "It is not set, so links name whatever address each request came to."
        return warning("address", said, "Set GPT_IMAGE_AUTH_BASE_URL to the one that clients call.")
    if address.scheme != "https" and address.hostname not in _HERE:
        said = f"{shown} is not encrypted: whoever is on the way reads tokens and pictures."
        return warning("address", said, "Have a proxy end TLS before the server, or set GPT_IMAGE_TLS_CERT.")
    return ok("address", f"Clients call {shown}.")


def _links(settings: Settings) -> Finding:
    if settings.link_key is None:
        said = "There are none for pictures in and out: no key is set."
        return warning("links", said, "Set GPT_IMAGE_LINK_KEY (openssl rand -hex 32) on all servers.")
    return ok("links", "They are signed; all servers must have the same key.")
