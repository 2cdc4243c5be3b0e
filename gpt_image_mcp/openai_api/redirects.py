"""Which redirects may be followed: those that take the same request, with its key, to the same host."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gpt_image_mcp.errors import OutcomeUnknown, WrongAddress
from gpt_image_mcp.redaction import key_of, redact, without_password

if TYPE_CHECKING:
    import httpx2

# HTTP clients turn a POST into a GET at these, which the API answers with a 405 or not at all.
_CHANGES_METHOD = frozenset({301, 302, 303})
_ENDPOINT = re.compile(r"/(?:images/(?:generations|edits)|responses|files|models)(?:/.*)?$")


def require_followable(response: httpx2.Response, *, is_early: bool) -> None:
    """Refuses a redirect at which the request would lose its body or its key, or go to another host.

    After a while of work, a redirect may lead to the result: some hosts of functions answer long requests so.

    Raises:
        WrongAddress: If the address that the redirect names has to be configured instead.
        OutcomeUnknown: If it may be that of a picture, on another host.
    """
    request = response.request
    target = _target(response)
    is_lost = is_early and response.status_code in _CHANGES_METHOD
    if target is not None and not is_lost and _is_same_host(request.url, target):
        return
    key = key_of(request)
    if not is_early:
        raise OutcomeUnknown(
            f"{request.url.host} worked for a while and then redirected to "
            f"{redact(response.headers['location'], key)} (HTTP {response.status_code}). That is another "
            "host, which is not asked with the key. Whether a picture was made and billed cannot be told.",
            next_step="Open the address: the picture may be there.",
        )
    location = redact(without_password(str(target or "")), key)
    reason = "the request would become a GET" if is_lost else "the key is not sent to another address"
    raise WrongAddress(
        f"{request.url.host} redirects the request to {location or 'an address that cannot be read'} (HTTP "
        f"{response.status_code}); that was not followed, because {reason}. Nothing was made.",
        next_step=_step(_ENDPOINT.sub("", location)),
    )


def _step(base: str) -> str:
    if not base.startswith(("http://", "https://")):
        return "Correct OPENAI_BASE_URL."
    return f"If that is the right place, set OPENAI_BASE_URL to {base}; otherwise correct it."


def _target(response: httpx2.Response) -> httpx2.URL | None:
    import httpx2

    try:
        return response.url.join(response.headers["location"])
    except httpx2.InvalidURL:
        return None


def _is_same_host(origin: httpx2.URL, target: httpx2.URL) -> bool:
    """Whether a key may go on: to the same origin, or from http to https on their usual ports."""
    if (origin.scheme, origin.netloc) == (target.scheme, target.netloc):
        return True
    is_upgrade = (origin.scheme, target.scheme) == ("http", "https")
    return is_upgrade and origin.host == target.host and origin.port is None and target.port is None
