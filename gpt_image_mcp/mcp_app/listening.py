"""Where the HTTP server may listen, and behind what: TLS of its own, or proxies that end it."""

from __future__ import annotations

import socket
import ssl
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from gpt_image_mcp.errors import InvalidSetting

if TYPE_CHECKING:
    from gpt_image_mcp.settings import Settings

_HIGHEST_PORT = 65_535


def address_to_bind(host: str, port: int, settings: Settings) -> str:
    """The address of a host, on which this server may listen.

    Raises:
        InvalidSetting: If the host is unknown or the port is none; or if others may reach the address, and
            they would not sign in, or their tokens would not be protected on the way.
    """
    if not 0 <= port <= _HIGHEST_PORT:
        message = f"port is {port}; it must be 0 to {_HIGHEST_PORT}."
        raise InvalidSetting(message, next_step="Leave out --port, or pass 0 for any free one.")
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        message = f"host is {host!r}, which is not known here: {error}."
        raise InvalidSetting(message, next_step="Use 127.0.0.1, ::1 or localhost.") from error
    addresses = [str(entry[4][0]) for entry in found]
    others = [address for address in addresses if not ip_address(address).is_loopback]
    if others:
        _require_protection(f"host is {host!r} ({others[0]}), which other machines may reach", settings)
    return addresses[0]


def transport_options(settings: Settings) -> dict[str, Any]:
    """Options of ``uvicorn.Config`` for TLS and for proxies.

    Raises:
        InvalidSetting: If the files for TLS cannot be used.
    """
    options: dict[str, Any] = {
        "proxy_headers": bool(settings.trusted_proxies),
        "forwarded_allow_ips": list(settings.trusted_proxies),
    }
    cert, key = settings.tls_cert, settings.tls_key
    if cert is None and key is None:
        return options
    if cert is None or key is None:
        message = f"GPT_IMAGE_TLS_{'KEY' if key else 'CERT'} is set without the other one."
        step = "Set GPT_IMAGE_TLS_CERT and GPT_IMAGE_TLS_KEY; one file may hold both."
        raise InvalidSetting(message, next_step=step)
    try:
        # Without a password OpenSSL would ask for one on the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, password="")
    except (OSError, ValueError) as error:
        message = f"GPT_IMAGE_TLS_CERT ({cert}) and GPT_IMAGE_TLS_KEY ({key}) cannot be used: {error}."
        step = "Set them to a chain of certificates and its private key without a password, both as PEM."
        raise InvalidSetting(message, next_step=step) from error
    return {**options, "ssl_certfile": str(cert), "ssl_keyfile": str(key)}


def answered_hosts(settings: Settings) -> tuple[str, ...]:
    """The names besides those of this machine that are answered: the configured ones, and our own."""
    own = urlsplit(settings.auth_base_url or "").hostname if settings.is_served else None
    return (*settings.allowed_hosts, own) if own else settings.allowed_hosts


def _require_protection(said: str, settings: Settings) -> None:
    if not settings.is_served:
        message = f"{said}, and nobody signs in: whoever reaches it spends your money and sees your images."
        step = (
            "Use 127.0.0.1, ::1 or localhost; or let people sign in: set GPT_IMAGE_AUTH to tokens, jwt or "
            "oidc, and GPT_IMAGE_TLS_CERT with GPT_IMAGE_TLS_KEY, or GPT_IMAGE_TRUSTED_PROXIES."
        )
        raise InvalidSetting(message, next_step=step)
    if not (settings.tls_cert and settings.tls_key) and not settings.trusted_proxies:
        message = f"{said}, and tokens and images would cross the network unencrypted."
        step = (
            "Set GPT_IMAGE_TLS_CERT and GPT_IMAGE_TLS_KEY; or GPT_IMAGE_TRUSTED_PROXIES, if a proxy ends TLS."
        )
        raise InvalidSetting(message, next_step=step)
