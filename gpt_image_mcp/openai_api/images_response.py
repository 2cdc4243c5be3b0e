"""Reading the body of an images endpoint, of OpenAI or of a gateway.

Gateways leave out ``usage``, ``created`` or ``size`` and add fields of their own, so everything but the image
may be missing, and the image is looked for in every place where one is known to be written. A body without an
image raises ``UnusableBody``; the caller decides what that means for a request that is paid for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gpt_image_mcp.openai_api.answer_documents import (
    TOO_MANY_VALUES,
    as_object,
    has_too_many_values,
    parse_documents,
)
from gpt_image_mcp.openai_api.image_extraction import (
    LONGEST_LINK_CHARACTERS,
    ExtractedImages,
    begins_like_an_image,
    extract_images,
    find_image,
)
from gpt_image_mcp.values.responses import ChatUsage, ImageProperties, TokenCount, TokenUsage

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from gpt_image_mcp.openai_api.answer_documents import AnswerDocument


# The largest picture has half of that as base64. Searching more would hold up the loop for seconds.
MOST_SEARCHED_BYTES = 64_000_000
# A size, or a word such as high or transparent.
_SETTING = re.compile(r"\d{1,5}x\d{1,5}|[a-z]{1,15}")


class UnusableBody(Exception):
    """The body of a successful answer in which no image can be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagesBody:
    """The body of an images endpoint.

    Attributes:
        images: Decoded files, in order; empty where one is not valid base64.
        urls: Links to images that the endpoint did not put into the answer, as they were written.
    """

    images: tuple[bytes, ...]
    urls: tuple[str, ...]
    properties: ImageProperties
    usage: TokenUsage | None
    svg_author: ChatUsage | None = None


class _Image(BaseModel):
    # pydantic decodes base64 much faster than the standard library.
    model_config = ConfigDict(val_json_bytes="base64")

    b64_json: bytes


class _TokenDetails(BaseModel):
    text_tokens: TokenCount | None = None
    image_tokens: TokenCount | None = None
    cached_text_tokens: TokenCount | None = None
    cached_image_tokens: TokenCount | None = None
    # How chat models report theirs.
    cached_tokens: TokenCount | None = None


class _Usage(BaseModel):
    input_tokens: Annotated[TokenCount, Field(ge=0)]
    output_tokens: Annotated[TokenCount, Field(ge=0)]
    total_tokens: TokenCount | None = None
    input_tokens_details: _TokenDetails | None = None
    output_tokens_details: _TokenDetails | None = None


class _Body(BaseModel):
    """OpenAI's own form: a list of images, or the one of an event, and what it says of them."""

    model_config = ConfigDict(extra="allow", val_json_bytes="base64")

    data: list[_Image] | None = None
    b64_json: bytes | None = None


def read_images_body(body: bytes | str, sent: Collection[bytes] = ()) -> ImagesBody:
    """Reads the body of an images endpoint, or of its final stream event.

    Args:
        body: As it came.
        sent: The images that went up with the request, which some answers repeat.

    Raises:
        UnusableBody: If it holds neither image data nor a link; with the words of an error in it.
    """
    is_file = isinstance(body, bytes) and begins_like_an_image(body)
    if not is_file and has_too_many_values(body):
        raise UnusableBody(TOO_MANY_VALUES)
    answer = _usual_body(body) or _unusual_body(body)
    made = tuple(image for image in answer.images if image not in sent)
    if answer.images and not made and not answer.urls:
        message = "the answer repeats the images that were sent, and holds no other"
        raise UnusableBody(message)
    return replace(answer, images=made)


def read_partial_images(body: bytes) -> tuple[bytes, ...]:
    """The previews in a stream that broke before its final image."""
    if has_too_many_values(body):
        return ()
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
    if not all(map(_is_surely_data, images)):
        return None
    return _images_body(ExtractedImages(tuple(images)), parsed.model_extra or {})


def _is_surely_data(image: bytes) -> bool:
    """Whether these are decoded data: a path such as ``/files/abc`` is base64 of something, too."""
    return len(image) > LONGEST_LINK_CHARACTERS or begins_like_an_image(image)


def _unusual_body(body: bytes | str) -> ImagesBody:
    """The body if an image can be found anywhere in it, unless looking would take seconds."""
    if isinstance(body, bytes) and begins_like_an_image(body):
        return _images_body(ExtractedImages((body,)), {})
    if len(body) > MOST_SEARCHED_BYTES:
        reason = (
            f"the answer is not the JSON of an images endpoint, and of its {len(body) // 1_000_000} MB "
            f"no more than {MOST_SEARCHED_BYTES // 1_000_000} are searched for an image"
        )
        raise UnusableBody(reason)
    documents = [document for document in parse_documents(body) if not document.is_partial]
    finals = [document for document in documents if document.is_final]
    found = _found_in(finals)
    if not found.is_usable:
        found = _found_in(documents)
    if not found.is_usable and isinstance(body, bytes) and (file := find_image(body)):
        found = ExtractedImages((file,))
    if not found.is_usable:
        raise UnusableBody(_why_unusable(documents, found, len(body)))
    return _images_body(found, _description(documents))


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
    if documents and len(_texts(documents)) == len(documents):
        return f"the answer is not the JSON of an images endpoint ({length} bytes)"
    return "the answer holds no image"


def _texts(documents: Sequence[AnswerDocument]) -> list[str]:
    """What could not be parsed: a body that is cut, or no JSON at all."""
    return [document.value for document in documents if isinstance(document.value, str)]


def _description(documents: Sequence[AnswerDocument]) -> dict[str, object]:
    """What the documents say of the images; the last one that says something counts."""
    said: dict[str, object] = {}
    for fields in _objects(documents):
        said |= {name: value for name, value in fields.items() if value is not None}
    return said


def _objects(documents: Sequence[AnswerDocument]) -> list[dict[str, object]]:
    """The objects at the top of each document, and one level below."""
    objects: list[dict[str, object]] = []
    for document in documents:
        top = as_object(document.value)
        objects += [*map(as_object, top.values()), top]
    return objects


def _images_body(found: ExtractedImages, said: Mapping[str, object]) -> ImagesBody:
    return ImagesBody(
        images=found.images,
        urls=found.links,
        properties=read_properties(said),
        usage=read_image_usage(said.get("usage")),
        svg_author=read_author(said.get("svg_usage")),
    )


def read_properties(said: Mapping[str, object]) -> ImageProperties:
    """What an answer, or an item of it, says of its images."""
    return ImageProperties(
        size=_concrete(said.get("size")),
        quality=_concrete(said.get("quality")),
        background=_concrete(said.get("background")),
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


def read_image_usage(value: object) -> TokenUsage | None:
    """As ``read_usage``, of what made a picture: some gateways count the prompt alone, which is not it."""
    usage = read_usage(value)
    return usage if usage and usage.output_tokens else None


def read_author(value: object) -> ChatUsage | None:
    """The model that wrote an SVG, and its tokens, from an ``svg_usage`` object; None if there is none."""
    model = as_object(value).get("model")
    return ChatUsage(model=model, usage=read_usage(value)) if isinstance(model, str) else None


def _concrete(value: object) -> str | None:
    """A setting as the API names them; anything else could repeat what was sent, the key among it."""
    if not isinstance(value, str) or value == "auto":
        return None
    return value if _SETTING.fullmatch(value) else None


def _error_text(error: object) -> str:
    message = cast("dict[str, object]", error).get("message") if isinstance(error, dict) else error
    return str(message)
