"""What a sign-in may do: the scopes of a token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, cast, get_args

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fastmcp.server.auth import AccessToken

Scope = Literal["images:read", "images:spend", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
READ: Scope = "images:read"
SPEND: Scope = "images:spend"
ADMIN: Scope = "admin"
# Where issuers name them: RFC 8693 (scope), Entra (scp and roles).
_CLAIMS = ("scope", "scp", "roles")


def scopes_in(token: AccessToken) -> list[Scope]:
    """Those of our scopes that a token has, by any of the claims in which issuers name them."""
    found = {*token.scopes, *(name for claim in _CLAIMS for name in _names(token.claims.get(claim)))}
    return [scope for scope in SCOPES if scope in found]


def _names(claim: object) -> Iterable[str]:
    """The names in a claim: a list, or text with blanks between."""
    names = claim.split() if isinstance(claim, str) else claim
    if not isinstance(names, list | tuple):
        return ()
    return (name for name in cast("list[object]", names) if isinstance(name, str))
