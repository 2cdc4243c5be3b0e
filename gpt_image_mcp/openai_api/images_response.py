"""Reading the body of an images endpoint, of OpenAI or of a gateway.

Gateways leave out ``usage``, ``created`` or ``size``, answer with ``url`` instead of ``b64_json`` and add
fields of their own, so everything but the image may be missing. A body without an image raises
``UnusableBody``; the caller decides what that means for a request that is paid for.
"""

from __future__ import annotations

import binascii
from dataclasses import dataclass
from typing import Annotated, Any, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from gpt_image_mcp.values.responses import TokenUsage


class UnusableBody(Exception):
    """The body of a successful answer in which no image can be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagesBody:
    """The body of an images endpoint; what the endpoint left out is None or empty.

    Attributes:
        images: Decoded files, in order; empty where one is not valid base64.
        urls: Addresses of images that the endpoint did not put into the answer.
    """

    images: tuple[bytes, ...]
    urls: tuple[str, ...]
    size: str | None
    quality: str | None
    background: str | None
    output_format: str | None
    usage: TokenUsage | None


def _text_or_none(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


OptionalText = Annotated[str | None, BeforeValidator(_text_or_none)]


# pydantic decodes base64 much faster than the standard library; what it cannot decode stays text.
_Encoded = Annotated[bytes | str | None, Field(union_mode="left_to_right")]


class _Image(BaseModel):
    model_config = ConfigDict(val_json_bytes="base64")

    b64_json: _Encoded = None
    url: OptionalText = None


class _TokenDetails(BaseModel):
    text_tokens: int | None = None
    image_tokens: int | None = None
    cached_text_tokens: int | None = None
    cached_image_tokens: int | None = None
    # How chat models report theirs.
    cached_tokens: int | None = None


class _Usage(BaseModel):
    input_tokens: int
    output_tokens: int
    total_tokens: int | None = None
    input_tokens_details: _TokenDetails | None = None
    output_tokens_details: _TokenDetails | None = None


class _Body(BaseModel):
    model_config = ConfigDict(extra="ignore", val_json_bytes="base64")

    data: list[_Image] | None = None
    b64_json: _Encoded = None
    size: OptionalText = None
    quality: OptionalText = None
    background: OptionalText = None
    output_format: OptionalText = None
    usage: Any = None
    error: Any = None


def read_images_body(body: bytes | str) -> ImagesBody:
    """Reads the body of an images endpoint, or of its final stream event.

    Raises:
        UnusableBody: If it is not JSON, carries an error, or holds neither image data nor an address.
    """
    try:
        parsed = _Body.model_validate_json(body)
    except ValidationError as error:
        reason = f"the answer is not the JSON of an images endpoint ({len(body)} bytes)"
        raise UnusableBody(reason) from error
    if parsed.error:
        reason = f"the answer carries an error: {_error_text(parsed.error)}"
        raise UnusableBody(reason)
    entries = parsed.data if parsed.data is not None else [_Image(b64_json=parsed.b64_json)]
    images = tuple(_decoded(entry.b64_json) for entry in entries if entry.b64_json)
    urls = tuple(entry.url for entry in entries if entry.url and not entry.b64_json)
    if not any(images) and not urls:
        reason = "the image data is not valid base64" if images else "the answer holds no image"
        raise UnusableBody(reason)
    return ImagesBody(
        images=images,
        urls=urls,
        size=concrete(parsed.size),
        quality=concrete(parsed.quality),
        background=concrete(parsed.background),
        output_format=parsed.output_format,
        usage=read_usage(parsed.usage),
    )


def read_usage(value: object) -> TokenUsage | None:
    """Token counts from a ``usage`` object; None if it is missing, empty, all zero or malformed.

    Some gateways answer with zeros for "not counted"; no picture takes no tokens.
    """
    try:
        usage = _Usage.model_validate(value)
    except ValidationError:
        return None
    if usage.input_tokens + usage.output_tokens <= 0:
        return None
    given = usage.input_tokens_details or _TokenDetails()
    made = usage.output_tokens_details or _TokenDetails()
    return TokenUsage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        total_tokens=usage.total_tokens or usage.input_tokens + usage.output_tokens,
        input_text_tokens=given.text_tokens,
        input_image_tokens=given.image_tokens,
        cached_text_tokens=given.cached_text_tokens or given.cached_tokens,
        cached_image_tokens=given.cached_image_tokens,
        output_text_tokens=made.text_tokens,
        output_image_tokens=made.image_tokens,
    )


def concrete(value: str | None) -> str | None:
    """The value, or None for ``auto``, which does not say what was made."""
    return None if value == "auto" else value


def decode_image(text: bytes | str) -> bytes:
    """Bytes from base64, with or without a ``data:`` prefix and line breaks.

    Raises:
        UnusableBody: If it is not base64.
    """
    if isinstance(text, bytes):
        return text
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        # base64.b64decode(validate=True) first runs a regular expression over the whole text.
        return binascii.a2b_base64("".join(text.split()) if "\n" in text else text, strict_mode=True)
    except ValueError as error:
        reason = "the image data is not valid base64"
        raise UnusableBody(reason) from error


def _decoded(text: bytes | str) -> bytes:
    """One image of an answer; empty if it is damaged, so that the others, which are paid for, are kept."""
    try:
        return decode_image(text)
    except UnusableBody:
        return b""


def _error_text(error: object) -> str:
    message = cast("dict[str, object]", error).get("message") if isinstance(error, dict) else error
    return str(message)
