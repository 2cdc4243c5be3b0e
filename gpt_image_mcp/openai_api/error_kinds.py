"""The kinds of error responses, a row each: how one is recognised, which error it is, and what to do next.

Gateways change statuses and codes and hide OpenAI's own JSON in their message, so its words count too. They
may also quote the prompt, so patterns are whole phrases, never single nouns.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gpt_image_mcp.catalogue.model_choice import Needs
from gpt_image_mcp.errors import (
    AuthenticationFailed,
    ImageError,
    ModerationBlocked,
    OrganizationNotVerified,
    OutcomeUnknown,
    QuotaExhausted,
    RateLimited,
    UnusableCredentials,
    UpstreamRejected,
    UpstreamUnavailable,
    WrongAddress,
)
from gpt_image_mcp.openai_api.unsent import KEYS_LINK, PROXY_LOGIN_STEP

if TYPE_CHECKING:
    from collections.abc import Container

    from gpt_image_mcp.openai_api.error_response import ErrorResponse

VERIFY_LINK = "https://platform.openai.com/settings/organization/general"
BILLING_LINK = "https://platform.openai.com/settings/organization/billing"

_EVERY_STATUS = range(1000)
# A server that failed late, or gave up waiting: the request may be running behind it, and be billed.
_LOST = (0, 408, 444, 460, 499, *range(500, 1000))
# With these a gateway speaks for itself, so nothing that it quotes counts.
_SPEAKING = frozenset(_EVERY_STATUS) - {408, 444, 460, 499, 504, *range(520, 528)}
_SEPARATOR = re.compile(r"[^a-z0-9]")
_CLIENT_ERRORS = range(400, 500)
_REFUSED_ACCESS = (401, 403)


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorKind:
    """A kind of error response.

    Attributes:
        error: Its error in our tree.
        said: What happened; the status and the API's own words follow. Takes ``{model}`` and ``{url}``.
        next_step: What to do now. Takes ``{model}``, and ``{when}``: the time that the API asks to wait.
        statuses: Statuses that are of this kind whatever the response says.
        early_statuses: Statuses that are, where the answer came too soon for a picture to have been made.
        among: Statuses with which the code, the words or the form count.
        codes: Its codes, in lower case and without separators; some APIs give them as type.
        words: A pattern in its message.
        is_html: Whether a page for people in place of JSON is of this kind.
        is_openai: Whether only OpenAI's own host is believed.
        needs: What the model lacked; ``{able}`` in the next step becomes the models that have it.
    """

    error: type[ImageError]
    said: str
    next_step: str
    statuses: Container[int] = ()
    early_statuses: Container[int] = ()
    among: Container[int] = _SPEAKING
    codes: frozenset[str] = frozenset()
    words: str = ""
    is_html: bool = False
    is_openai: bool = False
    needs: Needs | None = None

    def matches(self, response: ErrorResponse) -> bool:
        """Whether a response is of this kind."""
        if response.status in self.statuses:
            return True
        if response.status in self.early_statuses and response.is_early:
            return True
        if response.status not in self.among:
            return False
        is_said = bool(self.words) and re.search(self.words, response.own_words, re.IGNORECASE) is not None
        return is_said or (self.is_html and response.is_html)

    def is_named(self, response: ErrorResponse) -> bool:
        """Whether a code of the response is one of this kind's."""
        if response.status not in self.among or (self.is_openai and not response.is_openai):
            return False
        given = (response.code, response.inner_code, response.type)
        return not self.codes.isdisjoint(_SEPARATOR.sub("", code.lower()) for code in given)


def _any_of(*phrases: str) -> str:
    return "|".join(phrases)


def _codes(*codes: str) -> frozenset[str]:
    return frozenset(_SEPARATOR.sub("", code) for code in codes)


_QUOTA_CODES = (
    *("insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "quota_exceeded"),
    *("project_spend_limit_exceeded", "organization_spend_limit_exceeded", "insufficient_user_quota"),
    *("insufficient_balance", "insufficient_credits", "insufficient_funds", "payment_required"),
    *("budget_exceeded", "credit_exhausted", "pre_consume_token_quota_failed", "token_quota_exhausted"),
    *("account_overdue_error", "arrearage", "invalid_payment_instrument"),
)

WEBSITE = ErrorKind(
    error=WrongAddress,
    said="{url} answers like a website, not like the API",
    next_step="Check OPENAI_BASE_URL: it has to be the address of the API, which ends in /v1, not that of a "
    "website or sign-in page.",
    among=(200,),
    is_html=True,
)
_NO_MODEL = ErrorKind(
    error=UpstreamRejected,
    said="The endpoint has no model {model!r} for this key",
    next_step="Choose another model (gpt-image://models and `gpt-image-mcp models` list them), or give the "
    "key's project access to it; with OPENAI_BASE_URL set, check that it ends in /v1.",
    codes=_codes("model_not_found", "invalid_model", "model_not_available"),
    words=_any_of(
        r"\b(?:model|deployment)\b[^;]{0,80}?(?:does not exist|doesn't exist|not found|not exist\b)",
        r"\b(?:model|deployment)\b[^;]{0,80}?(?:not be found|is unknown|is not available)",
        r"\b(?:model|deployment)\b[^;]{0,80}?(?:has been deprecated|was retired)",
        r"(?:unknown|no such|invalid|unrecogni[sz]ed) (?:model|deployment)\b",
        r"(?:not|n't) have access to (?:the )?(?:model|deployment)",
        r"not allowed to access (?:the )?model|not a valid model|model identifier is invalid",
        r"no available channels?\b|无可用渠道|无权访问模型",
        r"no (?:endpoints?|providers?) found for",
    ),
)
# No picture was made: so soon after the request there can be none. A 200 may carry such an error, too.
_SERVER_FAILED = ErrorKind(
    error=UpstreamUnavailable,
    said="The API failed, and nothing was made",
    next_step="Call again {when}; if it goes on, look at https://status.openai.com.",
    early_statuses=(500, 502, 503, 529),
    among=(200,),
    codes=_codes("server_error", "image_generation_failed"),
)

# The first that matches counts: words before statuses.
ERROR_KINDS = (
    WEBSITE,
    ErrorKind(
        error=QuotaExhausted,
        said="The account cannot pay for this call",
        next_step=f"Add credit or raise the limit at {BILLING_LINK}, or with whoever runs the gateway; "
        "waiting does not help.",
        statuses=(402,),
        codes=_codes(*_QUOTA_CODES),
        words=_any_of(
            r"exceeded your current quota",
            # Gateways hide the upstream JSON, or its Python form, in their own message.
            rf"(?:code|type)[\\'\"]+\s*:\s*[\\'\"]+(?:{'|'.join(_QUOTA_CODES)})\b",
            r"insufficient (?:account |user )?(?:credits?|balance|funds|quota)\b",
            r"(?:credit|account|wallet) balance (?:is )?(?:too low|insufficient|exhausted|empty)",
            r"(?:not enough|no|out of|used all available) (?:remaining )?credits?\b(?! card)",
            r"(?:requires|need) more credits|n't have any credits",
            r"requires a valid credit card|past(?:-due)? invoices?",
            r"purchase (?:more )?credits",
            r"top[- ]up (?:your|the) (?:account|balance)",
            r"payment (?:is )?required",
            r"billing hard limit",
            r"(?:billing|spend|spending|budget|credit|key) limit (?:has been |was )?(?:reached|exceeded)",
            r"exceeded (?:your|the) (?:budget|spending|credit) limit",
            r"budget has been exceeded",
            r"余额不足|额度不足|欠费",
        ),
    ),
    ErrorKind(
        error=ModerationBlocked,
        said="The safety system refused {refused}",
        next_step="Rephrase the prompt (or replace the input image) without what was named; do not repeat it "
        "unchanged.",
        codes=_codes(
            *("moderation_blocked", "content_filter", "content_policy_violation", "content_filtered"),
            *("responsible_ai_policy_violation", "prohibited_content", "image_safety", "content_blocked"),
            *("data_inspection_failed", "sensitive_words_detected", "input_image_sensitive_content_detected"),
            *("input_text_sensitive_content_detected", "output_image_sensitive_content_detected"),
        ),
        words=_any_of(
            r"safety system",
            r"content management policy",
            r"responsible ?ai ?(?:policy|practices)",
            r"(?:input|prompt|image|content) (?:was|is|has been) flagged",
            r"sensitive (?:content|words)|nsfw content|敏感",
            r"violated guardrail|prompt (?:was )?blocked",
            r"content[ _]policy[ _]violation",
            r"(?:violates?|violated|violation of|against) "
            r"(?:our |the )?(?:content|usage|safety) polic(?:y|ies)",
            r"(?:blocked|rejected|filtered|flagged|refused|trigger(?:ed|ing)) "
            r"(?:by|for|as|due to|because of) (?:\w+ ){0,4}"
            r"(?:content filter|moderation|safety filters?|guardrails?|prohibited content)",
            r"[\\'\"](?:code|type)[\\'\"]+\s*:\s*[\\'\"]+(?:content_filter|moderation_blocked)\b",
        ),
    ),
    ErrorKind(
        error=OrganizationNotVerified,
        said="OpenAI wants the organisation verified before it may use {model}",
        next_step=f"Verify the organisation at {VERIFY_LINK} (it can take 15 minutes to arrive), or use a "
        "key of a verified organisation.",
        words=r"must be verified",
    ),
    ErrorKind(
        error=RateLimited,
        said="The rate limit is reached",
        next_step="Call again {when}, with a smaller n or fewer calls at once.",
        statuses=(429,),
        codes=_codes("rate_limit_exceeded"),
    ),
    ErrorKind(
        error=UnusableCredentials,
        said="The proxy refused its name and password, and nothing was sent",
        next_step=PROXY_LOGIN_STEP,
        statuses=(407,),
    ),
    ErrorKind(
        error=UpstreamRejected,
        said="The API is not offered to the country or region that this request came from",
        next_step="Call from a supported region (a VPN or proxy may be what is seen there), or use a gateway "
        "that serves yours with OPENAI_BASE_URL; another key does not help.",
        statuses=(451,),
        codes=_codes("unsupported_country_region_territory", "unsupported_region", "region_not_supported"),
        words=_any_of(
            r"country, region,? or territory",
            r"(?:your|this) (?:country|region|territory|location)[^.;]{0,40}"
            r"(?:\bnot\b|n't|unsupported|blocked|restricted)",
            r"not (?:supported|available|allowed|offered)[^.;]{0,20} (?:in|from) "
            r"(?:your|this) (?:country|region|territory|location)",
            r"unsupported (?:country|region|location)",
            r"user location is not supported",
            r"geo[- ]?(?:block|restrict|fenc)",
        ),
    ),
    ErrorKind(
        error=AuthenticationFailed,
        said="The API does not take requests from this machine's network address",
        next_step="Add the public IP address of this machine to the allow-list of the project or gateway, or "
        "call from one that is on it; another key does not help.",
        among=_REFUSED_ACCESS,
        codes=_codes("ip_not_authorized", "ip_not_allowed", "ip_blocked"),
        words=_any_of(
            r"\bip(?: address(?:es)?)?\b[^;]{0,60}\b(?:allow-?list|white-?list|blocked|denied|restricted)",
            r"\bip(?: address(?:es)?)?\b[^;]{0,60}\b"
            r"(?:forbidden|not (?:authori[sz]ed|allowed|permitted|on|in)\b)",
            r"(?:allow-?list|white-?list|blocked|denied|restricted|forbidden|not (?:authori[sz]ed|allowed))"
            r"[^;]{0,40}\b(?:your|this|client|source) ip\b",
            r"network (?:access )?(?:rules|acls?)\b",
            r"virtual network/?firewall",
        ),
    ),
    ErrorKind(
        error=UpstreamRejected,
        said="A firewall, web filter or website answered in place of the API at {url}",
        next_step="Allow this address in the firewall, VPN or web filter, and check that OPENAI_BASE_URL "
        "ends in /v1.",
        statuses=(511,),
        among=_REFUSED_ACCESS,
        is_html=True,
    ),
    ErrorKind(
        error=UpstreamRejected,
        said="The request is too large for the API or for a gateway on the way",
        next_step="Send fewer or smaller input images (JPEG instead of PNG), or raise the limit of the "
        "gateway (such as nginx's client_max_body_size).",
        statuses=(413,),
        among=_CLIENT_ERRORS,
        words=_any_of(
            r"(?:request|entity|payload|body|upload|content)(?: \w+)? (?:is )?too large",
            r"maximum (?:request|upload|body) size|size exceeds \d+ ?mb",
            r"(?:body|content length|request size|payload)[^.;]{0,20} exceed(?:s|ed)",
        ),
    ),
    replace(
        _NO_MODEL,
        said="The resource has no deployment {model!r}",
        next_step="Pass the name of a deployment of this resource as model, or set GPT_IMAGE_MODEL to it; a "
        "new one takes 5 minutes to appear.",
        codes=_codes("deployment_not_found"),
        words="",
    ),
    _NO_MODEL,
    ErrorKind(
        error=AuthenticationFailed,
        said="Azure refused the token or the key",
        next_step="Give the identity the role Cognitive Services OpenAI User on this resource (it takes up "
        "to 5 minutes) and sign in to its tenant; with a key, check that it is one of this very resource.",
        among=_REFUSED_ACCESS,
        words=_any_of(
            r"lacks the required data action",
            r"access token is missing, invalid",
            r"(?:does not match|not match with) resource tenant",
        ),
    ),
    ErrorKind(
        error=AuthenticationFailed,
        said="The key in OPENAI_API_KEY was refused",
        next_step=f"Set OPENAI_API_KEY to a valid key, from {KEYS_LINK} or of the gateway, and restart the "
        "server.",
        statuses=(401,),
        among=_CLIENT_ERRORS,
        # The last is what LiteLLM's proxy says of a key that is not its own, if it has no database.
        codes=_codes("invalid_api_key", "api_key_invalid", "no_db_connection"),
        words=r"api key (?:is )?(?:not valid|invalid|expired)",
    ),
    ErrorKind(
        error=AuthenticationFailed,
        said="The key may not do this",
        next_step=f"Give the key the permission for images, or use another key: {KEYS_LINK}.",
        statuses=(403,),
    ),
    ErrorKind(
        error=UpstreamRejected,
        said="There is no such endpoint at {url}",
        next_step="Check that OPENAI_BASE_URL ends in /v1 and nothing more; if it does, the gateway does not "
        "offer this endpoint: use another gateway, or for edits OPENAI_FORCE_RESPONSES_EDITS=1.",
        statuses=(405,),
        early_statuses=(501,),
        among=(404,),
        words=_any_of(
            r"invalid url",
            r"unknown (?:url|path|route|endpoint)",
            r"no (?:such )?(?:route|endpoint|handler)",
            r"\b(?:route|path|url|page|endpoint|resource)\b[^.;]{0,60} (?:not found|not exist|not supported)",
            r"cannot (?:post|get) /",
            r"method not allowed",
            r"not implemented",
            r"unsupported (?:endpoint|operation)",
            r"^(?:404[: ]*)?(?:page )?not found\.?$",
        ),
        is_html=True,
    ),
    replace(_NO_MODEL, statuses=(404,)),
    _SERVER_FAILED,
    # With these OpenAI itself, who sends the bill, says that the request failed.
    replace(
        _SERVER_FAILED, early_statuses=(), among=(500, 503), codes=_codes("server_error"), is_openai=True
    ),
    ErrorKind(
        error=OutcomeUnknown,
        said="The answer was lost on the way; whether a picture was made and billed cannot be told",
        next_step="Look at the usage page of the account, or call again and accept that it may be billed "
        "twice.",
        statuses=_LOST,
    ),
)


def _rejection(words: str, next_step: str, *, needs: Needs | None = None) -> ErrorKind:
    said = "The API rejected the request"
    return ErrorKind(error=UpstreamRejected, said=said, next_step=next_step, words=words, needs=needs)


# What remains, by what to do about it; the last one matches anything.
REJECTIONS = (
    _rejection("input_fidelity", "Leave input_fidelity at auto for this model."),
    _rejection(
        "transparent", "Use background opaque, or a model that can: {able}.", needs=Needs(transparent=True)
    ),
    _rejection("complexity", "Leave complexity at auto, or use {able}.", needs=Needs(complexity="high")),
    _rejection("markup", "Leave markup and marks out, or use {able}.", needs=Needs(markup=True)),
    _rejection(
        r"invalid value: '(?:gif|svg)'",
        "Use output_format png, jpeg or webp, or a model that can: {able}.",
        needs=Needs(output_format="gif"),
    ),
    _rejection(
        "invalid size|pixel budget|divisible", "Choose a size that the message allows, or leave size at auto."
    ),
    _rejection("invalid image file", "Convert the named image to a plain RGB PNG and send it again."),
    _rejection(
        "value must be 'dall-e-2'",
        f"The endpoint hides the real reason: check that the organisation is verified ({VERIFY_LINK}), that "
        "the key may use the model, that the prompt is short enough.",
    ),
    _rejection(
        "unknown parameter",
        "The endpoint or gateway does not know this parameter: leave it at its default.",
    ),
    replace(
        _rejection("", "Correct what the message names; the models command shows what {model} accepts."),
        statuses=_EVERY_STATUS,
    ),
)
