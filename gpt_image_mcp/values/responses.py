"""What the API gave back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

# No call takes as many. What came from outside and is more would be no money that a database can hold.
MOST_TOKENS = 10_000_000
TokenCount: TypeAlias = Annotated[int, Field(ge=-MOST_TOKENS, le=MOST_TOKENS)]
Route: TypeAlias = Literal["images", "responses"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenUsage:
    """Tokens as the API reported them; a detail it did not report is None."""

    input_tokens: TokenCount
    output_tokens: TokenCount
    total_tokens: TokenCount
    input_text_tokens: TokenCount | None = None
    input_image_tokens: TokenCount | None = None
    cached_text_tokens: TokenCount | None = None
    cached_image_tokens: TokenCount | None = None
    output_text_tokens: TokenCount | None = None
    output_image_tokens: TokenCount | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatUsage:
    """The tokens of a chat model that helped: the host of the Responses API, or the author of an SVG."""

    model: str
    usage: TokenUsage | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageProperties:
    """How images were made, as the API says; None where it says nothing, or only "auto"."""

    size: str | None = None
    quality: str | None = None
    background: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratedImages:
    """The images that the API made for one request, with what it said about them.

    Attributes:
        images: The file bytes of each image, exactly as they came.
        usage: The tokens of the image model.
        route: The endpoint that made it.
        host: On the Responses route, the model in between.
        svg_author: The model that wrote an SVG.
        notes: Sentences a user should know, such as "the endpoint reported no usage".
    """

    images: tuple[bytes, ...]
    properties: ImageProperties = ImageProperties()
    usage: TokenUsage | None = None
    request_id: str | None = None
    route: Route = "images"
    host: ChatUsage | None = None
    svg_author: ChatUsage | None = None
    notes: tuple[str, ...] = ()
