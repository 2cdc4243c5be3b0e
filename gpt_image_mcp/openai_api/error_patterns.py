"""What each kind of refusal is recognised by: the codes that OpenAI and gateways give, and their words.

The words may stand in a message that also quotes the prompt, so they are whole phrases, never single nouns.
"""

from __future__ import annotations

import re


def _any_of(*phrases: str) -> re.Pattern[str]:
    return re.compile("|".join(phrases), re.IGNORECASE)


QUOTA_CODES = frozenset(
    {
        *("insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "quota_exceeded"),
        *("project_spend_limit_exceeded", "organization_spend_limit_exceeded", "insufficient_user_quota"),
        *("insufficient_balance", "insufficient_credits", "insufficient_funds", "payment_required"),
        *("budget_exceeded", "credit_exhausted", "pre_consume_token_quota_failed"),
    }
)
QUOTA_WORDS = _any_of(
    r"exceeded your current quota",
    # Gateways hide the upstream JSON, or its Python form, in their own message.
    rf"(?:code|type)[\\'\"]+\s*:\s*[\\'\"]+(?:{'|'.join(sorted(QUOTA_CODES))})\b",
    r"insufficient (?:account |user )?(?:credits?|balance|funds|quota)\b",
    r"(?:credit|account|wallet) balance (?:is )?(?:too low|insufficient|exhausted|empty)",
    r"(?:not enough|no|out of) (?:remaining )?credits?\b(?! card)",
    r"(?:requires|need) more credits",
    r"purchase (?:more )?credits",
    r"top[- ]up (?:your|the) (?:account|balance)",
    r"payment (?:is )?required",
    r"billing hard limit",
    r"(?:billing|spend|spending|budget|credit) limit (?:has been |was )?(?:reached|exceeded)",
    r"budget has been exceeded",
    r"余额不足|额度不足|欠费",
)
MODERATION_CODES = frozenset(
    {
        *("moderation_blocked", "content_filter", "content_policy_violation", "contentfilter"),
        *("responsibleaipolicyviolation", "responsible_ai_policy_violation", "content_filtered"),
        *("prohibited_content", "image_safety", "contentblocked", "data_inspection_failed"),
    }
)
MODERATION_WORDS = _any_of(
    r"safety system",
    r"content management policy",
    r"responsible ?ai ?policy",
    r"content[ _]policy[ _]violation",
    r"(?:violates?|violated|violation of|against) (?:our |the )?(?:content|usage|safety) polic(?:y|ies)",
    r"(?:blocked|rejected|filtered|flagged|refused|trigger(?:ed|ing)) "
    r"(?:by|for|as|due to|because of) (?:\w+ ){0,4}"
    r"(?:content filter|moderation|safety filters?|guardrails?|prohibited content)",
    r"[\\'\"](?:code|type)[\\'\"]+\s*:\s*[\\'\"]+(?:content_filter|moderation_blocked)\b",
)
UNVERIFIED_WORDS = _any_of(r"must be verified")
ADDRESS_CODES = frozenset({"ip_not_authorized", "ip_not_allowed", "ip_blocked"})
ADDRESS_WORDS = _any_of(
    r"\bip(?: address(?:es)?)?\b[^;]{0,60}\b(?:allow-?list|white-?list|blocked|denied|restricted|forbidden)",
    r"\bip(?: address(?:es)?)?\b[^;]{0,60}\bnot (?:authori[sz]ed|allowed|permitted|on|in)\b",
    r"(?:allow-?list|white-?list|blocked|denied|restricted|forbidden|not (?:authori[sz]ed|allowed))"
    r"[^;]{0,40}\b(?:your|this|client|source) ip\b",
    r"network (?:access )?(?:rules|acls?)\b",
    r"virtual network/?firewall",
)
REGION_CODES = frozenset(
    {"unsupported_country_region_territory", "unsupported_region", "region_not_supported"}
)
REGION_WORDS = _any_of(
    r"country, region,? or territory",
    r"(?:your|this) (?:country|region|territory|location)[^.;]{0,40}"
    r"(?:\bnot\b|n't|unsupported|blocked|restricted)",
    r"not (?:supported|available|allowed|offered)[^.;]{0,20} (?:in|from) "
    r"(?:your|this) (?:country|region|territory|location)",
    r"unsupported (?:country|region|location)",
    r"user location is not supported",
    r"geo[- ]?(?:block|restrict|fenc)",
)
TOO_LARGE_WORDS = _any_of(
    r"(?:request|entity|payload|body|upload|content)(?: \w+)? (?:is )?too large",
    r"maximum (?:request|upload|body) size",
    r"(?:body|content length|request size|payload)[^.;]{0,20} exceed(?:s|ed)",
)
MODEL_CODES = frozenset({"model_not_found", "deploymentnotfound", "invalid_model", "model_not_available"})
MODEL_WORDS = _any_of(
    r"\b(?:model|deployment)\b[^;]{0,80}?(?:does not exist|doesn't exist|not found|not exist\b|not be found)",
    r"\b(?:model|deployment)\b[^;]{0,80}?(?:is unknown|is not available|has been deprecated|was retired)",
    r"(?:unknown|no such|invalid|unrecogni[sz]ed) (?:model|deployment)\b",
    r"not have access to (?:the )?(?:model|deployment)",
    r"no available channels?\b",
    r"no (?:endpoints?|providers?) found for",
)
ENDPOINT_WORDS = _any_of(
    r"invalid url",
    r"unknown (?:url|path|route|endpoint)",
    r"no (?:such )?(?:route|endpoint|handler)",
    r"\b(?:route|path|url|page|endpoint|resource)\b[^.;]{0,60} (?:not found|not exist|not supported)",
    r"cannot (?:post|get) /",
    r"method not allowed",
    r"not implemented",
    r"unsupported (?:endpoint|operation)",
    r"^(?:404[: ]*)?(?:page )?not found\.?$",
)
