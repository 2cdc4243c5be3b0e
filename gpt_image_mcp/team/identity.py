"""Who calls: the owner that a signed-in person's token stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeGuard, cast

from gpt_image_mcp.coercion import whole_characters
from gpt_image_mcp.errors import AuthenticationFailed
from gpt_image_mcp.values.owners import Owner

if TYPE_CHECKING:
    from fastmcp.server.auth import AccessToken

    from gpt_image_mcp.settings import Settings

# What the columns of the library take.
_LONGEST_NAME = 255


def owner_of(token: AccessToken | None, settings: Settings) -> Owner:
    """The owner that a token stands for.

    A person of several groups is charged to the first by name, so that the order in which a provider lists
    them does not matter.

    Raises:
        AuthenticationFailed: If there is no token, or it names nobody.
    """
    name = _name_in(token)
    groups = sorted(_groups_in(token, settings.auth_groups_claim))
    return Owner(
        name=name,
        group=groups[0] if groups else "",
        shared_groups=tuple(groups) if settings.share_groups else (),
    )


def _name_in(token: AccessToken | None) -> str:
    """The subject of a token, by which the issuer tells a person from all others."""
    name = (token.subject or token.claims.get("sub") or "") if token else ""
    if not _is_name(name):
        message = "The sign-in says nobody's name, so that the images would have no owner."
        raise AuthenticationFailed(message, next_step="Sign in with a token that has a subject (sub).")
    return name


def _groups_in(token: AccessToken | None, claim: str) -> set[str]:
    """The groups of a token; a claim is a list, or names with blanks between."""
    found: object = token.claims.get(claim, ()) if token else ()
    names = found.split() if isinstance(found, str) else found
    if not isinstance(names, list | tuple):
        return set()
    return {name for name in cast("list[object]", names) if _is_name(name)}


def _is_name(value: object) -> TypeGuard[str]:
    """Whether a database can keep it: text of some length, without NUL, and without half a character."""
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_NAME:
        return False
    return "\0" not in value and whole_characters(value) == value
