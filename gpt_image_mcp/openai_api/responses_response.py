"""Reading the body of the Responses API, as far as an image edit needs it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ValidationError, WrapValidator

from gpt_image_mcp.openai_api.image_extraction import NotBase64, decode_image
from gpt_image_mcp.openai_api.images_response import OptionalText, UnusableBody, concrete, read_usage
from gpt_image_mcp.values.json import JsonObject

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import ValidatorFunctionWrapHandler

    from gpt_image_mcp.values.responses import TokenUsage

_CALL = "image_generation_call"
_T = TypeVar("_T")


def _or_none(value: object, read: ValidatorFunctionWrapHandler) -> object:
    try:
        return read(value)
    except ValidationError:
        return None


def _as_object(value: object) -> object:
    return {"message": value} if isinstance(value, str) and value else value


# A field of an unexpected shape becomes None: it must not cost the image, which is paid for.
_Tolerant = Annotated[_T | None, WrapValidator(_or_none)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """The error object of a response, or of its image call."""

    message: str
    code: str = ""
    type: str = ""
    param: str = ""
    details: Mapping[str, object] = field(default_factory=dict[str, object])


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponsesBody:
    """The body of the Responses API.

    Attributes:
        image: The file, if one was made.
        usage: Tokens of the image tool; None where the answer leaves them out.
        host_usage: Tokens of the chat model.
        outputs: The types of the output items.
        said: The words of the chat model, such as a refusal.
        was_called: Whether the image tool was called at all.
        failure: Why there is no image, if the answer says so.
    """

    image: bytes | None
    size: str | None = None
    quality: str | None = None
    background: str | None = None
    output_format: str | None = None
    usage: TokenUsage | None = None
    host_usage: TokenUsage | None = None
    status: str = ""
    outputs: tuple[str, ...] = ()
    said: str = ""
    was_called: bool = False
    failure: Failure | None = None


class _Error(BaseModel):
    message: OptionalText = None
    code: OptionalText = None
    type: OptionalText = None
    param: OptionalText = None
    moderation_details: _Tolerant[JsonObject] = None


# Some endpoints give the message alone instead of an object.
_AnyError = Annotated[_Tolerant[_Error], BeforeValidator(_as_object)]


class _Part(BaseModel):
    text: OptionalText = None
    refusal: OptionalText = None


class _Item(BaseModel):
    type: OptionalText = None
    status: OptionalText = None
    result: OptionalText = None
    size: OptionalText = None
    quality: OptionalText = None
    background: OptionalText = None
    output_format: OptionalText = None
    error: _AnyError = None
    content: _Tolerant[list[_Tolerant[_Part]]] = None


class _Incomplete(BaseModel):
    reason: OptionalText = None


class _Body(BaseModel):
    status: OptionalText = None
    output: list[_Tolerant[_Item]] | None = None
    error: _AnyError = None
    incomplete_details: _Tolerant[_Incomplete] = None
    usage: Any = None
    tool_usage: _Tolerant[JsonObject] = None


def read_response_body(body: bytes) -> ResponsesBody:
    """Reads the body of ``POST /v1/responses``.

    Raises:
        UnusableBody: If it is not such a body, or its image data is damaged.
    """
    try:
        parsed = _Body.model_validate_json(body)
    except ValidationError as error:
        reason = f"the answer is not the JSON of the Responses API ({len(body)} bytes)"
        raise UnusableBody(reason) from error
    items = [item for item in parsed.output or [] if item]
    calls = [item for item in items if item.type == _CALL]
    made = next((item for item in calls if item.result), _Item())
    return ResponsesBody(
        image=_decoded(made.result) if made.result else None,
        size=concrete(made.size),
        quality=concrete(made.quality),
        background=concrete(made.background),
        output_format=made.output_format,
        usage=read_usage((parsed.tool_usage or {}).get("image_gen")),
        host_usage=read_usage(parsed.usage),
        status=parsed.status or "unknown",
        outputs=tuple(item.type or "unknown" for item in items),
        said=_said(items),
        was_called=bool(calls),
        failure=_failure(parsed, calls),
    )


def _decoded(result: str) -> bytes:
    try:
        return decode_image(result)
    except NotBase64 as error:
        raise UnusableBody(str(error)) from error


def _said(items: list[_Item]) -> str:
    parts = [part for item in items for part in item.content or [] if part]
    return " ".join(" ".join((part.refusal or part.text or "").split()) for part in parts).strip()


def _failure(body: _Body, calls: list[_Item]) -> Failure | None:
    error = next((item.error for item in calls if item.error), body.error)
    if error is not None:
        return Failure(
            message=error.message or "no reason given",
            code=error.code or "",
            type=error.type or "",
            param=error.param or "",
            details=error.moderation_details or {},
        )
    reason = body.incomplete_details.reason if body.incomplete_details else None
    if reason == "content_filter":
        return Failure(message="The content filter stopped the answer.", code="moderation_blocked")
    if reason:
        return Failure(message=f"The answer was cut off: {reason}.", code=reason)
    if any(item.status == "failed" for item in calls):
        return Failure(message="The image tool failed without a reason.", code="image_generation_failed")
    return None
