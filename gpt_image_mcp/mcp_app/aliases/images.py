"""Images as callers describe them, as the references that our tools take.

The first predecessor took ``{"type": "url" | "base64" | "local", "value": …}``; models also send the entry
of an earlier result, the blocks of their own API, and all of these as JSON text.
"""

from __future__ import annotations

from typing import cast

from gpt_image_mcp.coercion import as_list
from gpt_image_mcp.references import classify

# Where the reference is in an object, the surest first.
_KEYS = (
    *("value", "id", "image_id", "file_path", "path", "file", "url", "image_url", "uri"),
    *("data", "base64", "b64_json"),
)
_ENCODED = ("data", "base64", "b64_json")


def read_references(value: object) -> object:
    """References from one or several descriptions; what is neither stays as it is."""
    listed = as_list(value)
    if not isinstance(listed, list):
        return value
    return [_read(item) for item in cast("list[object]", listed)]


def read_reference(value: object) -> object:
    """A reference from one description, also from a list of one; several, or none, stay as they are."""
    found = read_one_or_several(value)
    return value if isinstance(found, list) else found


def read_one_or_several(value: object) -> object:
    """A reference from one description, also from a list of one, or a list of several."""
    if isinstance(value, str) and not value.lstrip().startswith(("[", "{")):
        return value
    listed = read_references(value)
    found = cast("list[object]", listed) if isinstance(listed, list) else [listed]
    return found[0] if len(found) == 1 else found


def _read(item: object) -> object:
    if not isinstance(item, dict):
        return item
    fields = cast("dict[str, object]", item)
    for key in _KEYS:
        found = _read(fields.get(key))
        if isinstance(found, str) and found.strip():
            is_encoded = key in _ENCODED or fields.get("type") == "base64"
            is_plain = is_encoded and classify(found).kind != "data"
            return f"data:;base64,{found}" if is_plain else found
    return fields
