"""Downloads of images from addresses that others name, guarded against requests into private networks.

A host is looked up once, all of its addresses must be public, and the connection is made to the address that
was checked, so that a second look-up cannot give another one. Each redirect is checked in the same way.
Proxies of the environment are not used, because a proxy would look the host up again.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import zlib
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, TypeAlias

from gpt_image_mcp.errors import InputNotFound, InputRejected, cut
from gpt_image_mcp.threads import in_thread, taking_turns

if TYPE_CHECKING:
    import ssl

    import httpx2

TIMEOUT_SECONDS = 15.0
MAX_REDIRECTS = 5
USER_AGENT = "gpt-image-mcp"
# Names of the metadata services of clouds, refused whatever their address is.
_METADATA_HOSTS = frozenset(
    {"metadata", "metadata.google.internal", "metadata.goog", "instance-data", "instance-data.ec2.internal"}
)
_LOCAL_SUFFIXES = (".localhost", ".local", ".internal", ".localdomain", ".home.arpa")
# ``ipaddress`` calls these public, but they lead into private networks or to a cloud's metadata service.
_REFUSED_NETWORKS = tuple(
    ipaddress.ip_network(network)
    for network in (
        *("100.64.0.0/10", "192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15", "168.63.129.16/32"),
        *("fec0::/10", "2001::/32", "fd00:ec2::254/128"),
    )
)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_HTTP_NOT_FOUND, _HTTP_GONE, _HTTP_TOO_MANY = 404, 410, 429
_HIGHEST_PORT = 65535
# The share of the whole time that connecting to one of a host's addresses may take.
_CONNECT_SHARE = 1 / 3
_READ_CODINGS, _GZIP_OR_ZLIB = ("gzip", "x-gzip", "deflate"), 47

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address


class AddressRefused(InputRejected):
    """An address that is not fetched, however often it is tried."""


class PrivateAddress(AddressRefused):
    """An address that is not one of the open internet."""


@dataclass(frozen=True, slots=True)
class OwnServer:
    """The server of the API itself, which is asked without the guard and with the key.

    Attributes:
        url: Any address of it; scheme, host and port count.
        authorization: The header that carries the key.
        client: What sends the requests.
        is_whole_network: Whether the client's transport stands for the network, so that nothing is guarded.
    """

    url: httpx2.URL
    authorization: str = field(repr=False)
    client: httpx2.AsyncClient
    is_whole_network: bool = False

    def is_at(self, url: httpx2.URL) -> bool:
        """Whether an address has the scheme, host and port of this server."""
        return _origin(url) == _origin(self.url)

    async def send(self, url: httpx2.URL) -> httpx2.Response:
        """The answer to a request, with the key if it goes to this server."""
        headers = {"User-Agent": USER_AGENT, "Accept": "image/*", "Accept-Encoding": "identity"}
        if self.authorization and self.is_at(url):
            headers["Authorization"] = self.authorization
        return await self.client.send(self.client.build_request("GET", url, headers=headers), stream=True)


@dataclass(frozen=True, slots=True)
class Fetcher:
    """Fetches images from the web.

    Attributes:
        max_bytes: The largest body; more is refused while it streams in, whatever the headers claim.
        allow_private: Whether addresses that are not public are fetched too.
        timeout_seconds: For the whole fetch with all redirects.
        own: A server that is trusted.
    """

    max_bytes: int
    allow_private: bool = False
    timeout_seconds: float = TIMEOUT_SECONDS
    own: OwnServer | None = None

    async def fetch(self, url: str) -> bytes:
        """The body at an ``http`` or ``https`` address.

        Raises:
            InputNotFound: If nothing is there.
            InputRejected: If the address answers with an error, or too slowly; ``AddressRefused`` if it may
                not be fetched, or its body is too large.
        """
        try:
            async with asyncio.timeout(self.timeout_seconds):
                return await self._follow(url)
        except TimeoutError as error:
            message = f"{_shown(url)} did not arrive within {self.timeout_seconds:g} s."
            raise InputRejected(message, next_step=_DOWNLOAD_IT, retryable=True) from error

    async def _follow(self, url: str) -> bytes:
        import httpx2

        limit = httpx2.Timeout(None, connect=self.timeout_seconds * _CONNECT_SHARE)
        address = _parsed(url)
        async with httpx2.AsyncClient(trust_env=False, timeout=limit, verify=_certificates()) as client:
            for _ in range(MAX_REDIRECTS + 1):
                try:
                    body, onward = await self._get(client, address)
                except httpx2.HTTPError as error:
                    reason = str(error) or type(error).__name__
                    message = f"{_shown(str(address))} could not be fetched: {reason}."
                    raise InputRejected(message, next_step=_DOWNLOAD_IT, retryable=True) from error
                if onward is None:
                    return body
                address = _parsed(onward, base=address)
        message = f"{_shown(url)} leads through more than {MAX_REDIRECTS} redirects."
        raise InputRejected(message, next_step=_DOWNLOAD_IT)

    async def _get(self, client: httpx2.AsyncClient, url: httpx2.URL) -> tuple[bytes, str | None]:
        """The body at one address, or where it redirects to."""
        response = await self._send(client, url)
        try:
            if response.has_redirect_location:
                return b"", response.headers["location"]
            if response.status_code in (_HTTP_NOT_FOUND, _HTTP_GONE):
                message = f"There is nothing at {_shown(str(url))} (HTTP {response.status_code})."
                raise InputNotFound(message, next_step=_CHECK_IT)
            if not response.is_success:
                message = f"{_shown(str(url))} answered with HTTP {response.status_code}."
                later = response.is_server_error or response.status_code == _HTTP_TOO_MANY
                raise InputRejected(message, next_step=_DOWNLOAD_IT, retryable=later)
            return await self._read(response, url), None
        finally:
            await response.aclose()

    async def _send(self, client: httpx2.AsyncClient, url: httpx2.URL) -> httpx2.Response:
        """The answer of the first of a host's addresses that takes the connection."""
        import httpx2

        if self.own is not None and (self.own.is_whole_network or self.own.is_at(url)):
            return await self.own.send(url)
        *others, last = await self._checked_addresses(url)
        for address in others:
            try:
                return await client.send(_request(client, url, address), stream=True)
            except (httpx2.ConnectError, httpx2.ConnectTimeout):
                continue
        return await client.send(_request(client, url, last), stream=True)

    async def _read(self, response: httpx2.Response, url: httpx2.URL) -> bytes:
        if response.is_stream_consumed:  # a transport that stands for the network has read it already
            self._require_small(response.content, url)
            return response.content
        body = bytearray()
        async for chunk in taking_turns(response.aiter_raw()):
            body += chunk
            self._require_small(body, url)
        coding = response.headers.get("content-encoding", "").strip().lower()
        if coding in ("", "identity"):
            return bytes(body)
        return await in_thread(self._unpacked, body, coding, url)

    def _unpacked(self, body: bytearray, coding: str, url: httpx2.URL) -> bytes:
        """A body that a server compressed unasked, as some storage services do; never more than allowed."""
        if coding not in _READ_CODINGS:
            message = f"{_shown(str(url))} sent a body in the encoding {coding[:40]!r}, which is not read."
            raise InputRejected(message, next_step=_DOWNLOAD_IT)
        try:
            unpacked = zlib.decompressobj(_GZIP_OR_ZLIB).decompress(body, self.max_bytes + 1)
        except zlib.error as error:
            message = f"{_shown(str(url))} sent a body that cannot be decoded: {error}."
            raise InputRejected(message, next_step=_DOWNLOAD_IT) from error
        self._require_small(unpacked, url)
        return unpacked

    def _require_small(self, body: bytes | bytearray, url: httpx2.URL) -> None:
        if len(body) > self.max_bytes:
            message = f"{_shown(str(url))} has more than {self.max_bytes / 1e6:g} MB."
            raise AddressRefused(message, next_step="Pass a smaller image.")

    async def _checked_addresses(self, url: httpx2.URL) -> list[str]:
        """The addresses to connect to, after every one of the host's was found to be public."""
        host = url.host.rstrip(".").lower()
        if not self.allow_private and is_local_name(host):
            raise _private(url, host)
        addresses = await _look_up(url)
        if not self.allow_private:
            refused = next((address for address in addresses if not is_public(address)), None)
            if refused is not None:
                raise _private(url, str(refused))
        return [str(address) for address in dict.fromkeys(addresses)]


def is_public(address: Address) -> bool:
    """Whether an address is in the open internet; an IPv4 address inside an IPv6 one is judged itself."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or _translated(address)
        if inner is not None:
            return is_public(inner)
    if not address.is_global or address.is_multicast or address.is_reserved:
        return False
    return not any(address in network for network in _REFUSED_NETWORKS)


def is_local_name(host: str) -> bool:
    """Whether a host name stands for this machine, its network or a cloud's metadata service."""
    return host in _METADATA_HOSTS or host == "localhost" or host.endswith(_LOCAL_SUFFIXES)


def _translated(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address in a NAT64 one. The old IPv4-compatible ones are reserved, and refused as that."""
    if address in _NAT64:
        return ipaddress.IPv4Address(address.packed[12:])
    return None


async def _look_up(url: httpx2.URL) -> list[Address]:
    """All addresses of a host. The system's resolver also reads decimal, octal and short IPv4 spellings."""
    port = url.port or (443 if url.scheme == "https" else 80)
    try:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(_ascii_host(url), port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        message = f"The host of {_shown(str(url))} cannot be found: {error}."
        raise InputNotFound(message, next_step=_CHECK_IT) from error
    return [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]


def _request(client: httpx2.AsyncClient, url: httpx2.URL, address: str) -> httpx2.Request:
    """The request for a URL, with the checked address in place of the host name."""
    return client.build_request(
        "GET",
        url.copy_with(host=address, fragment=None),
        headers={
            "Host": url.netloc.decode("ascii"),
            "User-Agent": USER_AGENT,
            "Accept": "image/*",
            "Accept-Encoding": "identity",
        },
        extensions={"sni_hostname": _ascii_host(url).rstrip(".")} if url.scheme == "https" else {},
    )


@cache
def _certificates() -> ssl.SSLContext:
    """The trusted certificate authorities, read once because that takes a while."""
    import httpx2

    return httpx2.create_ssl_context(trust_env=False)


def _origin(url: httpx2.URL) -> tuple[str, str, int]:
    """Scheme, host and port of an address."""
    return url.scheme, url.host.lower(), url.port or (443 if url.scheme == "https" else 80)


def _ascii_host(url: httpx2.URL) -> str:
    return url.raw_host.decode("ascii")


def _parsed(url: str, *, base: httpx2.URL | None = None) -> httpx2.URL:
    """A URL that may be fetched; a relative one, as in redirects, starts from the base."""
    import httpx2

    try:
        address = base.join(url) if base else httpx2.URL(url)
    except httpx2.InvalidURL as error:
        message = f"{_shown(url)} is not an address: {error}."
        raise AddressRefused(message, next_step="Pass an http or https address.") from error
    if address.scheme not in ("http", "https") or not address.host:
        message = f"{_shown(url)} is not an http or https address."
        raise AddressRefused(message, next_step="Pass an http or https address.")
    if (address.port or 0) > _HIGHEST_PORT:
        message = f"{_shown(url)} has the port {address.port}; the highest there is is {_HIGHEST_PORT}."
        raise AddressRefused(message, next_step="Correct the port.")
    if address.userinfo:
        message = "The address carries a user name or password."
        raise AddressRefused(message, next_step=_DOWNLOAD_IT)
    return address


def _private(url: httpx2.URL, reason: str) -> PrivateAddress:
    message = f"{_shown(str(url))} leads to {reason}, which is not an address of the open internet."
    return PrivateAddress(
        message,
        next_step="Pass a public address or the image; GPT_IMAGE_ALLOW_PRIVATE_URLS=1 lifts this guard.",
    )


def _shown(url: str) -> str:
    """An address without its query, which may carry a signature, and of bounded length."""
    return cut(url.partition("?")[0])


_CHECK_IT = "Check the address, or download the image yourself."
_DOWNLOAD_IT = "Download the image yourself, and pass it instead of its address."
