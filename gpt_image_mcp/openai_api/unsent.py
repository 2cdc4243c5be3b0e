"""Requests that cannot leave this machine: what is configured wrongly, or why the host is out of reach.

Nothing here repeats the value of a header, nor what an exception says of one: it may be a part of the key.
"""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from gpt_image_mcp.environment import variables_set
from gpt_image_mcp.errors import Unreachable, UnusableConnection, UnusableCredentials
from gpt_image_mcp.redaction import without_password

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx2

    from gpt_image_mcp.errors import NotSent
    from gpt_image_mcp.settings import Settings

KEYS_LINK = "https://platform.openai.com/api-keys"
PROXY_LOGIN_STEP = "Correct name and password in HTTPS_PROXY, HTTP_PROXY or ALL_PROXY, or set NO_PROXY."
_PROXY_LOGIN_REFUSED = "407"
_HIGHEST_PORT = 65535


def through_proxy(url: str) -> str:
    """Words on the proxy that requests to an address go through, without its password; empty without one."""
    variable, proxy = _proxy_to(url)
    return f" through {variable} ({without_password(proxy)})" if proxy else ""


def require_sendable(settings: Settings, address: str) -> None:
    """Refuses what no HTTP request can carry, before a library fails on it and shows it.

    Args:
        settings: The key, organisation and project that go into headers.
        address: The base address of the API.

    Raises:
        UnusableCredentials: If the key cannot be sent.
        UnusableConnection: If the organisation, the project or the address cannot be used.
    """
    if settings.api_key is not None and not _fits_header(settings.api_key.get_secret_value()):
        message = (
            "The key in OPENAI_API_KEY holds a line break or another character that no key has; nothing was "
            "sent."
        )
        raise UnusableCredentials(message, next_step=f"Copy the key again from {KEYS_LINK}.")
    for name, value in (("OPENAI_ORG_ID", settings.org_id), ("OPENAI_PROJECT_ID", settings.project_id)):
        if value is not None and not _fits_header(value):
            message = f"{name} holds a line break or another character that no id has; nothing was sent."
            raise UnusableConnection(message, next_step=f"Correct {name}, or remove it.")
    proxy = _proxy_to(address)[1]
    if not _is_web_address(address) or (proxy and not _is_proxy(proxy)):
        raise unusable_address(address)


def unusable_address(address: str) -> UnusableConnection:
    """The error for a base address, or the proxy on the way to it, with which nothing can be sent."""
    return UnusableConnection(
        f"The address {_shown(address)} cannot be used{through_proxy(address)}; nothing was sent.",
        next_step="Correct OPENAI_BASE_URL (such as https://gateway.example/v1), or the proxy in "
        "HTTPS_PROXY, HTTP_PROXY or ALL_PROXY.",
    )


def unusable_configuration(error: Exception, address: str) -> UnusableConnection:
    """The error for an HTTP client that cannot even be built: for its certificates, proxy or address.

    Args:
        error: What building it raised.
        address: The base address of the API.
    """
    if isinstance(error, OSError):
        reason = "it holds no certificate" if isinstance(error, ssl.SSLError) else error.strerror
        named = variables_set(("SSL_CERT_FILE", "SSL_CERT_DIR"))
        shown = next((f"{name}={value}" for name, value in named.items()), "the system")
        return UnusableConnection(
            f"The certificates of {shown} cannot be read ({reason}); nothing was sent.",
            next_step="Set SSL_CERT_FILE to an existing file of certificates, or remove the variable.",
        )
    return unusable_address(address)


def unsent_error(error: BaseException | None, address: str) -> NotSent | None:
    """The error for a request that failed before it left; None if it may have left.

    Args:
        error: What the HTTP client raised.
        address: Where the request was to go.
    """
    import httpx2

    if isinstance(error, httpx2.LocalProtocolError) and str(error).startswith("Illegal header"):
        return unsendable_header()
    if isinstance(error, httpx2.UnsupportedProtocol | httpx2.InvalidURL):
        return unusable_address(address)
    if isinstance(error, httpx2.ProxyError) and str(error).startswith(_PROXY_LOGIN_REFUSED):
        return proxy_login_refused(address)
    if isinstance(
        error, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout | httpx2.ProxyError
    ):
        return unreachable(error, address)
    return None


def unsendable_header() -> UnusableConnection:
    """The error for a header that HTTP cannot carry. Which one it is cannot be told without showing it."""
    return UnusableConnection(
        "A header of the request holds characters that HTTP cannot carry; nothing was sent.",
        next_step="Correct OPENAI_API_KEY, OPENAI_ORG_ID, OPENAI_PROJECT_ID and OPENAI_CUSTOM_HEADERS.",
    )


def proxy_login_refused(address: str) -> UnusableCredentials:
    """The error for a proxy that wants another name and password."""
    return UnusableCredentials(
        f"The proxy refused its name and password (HTTP 407){through_proxy(address)}; nothing was sent.",
        next_step=PROXY_LOGIN_STEP,
    )


def unreachable(error: BaseException, address: str) -> Unreachable:
    """Explains a connection that was not made, by the deepest cause that is known."""
    import httpx2
    from socksio.exceptions import SOCKSError

    endpoint, way = _shown(address), through_proxy(address)
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _untrusted(cause, endpoint)
        if isinstance(cause, ssl.SSLError):
            said = f"No encrypted connection to {endpoint}{way}: {cause.reason or cause}"
            return _unreachable(said, "Check scheme and port of OPENAI_BASE_URL and of the proxy.")
        if isinstance(cause, socket.gaierror):
            said = f"The host of {endpoint}{way} is not known: {cause.strerror}"
            return _unreachable(said, "Check the network, its DNS, OPENAI_BASE_URL and HTTPS_PROXY.")
    if isinstance(error, httpx2.ProxyError | SOCKSError):
        said = f"The proxy did not let the connection through to {endpoint}{way}: {error}"
        return _unreachable(said, "Check HTTPS_PROXY and the rules of the proxy, or set NO_PROXY.")
    said = f"No connection to {endpoint}{way}: {str(error) or type(error).__name__}"
    return _unreachable(said, "Check the network, the firewall, OPENAI_BASE_URL and HTTPS_PROXY.")


def _untrusted(cause: ssl.SSLCertVerificationError, endpoint: str) -> Unreachable:
    reason = cause.verify_message
    if "expired" in reason or "not yet valid" in reason:
        step = "Check the clock of this machine; if it is right, the server's certificate has to be renewed."
    else:
        step = (
            "If a company proxy or a virus scanner reads along, set SSL_CERT_FILE to a file with its root "
            "certificate and the usual ones; if SSL_CERT_FILE or SSL_CERT_DIR is set, check that it leads to "
            "them; otherwise do not trust this network."
        )
    return _unreachable(f"The certificate of {endpoint} is not trusted: {reason}", step)


def _unreachable(said: str, next_step: str) -> Unreachable:
    return Unreachable(f"{said}; nothing was sent.", next_step=next_step)


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def _fits_header(value: str) -> bool:
    """Whether HTTP can carry a value: printable ASCII, and no blank at either end."""
    return value.isascii() and value.isprintable() and value == value.strip()


def _proxy_to(url: str) -> tuple[str, str]:
    """The variable and the address of the proxy that requests to an address go through; empty without one."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return "", ""
    proxies = getproxies()
    scheme = next((name for name in (parts.scheme, "all") if proxies.get(name)), None)
    if scheme is None or proxy_bypass(host):
        return "", ""
    return f"{scheme.upper()}_PROXY", proxies[scheme]


def _is_web_address(address: str) -> bool:
    """Whether requests can be sent to an address."""
    url = _read(address)
    return url is not None and url.scheme in ("http", "https") and bool(url.host)


def _is_proxy(proxy: str) -> bool:
    """Whether an address, which may lack its scheme, can be that of a proxy."""
    return _read(proxy if "://" in proxy else f"http://{proxy}") is not None


def _read(address: str) -> httpx2.URL | None:
    """An address in parts; None if it has none, or a port that there cannot be."""
    import httpx2

    try:
        url = httpx2.URL(address)
    except httpx2.InvalidURL:
        return None
    return url if url.port is None or 0 < url.port <= _HIGHEST_PORT else None


def _shown(address: str) -> str:
    """An address as it may be shown, on one line."""
    return "".join(letter if letter.isprintable() else "?" for letter in without_password(address))
