"""What error responses mean: one table from status, code and words to our error tree.

Gateways put the status into ``code`` and hide OpenAI's own JSON in ``message``, so the words of the message
are searched too. Whatever the table says of a response, its own words are kept.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from gpt_image_mcp.errors import (
    AuthenticationFailed,
    ImageError,
    ModerationBlocked,
    OrganizationNotVerified,
    OutcomeUnknown,
    QuotaExhausted,
    RateLimited,
    UpstreamError,
    UpstreamRejected,
    UpstreamUnavailable,
    WrongAddress,
)
from gpt_image_mcp.openai_api.error_response import (
    is_address_refused,
    is_lost,
    is_missing_endpoint,
    is_missing_model,
    is_moderation,
    is_not_found,
    is_proxy_login,
    is_quota,
    is_rate_limit,
    is_region,
    is_server_failure,
    is_too_large,
    is_unauthenticated,
    is_unverified,
    is_web_filter,
    is_website,
)
from gpt_image_mcp.openai_api.redaction import HIDDEN
from gpt_image_mcp.openai_api.retry_after import LONGEST_RETRY_AFTER_SECONDS, pause_seconds
from gpt_image_mcp.openai_api.unsent import KEYS_LINK, proxy_login_refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from gpt_image_mcp.openai_api.error_response import ErrorResponse

VERIFY_LINK = "https://platform.openai.com/settings/organization/general"
BILLING_LINK = "https://platform.openai.com/settings/organization/billing"
WEBSITE_STEP = (
    "Check OPENAI_BASE_URL: it has to be the address of the API, which ends in /v1, not that of a website or "
    "sign-in page."
)

_HTTP_FORBIDDEN = 403
# As some gateways put into an answer with status 200.
_STATUSES_AS_CODES = frozenset(map(str, range(400, 500)))
# A key as gateways show it: cut, starred, or by its last characters.
_CUT_KEY = re.compile(r"\S*(?:\*{2,}|\.{3}|…)\S*|(?<=ending in )\S+|(?<=ending with )\S+|(?<=ends with )\S+")


def map_error(response: ErrorResponse, *, model: str) -> ImageError:
    """The error of our tree that a response means, with what to do next."""
    return _known_error(response, model) or _rejected(response, model)


def map_refusal_inside(response: ErrorResponse, *, model: str) -> ImageError | None:
    """The refusal that an answer with status 200 carries; None if a picture may have been made all the same.

    Its code may be the status that it should have had.
    """
    if response.code in _STATUSES_AS_CODES:
        response = replace(response, status=int(response.code))
    known = _known_error(response, model)
    return None if isinstance(known, UpstreamUnavailable | OutcomeUnknown) else known


def _known_error(response: ErrorResponse, model: str) -> ImageError | None:
    return next((build(response, model) for matches, build in _RULES if matches(response)), None)


def website(response: ErrorResponse) -> WrongAddress:
    """The error for a website where the API should be."""
    return WrongAddress(
        f"{response.url or 'The address'} answers like a website, not like the API ({_http(response)}): "
        f"{_said(response)}.",
        next_step=WEBSITE_STEP,
        request_id=response.request_id,
    )


def _said(response: ErrorResponse) -> str:
    """The API's own words, on one line and of bounded length."""
    text = " ".join(response.message.split())
    return text[:600].rstrip(".") or "no reason given"


def _http(response: ErrorResponse) -> str:
    return f"HTTP {response.status}" if response.status else "an error in the stream"


def _quota(response: ErrorResponse, _model: str) -> ImageError:
    return QuotaExhausted(
        f"The OpenAI account cannot pay for this call ({_http(response)}, {response.code or 'quota'}): "
        f"{_said(response)}.",
        next_step=f"Add credit or raise the limit at {BILLING_LINK}, or with whoever runs the gateway; "
        "waiting does not help.",
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
        f"The safety system refused {where}{reason} (stage: {stage or 'not given'}): {_said(response)}.",
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
    # OpenAI's words say no more than the code, and repeat a part of the key.
    is_gateway = bool(response.url) and not response.is_openai
    words = f": {_CUT_KEY.sub(HIDDEN, _said(response))}" if is_gateway else ""
    return AuthenticationFailed(
        f"The key in OPENAI_API_KEY was refused ({_http(response)}, {response.code or 'unauthorized'})"
        f"{words}.",
        next_step=f"Set OPENAI_API_KEY to a valid key, from {KEYS_LINK} or of the gateway, and restart the "
        "server.",
        request_id=response.request_id,
    )


def _refuses_proxy_login(response: ErrorResponse, _model: str) -> ImageError:
    return proxy_login_refused(response.url)


def _advice(
    kind: type[UpstreamError], said: str, next_step: str
) -> Callable[[ErrorResponse, str], ImageError]:
    """Builds errors whose text differs only in the words of the response."""

    def build(response: ErrorResponse, model: str) -> ImageError:
        return kind(
            f"{said.format(url=response.url or 'the address')} ({_http(response)}): {_said(response)}.",
            next_step=next_step.format(model=model),
            request_id=response.request_id,
        )

    return build


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


_address_refused = _advice(
    AuthenticationFailed,
    "The API does not take requests from this machine's network address",
    "Add the public IP address of this machine to the allow-list of the project or gateway, or call from one "
    "that is on it; another key does not help.",
)
_region_refused = _advice(
    UpstreamRejected,
    "The API is not offered to the country or region that this request came from",
    "Call from a supported region (a VPN or proxy may be what is seen there), or use a gateway that serves "
    "yours with OPENAI_BASE_URL; another key does not help.",
)
_web_filter = _advice(
    UpstreamRejected,
    "A firewall, web filter or website answered in place of the API at {url}",
    "Allow this address in the firewall, VPN or web filter, and check that OPENAI_BASE_URL ends in /v1.",
)
_too_large = _advice(
    UpstreamRejected,
    "The request is too large for the API or for a gateway on the way",
    "Send fewer or smaller input images (JPEG instead of PNG), or raise the limit of the gateway (such as "
    "nginx's client_max_body_size).",
)
_no_endpoint = _advice(
    UpstreamRejected,
    "There is no such endpoint at {url}",
    "Check that OPENAI_BASE_URL ends in /v1 and nothing more; if it does, the gateway does not offer this "
    "endpoint: use another gateway, or for edits OPENAI_FORCE_RESPONSES_EDITS=1.",
)

# The first rule that matches wins: words before statuses, because gateways change statuses and codes.
_RULES: tuple[tuple[Callable[[ErrorResponse], bool], Callable[[ErrorResponse, str], ImageError]], ...] = (
    (is_website, lambda response, _model: website(response)),
    (is_quota, _quota),
    (is_moderation, _moderation),
    (is_unverified, _unverified),
    (is_rate_limit, _rate_limited),
    (is_proxy_login, _refuses_proxy_login),
    (is_region, _region_refused),
    (is_address_refused, _address_refused),
    (is_web_filter, _web_filter),
    (is_too_large, _too_large),
    (is_missing_model, _no_model),
    (is_unauthenticated, _unauthenticated),
    (is_missing_endpoint, _no_endpoint),
    (is_not_found, _no_model),
    (is_server_failure, _unavailable),
    (is_lost, _unknown),
)
