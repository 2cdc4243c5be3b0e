"""Reading the body of the Responses API, as far as an image edit needs it.

A field of an unexpected shape is left out: it must not cost the image, which is paid for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic_core import from_json

from gpt_image_mcp.openai_api.answer_documents import (
    TOO_MANY_VALUES,
    as_list,
    as_object,
    has_too_many_values,
)
from gpt_image_mcp.openai_api.image_extraction import NotBase64, decode_image
from gpt_image_mcp.openai_api.images_response import (
    UnusableBody,
    read_author,
    read_image_usage,
    read_properties,
    read_usage,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gpt_image_mcp.values.responses import ChatUsage, ImageProperties, TokenUsage

_CALL = "image_generation_call"
# Of each part of what a model says. Less is shown.
_MOST_SAID = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponsesBody:
    """The body of the Responses API.

    Attributes:
        images: The files that were made.
        properties: What the answer says of the first.
        usage: Tokens of the image tool; None where the answer leaves them out.
        host_usage: Tokens of the chat model.
        outputs: The types of the output items.
        said: The words of the chat model, such as a refusal.
        was_called: Whether the image tool was called at all.
        failure: The error as the answer gives it, if it says why there is no image.
    """

    images: tuple[bytes, ...]
    properties: ImageProperties
    usage: TokenUsage | None = None
    host_usage: TokenUsage | None = None
    svg_author: ChatUsage | None = None
    status: str = ""
    outputs: tuple[str, ...] = ()
    said: str = ""
    was_called: bool = False
    failure: object = None


def read_response_body(body: bytes) -> ResponsesBody:
    """Reads the body of ``POST /v1/responses``.

    Raises:
        UnusableBody: If it is not such a body, or its image data is damaged.
    """
    if has_too_many_values(body):
        raise UnusableBody(TOO_MANY_VALUES)
    try:
        answer = as_object(from_json(body))
    except ValueError:
        answer = {}
    if not answer or not isinstance(answer.get("output", []), list | None):
        reason = f"the answer is not the JSON of the Responses API ({len(body)} bytes)"
        raise UnusableBody(reason)
    items = [fields for fields in map(as_object, as_list(answer.get("output"))) if fields]
    calls = [item for item in items if item.get("type") == _CALL]
    made = [item for item in calls if _text(item, "result")]
    return ResponsesBody(
        images=tuple(dict.fromkeys(_decoded(_text(item, "result")) for item in made)),
        properties=read_properties(made[0] if made else {}),
        usage=read_image_usage(as_object(answer.get("tool_usage")).get("image_gen")),
        host_usage=read_usage(answer.get("usage")),
        svg_author=read_author(made[0].get("svg_usage")) if made else None,
        status=_text(answer, "status") or "unknown",
        outputs=tuple(_text(item, "type") or "unknown" for item in items),
        said=_said(items),
        was_called=bool(calls),
        failure=_failure(answer, calls),
    )


def _text(fields: Mapping[str, object], name: str) -> str:
    value = fields.get(name)
    return value if isinstance(value, str) else ""


def _decoded(result: str) -> bytes:
    try:
        return decode_image(result)
    except NotBase64 as error:
        raise UnusableBody(str(error)) from error


def _said(items: list[dict[str, object]]) -> str:
    parts = [as_object(part) for item in items for part in as_list(item.get("content"))]
    words = " ".join((_text(part, "refusal") or _text(part, "text"))[:_MOST_SAID] for part in parts)
    return " ".join(words.split())


def _failure(answer: Mapping[str, object], calls: list[dict[str, object]]) -> object:
    errors = [*(call.get("error") for call in calls), answer.get("error")]
    if given := next(filter(None, errors), None):
        return given
    reason = _text(as_object(answer.get("incomplete_details")), "reason")
    if reason == "content_filter":
        return {"message": "The content filter stopped the answer.", "code": "moderation_blocked"}
    if reason:
        return {"message": f"The answer was cut off: {reason}.", "code": reason}
    if any(call.get("status") == "failed" for call in calls):
        return {"message": "The image tool failed without a reason.", "code": "image_generation_failed"}
    return None
