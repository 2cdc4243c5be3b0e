"""What the API's error responses mean: one table from status, code and message to our error tree.

Gateways put the status into ``code`` and hide OpenAI's own JSON in ``message``, so the words of the message
are searched too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from gpt_image_mcp.errors import (
    AuthenticationFailed,
    ImageError,
    ModerationBlocked,
    OrganizationNotVerified,
    OutcomeUnknown,
    QuotaExhausted,
    RateLimited,
    UpstreamRejected,
    UpstreamUnavailable,
)
from gpt_image_mcp.openai_api.retry_after import LONGEST_RETRY_AFTER_SECONDS, pause_seconds
from gpt_image_mcp.openai_api.unsent import KEYS_LINK

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

VERIFY_LINK = "https://platform.openai.com/settings/organization/general"
BILLING_LINK = "https://platform.openai.com/settings/organization/billing"

# The server failed. So soon after the request it has made no picture: sending again cannot bill twice.
_SERVER_FAILED = frozenset({500, 502, 503, 529})
_TOO_SOON_FOR_A_PICTURE_SECONDS = 2.0
# With these OpenAI itself, who sends the bill, says that the request failed.
_OPENAI_FAILED = frozenset({500, 503})
_QUOTA_CODES = frozenset(
    {
        "insufficient_quota",
        "billing_hard_limit_reached",
        "billing_not_active",
        "project_spend_limit_exceeded",
        "organization_spend_limit_exceeded",
    }
)
# Gateways hide the upstream JSON, or its Python form, in their own message.
_QUOTA_WORDS = re.compile(
    rf"exceeded your current quota|(?:code|type)[\\'\"]+\s*:\s*[\\'\"]+(?:{'|'.join(sorted(_QUOTA_CODES))})\b"
)
# Codes in an answer that arrived well, as the Responses API gives them.
_FAILED_INSIDE = frozenset({"server_error", "image_generation_failed"})
_IN_STREAM, _HTTP_OK, _HTTP_TIMEOUT = 0, 200, 408
_HTTP_UNAUTHORIZED, _HTTP_FORBIDDEN, _HTTP_NOT_FOUND, _HTTP_TOO_MANY = 401, 403, 404, 429
_HTTP_SERVER_ERROR = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorResponse:
    """An error response: the HTTP status (0 for an error inside a stream) and OpenAI's error object.

    Attributes:
        seconds_to_answer: Between the last byte of the request and the response.
        is_openai: Whether OpenAI's own host answered, rather than a gateway.
    """

    status: int
    message: str
    code: str = ""
    type: str = ""
    param: str = ""
    details: Mapping[str, object] = field(default_factory=dict[str, object])
    retry_after: str = ""
    retry_after_ms: str = ""
    request_id: str | None = None
    seconds_to_answer: float = 0.0
    is_openai: bool = False


def map_error(response: ErrorResponse, *, model: str) -> ImageError:
    """The error of our tree that a response means, with what to do next."""
    for matches, build in _RULES:
        if matches(response):
            return build(response, model)
    return _rejected(response, model)


def _said(response: ErrorResponse) -> str:
    """The API's own words, on one line and of bounded length."""
    text = " ".join(response.message.split())
    if "<html" in text.lower() or "<!doctype" in text.lower():
        text = "an HTML page instead of an API answer, probably from a proxy or gateway"
    return text[:600].rstrip(".") or "no reason given"


def _http(response: ErrorResponse) -> str:
    return f"HTTP {response.status}" if response.status else "an error in the stream"


def _quota(response: ErrorResponse, _model: str) -> ImageError:
    return QuotaExhausted(
        f"The OpenAI account cannot pay for this call ({_http(response)}, {response.code or 'quota'}): "
        f"{_said(response)}.",
        next_step=f"Add credit or raise the limit at {BILLING_LINK}; waiting does not help.",
        request_id=response.request_id,
    )


def _moderation(response: ErrorResponse, _model: str) -> ImageError:
    stage = str(response.details.get("moderation_stage") or "")
    listed = response.details.get("categories")
    categories = [str(name) for name in cast("list[object]", listed)] if isinstance(listed, list) else []
    found = re.search(r"safety_violations=\[([^\]]*)\]", response.message)
    if not categories and found:
        categories = [name.strip() for name in found[1].split(",")]
    where = {"input": "the prompt or an input image", "output": "the picture that was made"}.get(stage, "it")
    reason = f" for {', '.join(categories)}" if categories else ""
    return ModerationBlocked(
        f"OpenAI's safety system refused {where}{reason} (stage: {stage or 'not given'}): {_said(response)}.",
        next_step="Rephrase the prompt (or replace the input image) without what was named; do not repeat "
        "it unchanged.",
        request_id=response.request_id,
    )


def _unverified(response: ErrorResponse, model: str) -> ImageError:
    return OrganizationNotVerified(
        f"OpenAI wants the organisation verified before it may use {model} ({_http(response)}): "
        f"{_said(response)}.",
        next_step=f"Verify the organisation at {VERIFY_LINK} (it can take 15 minutes to arrive), or use a "
        "key of a verified organisation.",
        request_id=response.request_id,
    )


def _rate_limited(response: ErrorResponse, _model: str) -> ImageError:
    seconds = _pause(response)
    return RateLimited(
        f"OpenAI's rate limit is reached ({_http(response)}): {_said(response)}.",
        next_step=f"Call again {_when(seconds)}, with a smaller n or fewer calls at once.",
        request_id=response.request_id,
        retry_after_seconds=seconds,
    )


def _pause(response: ErrorResponse) -> float | None:
    return pause_seconds(
        milliseconds=response.retry_after_ms, header=response.retry_after, words=response.message
    )


def _when(seconds: float | None) -> str:
    return "in a minute" if seconds is None else f"in {seconds:.0f} s"


def _unauthenticated(response: ErrorResponse, _model: str) -> ImageError:
    if response.status == _HTTP_FORBIDDEN:
        return AuthenticationFailed(
            f"The OpenAI key may not do this (HTTP 403): {_said(response)}.",
            next_step=f"Give the key the permission for images, or use another key: {KEYS_LINK}.",
            request_id=response.request_id,
        )
    return AuthenticationFailed(
        # The API's words are left out on purpose: they repeat a part of the key.
        f"OpenAI refused the key in OPENAI_API_KEY ({_http(response)}, {response.code or 'unauthorized'}).",
        next_step=f"Set OPENAI_API_KEY to a valid key from {KEYS_LINK} and restart the server.",
        request_id=response.request_id,
    )


def _no_model(response: ErrorResponse, model: str) -> ImageError:
    return UpstreamRejected(
        f"The endpoint has no model {model!r} for this key ({_http(response)}): {_said(response)}.",
        next_step="Choose another model (gpt-image://models and `gpt-image-mcp models` list them), or give "
        "the key's project access to it; with OPENAI_BASE_URL set, check that it ends in /v1.",
        request_id=response.request_id,
    )


def _unavailable(response: ErrorResponse, _model: str) -> ImageError:
    """The server failed; one that asks for a long pause is limiting its callers, whatever status it gives."""
    seconds = _pause(response)
    kind = RateLimited if (seconds or 0) > LONGEST_RETRY_AFTER_SECONDS else UpstreamUnavailable
    return kind(
        f"OpenAI failed to answer ({_http(response)}): {_said(response)}. Nothing was made.",
        next_step=f"Call again {_when(seconds)}; if it goes on, look at https://status.openai.com.",
        request_id=response.request_id,
        retry_after_seconds=seconds,
    )


def _unknown(response: ErrorResponse, _model: str) -> ImageError:
    return OutcomeUnknown(
        f"The answer was lost on the way ({_http(response)}): {_said(response)}. Whether a picture was made "
        "and billed cannot be told.",
        next_step="Look at the usage page of the account, or call again and accept that it may be billed "
        "twice.",
        request_id=response.request_id,
    )


def _rejected(response: ErrorResponse, model: str) -> ImageError:
    about = f", parameter {response.param}" if response.param else ""
    return UpstreamRejected(
        f"OpenAI rejected the request ({_http(response)}{about}): {_said(response)}.",
        next_step=_remedy(response, model),
        request_id=response.request_id,
    )


# First match wins: a pattern in the API's words, and what to do about it.
_REMEDIES = (
    (r"input_fidelity", "Leave input_fidelity at auto for this model."),
    (
        r"transparent",
        "Use background opaque, or a model that supports transparency (the models command lists them).",
    ),
    (
        r"invalid size|pixel budget|divisible",
        "Choose a size that the message allows, or leave size at auto.",
    ),
    (
        r"invalid image file",
        "Convert the named image to a plain RGB PNG and send it again.",
    ),
    (
        r"value must be 'dall-e-2'",
        (
            "The endpoint hides the real reason: check that the organisation is verified "
            f"({VERIFY_LINK}), that the key may use the model, that the prompt is short enough."
        ),
    ),
    (r"unknown parameter", "The endpoint or gateway does not know this parameter: leave it at its default."),
)


def _remedy(response: ErrorResponse, model: str) -> str:
    words = _words(response)
    for pattern, remedy in _REMEDIES:
        if re.search(pattern, words):
            return remedy
    return f"Correct what the message names; the models command shows what {model} accepts."


def _words(response: ErrorResponse) -> str:
    return f"{response.code} {response.message}".lower()


def _is_quota(response: ErrorResponse) -> bool:
    is_named = response.code in _QUOTA_CODES or response.type in _QUOTA_CODES
    return is_named or _QUOTA_WORDS.search(_words(response)) is not None


def _is_moderation(response: ErrorResponse) -> bool:
    return response.code == "moderation_blocked" or "safety system" in _words(response)


def _is_unverified(response: ErrorResponse) -> bool:
    return "must be verified" in _words(response)


def _is_rate_limit(response: ErrorResponse) -> bool:
    return response.status == _HTTP_TOO_MANY or response.code == "rate_limit_exceeded"


def _is_unauthenticated(response: ErrorResponse) -> bool:
    return response.status in (_HTTP_UNAUTHORIZED, _HTTP_FORBIDDEN)


def _is_missing_model(response: ErrorResponse) -> bool:
    return response.status == _HTTP_NOT_FOUND or response.code == "model_not_found"


def _is_server_failure(response: ErrorResponse) -> bool:
    """A failure of the server that certainly made no picture.

    Also a 200 that reports one inside, as the Responses API does.
    """
    if response.status == _HTTP_OK:
        return response.code in _FAILED_INSIDE
    if response.is_openai and response.status in _OPENAI_FAILED and response.type == "server_error":
        return True
    is_soon = response.seconds_to_answer <= _TOO_SOON_FOR_A_PICTURE_SECONDS
    return is_soon and response.status in _SERVER_FAILED


def _is_lost(response: ErrorResponse) -> bool:
    """A server that failed late, or gave up waiting: the request may be running behind it, and be billed."""
    return response.status in (_IN_STREAM, _HTTP_TIMEOUT) or response.status >= _HTTP_SERVER_ERROR


# The first rule that matches wins: words before statuses, because gateways change statuses and codes.
_RULES: tuple[tuple[Callable[[ErrorResponse], bool], Callable[[ErrorResponse, str], ImageError]], ...] = (
    (_is_quota, _quota),
    (_is_moderation, _moderation),
    (_is_unverified, _unverified),
    (_is_rate_limit, _rate_limited),
    (_is_unauthenticated, _unauthenticated),
    (_is_missing_model, _no_model),
    (_is_server_failure, _unavailable),
    (_is_lost, _unknown),
)
