"""Takes keys out of the words of endpoints: some gateways repeat the headers of a request in their errors."""

from __future__ import annotations

import re
from typing import cast

HIDDEN = "***"
# Shorter keys are words such as "none", which gateways without keys are given, and the sandbox's own.
_SHORTEST_KEY_CHARACTERS = 8
_LIKE_A_KEY = re.compile(r"\bsk-[\w.*-]{8,}|(?<=\bBearer )[\w.~+/*-]{16,}=*", re.IGNORECASE)


def redact(text: str, key: str = "") -> str:
    """A text without this key, and without anything that looks like a key or a bearer token."""
    if len(key) >= _SHORTEST_KEY_CHARACTERS:
        text = text.replace(key, HIDDEN)
    return _LIKE_A_KEY.sub(HIDDEN, text)


def redact_body(body: bytes, key: str) -> bytes:
    """The body of an answer without a key; what only looks like one may be a piece of a picture."""
    return body.replace(key.encode(), HIDDEN.encode()) if len(key) >= _SHORTEST_KEY_CHARACTERS else body


def redact_json(value: object, key: str = "") -> object:
    """A value of parsed JSON with every text in it redacted."""
    if isinstance(value, str):
        return redact(value, key)
    if isinstance(value, dict):
        fields = cast("dict[str, object]", value)
        return {name: redact_json(field, key) for name, field in fields.items()}
    if isinstance(value, list):
        return [redact_json(item, key) for item in cast("list[object]", value)]
    return value
