"""An error response, and how the kind of refusal that it is can be told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gpt_image_mcp.openai_api import error_patterns as patterns

if TYPE_CHECKING:
    import re
    from collections.abc import Mapping

# The server failed. So soon after the request it has made no picture: sending again cannot bill twice.
_SERVER_FAILED = frozenset({500, 502, 503, 529})
_TOO_SOON_FOR_A_PICTURE_SECONDS = 2.0
# With these OpenAI itself, who sends the bill, says that the request failed.
_OPENAI_FAILED = frozenset({500, 503})
# Codes in an answer that arrived well, as the Responses API gives them.
_FAILED_INSIDE = frozenset({"server_error", "image_generation_failed"})
_IN_STREAM, _HTTP_OK, _HTTP_TIMEOUT = 0, 200, 408
_HTTP_UNAUTHORIZED, _HTTP_PAYMENT, _HTTP_FORBIDDEN, _HTTP_NOT_FOUND, _HTTP_NO_METHOD = 401, 402, 403, 404, 405
_HTTP_PROXY_LOGIN, _HTTP_TOO_LARGE, _HTTP_TOO_MANY, _HTTP_LEGAL_REASONS = 407, 413, 429, 451
_HTTP_CLIENT_ERROR, _HTTP_SERVER_ERROR, _HTTP_NOT_IMPLEMENTED = 400, 500, 501
_REFUSED_ACCESS = frozenset({_HTTP_UNAUTHORIZED, _HTTP_FORBIDDEN})


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorResponse:
    """An error response: the HTTP status (0 for an error inside a stream) and OpenAI's error object.

    Attributes:
        inner_code: A more exact code inside the error, as Azure gives it.
        url: The address that was asked, without secrets.
        is_html: Whether a page for people came in place of JSON.
        seconds_to_answer: Between the last byte of the request and the response.
        is_openai: Whether OpenAI's own host answered, rather than a gateway.
    """

    status: int
    message: str
    code: str = ""
    inner_code: str = ""
    type: str = ""
    param: str = ""
    details: Mapping[str, object] = field(default_factory=dict[str, object])
    retry_after: str = ""
    retry_after_ms: str = ""
    request_id: str | None = None
    seconds_to_answer: float = 0.0
    is_openai: bool = False
    is_html: bool = False
    url: str = ""


def _says(response: ErrorResponse, words: re.Pattern[str], codes: frozenset[str] = frozenset()) -> bool:
    """Whether a response has one of these codes, or says it in words."""
    given = {code.lower() for code in (response.code, response.inner_code, response.type)}
    return bool(given & codes) or words.search(response.message) is not None


def is_quota(response: ErrorResponse) -> bool:
    """The account has no credit or has reached a limit of spending, whatever the status."""
    return response.status == _HTTP_PAYMENT or _says(response, patterns.QUOTA_WORDS, patterns.QUOTA_CODES)


def is_moderation(response: ErrorResponse) -> bool:
    """A content filter refused, of OpenAI, Azure or a gateway."""
    return _says(response, patterns.MODERATION_WORDS, patterns.MODERATION_CODES)


def is_unverified(response: ErrorResponse) -> bool:
    """OpenAI wants the organisation verified."""
    return _says(response, patterns.UNVERIFIED_WORDS)


def is_address_refused(response: ErrorResponse) -> bool:
    """The network address of this machine is not on a list of those allowed."""
    is_named = _says(response, patterns.ADDRESS_WORDS, patterns.ADDRESS_CODES)
    return response.status in _REFUSED_ACCESS and is_named


def is_region(response: ErrorResponse) -> bool:
    """The country or region of this machine is not served."""
    is_named = _says(response, patterns.REGION_WORDS, patterns.REGION_CODES)
    return response.status == _HTTP_LEGAL_REASONS or is_named


def is_too_large(response: ErrorResponse) -> bool:
    """The request has more bytes than something on the way takes."""
    return response.status == _HTTP_TOO_LARGE or (
        _is_client_error(response) and _says(response, patterns.TOO_LARGE_WORDS)
    )


def _is_client_error(response: ErrorResponse) -> bool:
    return _HTTP_CLIENT_ERROR <= response.status < _HTTP_SERVER_ERROR


def is_web_filter(response: ErrorResponse) -> bool:
    """A page for people refuses access: a firewall, a web filter or a sign-in page."""
    return response.status in _REFUSED_ACCESS and response.is_html


def is_proxy_login(response: ErrorResponse) -> bool:
    """A proxy wants a name and a password."""
    return response.status == _HTTP_PROXY_LOGIN


def is_website(response: ErrorResponse) -> bool:
    """A page for people came with a good status."""
    return response.status == _HTTP_OK and response.is_html


def is_rate_limit(response: ErrorResponse) -> bool:
    """Too many requests."""
    return response.status == _HTTP_TOO_MANY or response.code == "rate_limit_exceeded"


def is_unauthenticated(response: ErrorResponse) -> bool:
    """The key is refused, or may not do this."""
    return response.status in _REFUSED_ACCESS


def is_missing_model(response: ErrorResponse) -> bool:
    """The endpoint has no such model, at least not for this key."""
    return _says(response, patterns.MODEL_WORDS, patterns.MODEL_CODES)


def is_missing_endpoint(response: ErrorResponse) -> bool:
    """The endpoint itself is not there, or takes no such request."""
    if response.status == _HTTP_NOT_IMPLEMENTED:
        return _is_soon(response)
    is_named = response.is_html or _says(response, patterns.ENDPOINT_WORDS)
    return response.status == _HTTP_NO_METHOD or (response.status == _HTTP_NOT_FOUND and is_named)


def is_not_found(response: ErrorResponse) -> bool:
    """Something is not there, and the response does not say what."""
    return response.status == _HTTP_NOT_FOUND


def _is_soon(response: ErrorResponse) -> bool:
    return response.seconds_to_answer <= _TOO_SOON_FOR_A_PICTURE_SECONDS


def is_server_failure(response: ErrorResponse) -> bool:
    """A failure of the server that certainly made no picture.

    Also a 200 that reports one inside, as the Responses API does.
    """
    if response.status == _HTTP_OK:
        return response.code in _FAILED_INSIDE
    if response.is_openai and response.status in _OPENAI_FAILED and response.type == "server_error":
        return True
    return _is_soon(response) and response.status in _SERVER_FAILED


def is_lost(response: ErrorResponse) -> bool:
    """A server that failed late, or gave up waiting: the request may be running behind it, and be billed."""
    return response.status in (_IN_STREAM, _HTTP_TIMEOUT) or response.status >= _HTTP_SERVER_ERROR
