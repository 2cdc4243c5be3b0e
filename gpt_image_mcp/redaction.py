"""Takes keys out of the words of endpoints: some gateways repeat the headers of a request in their errors."""

from __future__ import annotations

import base64
import html
import json
import re
from functools import lru_cache
from typing import TYPE_CHECKING, cast
from urllib.parse import quote, quote_plus, urlsplit

if TYPE_CHECKING:
    from collections.abc import Collection

    import httpx2

HIDDEN = "***"
# Shorter keys are words such as "none", which gateways without keys are given, and the sandbox's own. Of a
# longer key so many characters in a row are hidden, because answers quote keys cut as well as whole.
_SHORTEST_KEY_CHARACTERS = 8
_LIKE_A_KEY = re.compile(
    r"\bsk-[\w.*-]{8,}|(?<=\bBearer )[\w.~+/*-]{16,}=*|\beyJ[\w-]{8,8000}+\.[\w-]+(?:\.[\w-]*)*|"
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END|$)",
    re.IGNORECASE | re.DOTALL,
)

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*:/+|/+)?(.*)", re.IGNORECASE | re.DOTALL)
_HOST_AND_PORT = re.compile(r"([^:@]*|\[[^\]@]*\])(:[0-9]*)?")


def redact(text: str, key: str = "") -> str:
    """A text without this key or a piece of it, and without anything that looks like a key or a token."""
    if len(key) >= _SHORTEST_KEY_CHARACTERS:
        text = _without_pieces(text, key)
    return _LIKE_A_KEY.sub(HIDDEN, text)


def without_secrets(text: str, secrets: Collection[str]) -> str:
    """A text without any of these secrets or a piece of one, and without what looks like a key or a token."""
    for secret in secrets:
        text = redact(text, secret)
    return redact(text)


def without_password(address: str) -> str:
    """An address without user, password and query, however wrongly it is written.

    Of a password with a slash, or an address without a scheme, parsers see something else.
    """
    try:
        urlsplit(address)
    except ValueError:
        return "(an address that cannot be read)"
    scheme, rest = cast("re.Match[str]", _SCHEME.match(address)).groups("")
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if not _HOST_AND_PORT.fullmatch(authority):
        before, at, after = rest.rpartition("@")
        rest = after if at else f"{before or rest.partition(':')[0]}:{HIDDEN}"
    return scheme + re.split(r"[?#]", rest, maxsplit=1)[0]


def key_of(request: httpx2.Request) -> str:
    """The key that a request carried, which answers may repeat; empty if it carried none."""
    return request.headers.get("authorization", "").removeprefix("Bearer ")


def redact_body(body: bytes, key: str) -> bytes:
    """The body of an answer without a key; what only looks like one may be a piece of a picture."""
    if len(key) >= _SHORTEST_KEY_CHARACTERS:
        for spelling in _spellings(key):
            body = body.replace(spelling.encode(errors="surrogatepass"), HIDDEN.encode())
    return body


def _without_pieces(text: str, key: str) -> str:
    """A text with every piece of a key hidden, in any of its spellings."""
    shown: list[str] = []
    end = 0
    for found in _pieces(key).finditer(text):
        start, stop = found.start(), found.start() + _SHORTEST_KEY_CHARACTERS
        if start > end or not shown:
            shown += [text[end:start], HIDDEN]
        end = stop
    return "".join((*shown, text[end:]))


@lru_cache(maxsize=32)
def _pieces(key: str) -> re.Pattern[str]:
    """Finds each place where a piece of a key begins; the places may overlap."""
    length = _SHORTEST_KEY_CHARACTERS
    pieces = {
        spelling[start : start + length]
        for spelling in _spellings(key)
        for start in range(len(spelling) - length + 1)
    }
    return re.compile(f"(?=(?:{'|'.join(re.escape(piece) for piece in sorted(pieces))}))", re.IGNORECASE)


@lru_cache(maxsize=32)
def _spellings(key: str) -> tuple[str, ...]:
    """A key as it is, and as programs write it: quoted, escaped, encoded. The longest come first."""
    raw = key.encode(errors="surrogatepass")
    spellings = {
        *(key, repr(key)[1:-1], json.dumps(key)[1:-1], json.dumps(json.dumps(key))[3:-3], html.escape(key)),
        *(quote(raw), quote(raw, safe=""), quote_plus(raw), raw.hex(), *_in_base64(raw)),
    }
    long = (spelling for spelling in spellings if len(spelling) >= _SHORTEST_KEY_CHARACTERS)
    return tuple(sorted(long, key=len, reverse=True))


def _in_base64(raw: bytes) -> set[str]:
    """What base64 makes of some bytes wherever they stand in a text: in three ways, for each alphabet."""
    found: set[str] = set()
    for shift in range(3):
        encoded = base64.b64encode(bytes(shift) + raw).rstrip(b"=").decode()
        # The characters at either end also depend on the bytes beside them.
        inner = encoded[shift and shift + 1 :]
        inner = inner if (shift + len(raw)) % 3 == 0 else inner[:-1]
        found |= {inner, inner.replace("+", "-").replace("/", "_")}
    return found
