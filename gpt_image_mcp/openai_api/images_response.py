"""Reading the body of an images endpoint, of OpenAI or of a gateway.

Gateways leave out ``usage``, ``created`` or ``size`` and add fields of their own, so everything but the image
may be missing, and the image is looked for in every place where one is known to be written. A body without an
image raises ``UnusableBody``; the caller decides what that means for a request that is paid for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from gpt_image_mcp.openai_api.answer_documents import as_object, image_strings, parse_documents
from gpt_image_mcp.openai_api.image_extraction import (
    LONGEST_LINK_CHARACTERS,
    ExtractedImages,
    begins_like_an_image,
    extract_images,
)
from gpt_image_mcp.values.responses import TokenUsage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gpt_image_mcp.openai_api.answer_documents import AnswerDocument


class UnusableBody(Exception):
    """The body of a successful answer in which no image can be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagesBody:
    """The body of an images endpoint; what the endpoint left out is None or empty.

    Attributes:
        images: Decoded files, in order; empty where one is not valid base64.
        urls: Links to images that the endpoint did not put into the answer, as they were written.
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


class _Image(BaseModel):
    # pydantic decodes base64 much faster than the standard library.
    model_config = ConfigDict(val_json_bytes="base64")

    b64_json: bytes


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


class _Properties(BaseModel):
    """What an answer says of its images."""

    model_config = ConfigDict(extra="ignore")

    size: OptionalText = None
    quality: OptionalText = None
    background: OptionalText = None
    output_format: OptionalText = None
    usage: Any = None


class _Body(_Properties):
    """OpenAI's own form: a list of images, or the one of an event."""

    model_config = ConfigDict(extra="ignore", val_json_bytes="base64")

    data: list[_Image] | None = None
    b64_json: bytes | None = None


def read_images_body(body: bytes | str) -> ImagesBody:
    """Reads the body of an images endpoint, or of its final stream event.

    Raises:
        UnusableBody: If it holds neither image data nor a link; with the words of an error in it.
    """
    return _usual_body(body) or _unusual_body(body)


def read_partial_images(body: bytes) -> tuple[bytes, ...]:
    """The previews in a stream that broke before its final image."""
    previews = [document for document in parse_documents(body) if document.is_partial]
    images = (image for document in previews for image in extract_images(document.value).images)
    return tuple(dict.fromkeys(filter(begins_like_an_image, images)))


def _usual_body(body: bytes | str) -> ImagesBody | None:
    """The body if it has OpenAI's own form, else None."""
    try:
        parsed = _Body.model_validate_json(body)
    except ValidationError:
        return None
    images = [entry.b64_json for entry in parsed.data or []] or [parsed.b64_json or b""]
    return _images_body(ExtractedImages(tuple(images)), parsed) if all(map(_is_surely_data, images)) else None


def _is_surely_data(image: bytes) -> bool:
    """Whether these are decoded data: a path such as ``/files/abc`` is base64 of something, too."""
    return len(image) > LONGEST_LINK_CHARACTERS or begins_like_an_image(image)


def _unusual_body(body: bytes | str) -> ImagesBody:
    """The body if an image can be found anywhere in it."""
    if isinstance(body, bytes) and begins_like_an_image(body):
        return _images_body(ExtractedImages((body,)), _Properties())
    documents = [document for document in parse_documents(body) if not document.is_partial]
    finals = [document for document in documents if document.is_final]
    found = _found_in(finals)
    if not found.is_usable:
        found = _found_in(documents)
    if not found.is_usable and isinstance(body, bytes) and not _is_json(documents):
        found = extract_images(image_strings(body))
    if not found.is_usable:
        raise UnusableBody(_why_unusable(documents, found, len(body)))
    return _images_body(found, _properties(documents))


def _found_in(documents: Sequence[AnswerDocument]) -> ExtractedImages:
    if len(documents) == 1:
        return extract_images(documents[0].value)
    # The events of a stream may repeat an image.
    return extract_images([document.value for document in documents]).distinct()


def _why_unusable(documents: Sequence[AnswerDocument], found: ExtractedImages, length: int) -> str:
    for fields in _objects(documents):
        if fields.get("error"):
            return f"the answer carries an error: {_error_text(fields['error'])}"
    if found.images:
        return "the image data is not valid base64"
    if documents and not _is_json(documents):
        return f"the answer is not the JSON of an images endpoint ({length} bytes)"
    return "the answer holds no image"


def _is_json(documents: Sequence[AnswerDocument]) -> bool:
    """Whether anything but text, which is what remains of a body that cannot be parsed, is among them."""
    return any(not isinstance(document.value, str) for document in documents)


def _properties(documents: Sequence[AnswerDocument]) -> _Properties:
    """What the documents say of the images; the last one that says something counts."""
    said: dict[str, object] = {}
    for fields in _objects(documents):
        said |= {name: value for name, value in fields.items() if value is not None}
    return _Properties.model_validate(said)


def _objects(documents: Sequence[AnswerDocument]) -> list[dict[str, object]]:
    """The objects at the top of each document, and one level below."""
    objects: list[dict[str, object]] = []
    for document in documents:
        top = as_object(document.value)
        objects += [*map(as_object, top.values()), top]
    return objects


def _images_body(found: ExtractedImages, properties: _Properties) -> ImagesBody:
    return ImagesBody(
        images=found.images,
        urls=found.links,
        size=concrete(properties.size),
        quality=concrete(properties.quality),
        background=concrete(properties.background),
        output_format=properties.output_format,
        usage=read_usage(properties.usage),
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


def _error_text(error: object) -> str:
    message = cast("dict[str, object]", error).get("message") if isinstance(error, dict) else error
    return str(message)
