"""What the images endpoints of the sandbox make: pictures, usage, and the stream of partial images."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from gpt_image_mcp.catalogue.animations import sheet_size
from gpt_image_mcp.catalogue.prices import PARTIAL_IMAGE_TOKENS, output_tokens
from gpt_image_mcp.catalogue.size_rules import parse_pixels
from gpt_image_mcp.memory import BYTES_PER_PIXEL, MEMORY
from gpt_image_mcp.openai_api.sandbox.animation import draw_animation
from gpt_image_mcp.openai_api.sandbox.drawing import Drawing, draw, draw_edit
from gpt_image_mcp.openai_api.sandbox.vector import author_usage, draw_vector
from gpt_image_mcp.values.pixels import Pixels
from gpt_image_mcp.values.requests import GIF, SVG

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gpt_image_mcp.catalogue.models import ImageModel
    from gpt_image_mcp.openai_api.sandbox.edits import Pictures
    from gpt_image_mcp.openai_api.sandbox.failures import Directives
    from gpt_image_mcp.values.json import JsonObject

_AUTO_SIZES = (Pixels(1024, 1024), Pixels(1536, 1024), Pixels(1024, 1536))
# The largest squares of which so many frames fit on a sheet.
_FRAMES = ((9, 960), (12, 816), (16, 720))
_CHARACTERS_PER_TOKEN = 4
# How unfinished each partial image looks, first to last.
_BLURS = (60, 30, 12)
_UNKNOWN_TOKENS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedRequest:
    """A valid request with everything decided that the caller left to the API.

    Attributes:
        drawing: What the first of its images looks like.
        pictures: The files of an edit; None for a generation.
    """

    model: ImageModel
    drawing: Drawing
    partial_images: int
    created: int
    frame_count: int = 0
    frame_duration_ms: int = 0
    pictures: Pictures | None = None

    @property
    def event(self) -> str:
        """What the events of a stream are called."""
        return "image_edit" if self.pictures else "image_generation"

    @property
    def sheet(self) -> Pixels:
        """The size of an image, or of all frames of an animation together."""
        return sheet_size(Pixels(self.drawing.width, self.drawing.height), self.frame_count)

    def images(self) -> list[bytes]:
        """The files, drawn; CPU work."""
        numbers = range(1, self.drawing.of + 1)
        return [self.picture(replace(self.drawing, number=number)) for number in numbers]

    def picture(self, drawing: Drawing) -> bytes:
        """The file of one image, drawn in the memory that all pictures of this process have together."""
        pictures, count = self.pictures, self.frame_count
        pixels = self.sheet.area + (pictures.most_pixels if pictures else 0)
        with MEMORY.reserved(min(pixels * BYTES_PER_PIXEL, MEMORY.limit_bytes)):
            if drawing.output_format == SVG:
                return draw_vector(drawing)
            if count:
                inputs, each_ms = pictures.images if pictures else (), self.frame_duration_ms
                return draw_animation(drawing, frame_count=count, frame_duration_ms=each_ms, pictures=inputs)
            if pictures:
                return draw_edit(drawing, pictures.images, pictures.mask, markup=pictures.markup)
            return draw(drawing)

    def usage(self) -> JsonObject:
        """Token counts as the API would report them."""
        images = self.pictures.tokens if self.pictures else 0
        text = max(1, len(self.drawing.prompt) // _CHARACTERS_PER_TOKEN)
        tokens = output_tokens(self.model, self.sheet, self.drawing.quality)  # type: ignore[arg-type]
        each = (tokens.low + tokens.high) // 2 if tokens else _UNKNOWN_TOKENS
        made = (each + PARTIAL_IMAGE_TOKENS * self.partial_images) * self.drawing.of
        return {
            "input_tokens": text + images,
            "output_tokens": made,
            "total_tokens": text + images + made,
            "input_tokens_details": {"text_tokens": text, "image_tokens": images},
            "output_tokens_details": {"text_tokens": 0, "image_tokens": made},
        }

    def echo(self) -> JsonObject:
        """The effective settings, as answers repeat them."""
        return {
            "background": "transparent" if self.drawing.transparent else "opaque",
            "output_format": self.drawing.output_format,
            "quality": self.drawing.quality,
            "size": f"{self.drawing.width}x{self.drawing.height}",
        }


def resolve(
    body: JsonObject, model: ImageModel, asked: Directives, *, created: int, pictures: Pictures | None
) -> ResolvedRequest:
    """Decides what a valid request leaves open, always in the same way for the same prompt."""
    quality = body.get("quality") or "auto"
    compression = body.get("output_compression")
    frame_count = (body.get("frame_count") or 9) if body.get("output_format") == GIF else 0
    size = parse_pixels(body.get("size") or "") or _auto_size(asked.prompt, pictures, frame_count)
    drawing = Drawing(
        prompt=asked.prompt,
        model=model.name,
        quality="high" if quality == "auto" else quality,
        width=size.width,
        height=size.height,
        output_format=body.get("output_format") or "png",
        output_compression=100 if compression is None else compression,
        transparent=body.get("background") == "transparent",
        of=body.get("n") or 1,
        directives=asked.names,
    )
    return ResolvedRequest(
        model=model,
        drawing=drawing,
        partial_images=body.get("partial_images") or 0,
        created=created,
        frame_count=frame_count,
        frame_duration_ms=body.get("frame_duration_ms") or 200,
        pictures=pictures,
    )


def _auto_size(prompt: str, pictures: Pictures | None, frame_count: int) -> Pixels:
    """The size of an edit follows the first image, and that of a generation the prompt; frames are square."""
    if frame_count:
        edge = next(edge for most, edge in _FRAMES if frame_count <= most)
        return Pixels(edge, edge)
    if pictures is not None:
        ratio = pictures.width / pictures.height
        return min(_AUTO_SIZES, key=lambda size: abs(size.ratio - ratio))
    digest = hashlib.sha256(prompt.encode("utf-8", "surrogatepass")).digest()
    return _AUTO_SIZES[digest[0] % len(_AUTO_SIZES)]


def answer(resolved: ResolvedRequest, images: list[bytes]) -> JsonObject:
    """The JSON of a plain call."""
    is_vector = resolved.drawing.output_format == SVG
    return {
        "created": resolved.created,
        **resolved.echo(),
        "data": [{"b64_json": base64.b64encode(data).decode()} for data in images],
        "usage": resolved.usage(),
        **({"svg_usage": author_usage(resolved.drawing, images[0])} if is_vector else {}),
    }


def events(resolved: ResolvedRequest) -> Iterator[bytes]:
    """The server-sent events of a streamed call; drawn as they are asked for."""
    for index in range(resolved.partial_images):
        partial = resolved.picture(replace(resolved.drawing, blur=_BLURS[index]))
        yield _event(f"{resolved.event}.partial_image", resolved, partial, partial_image_index=index)
    # The final event of the real API carries no output details.
    usage = {name: value for name, value in resolved.usage().items() if name != "output_tokens_details"}
    for data in resolved.images():
        yield _event(f"{resolved.event}.completed", resolved, data, usage=usage)


def _event(kind: str, resolved: ResolvedRequest, data: bytes, **more: Any) -> bytes:
    document = {
        "type": kind,
        "b64_json": base64.b64encode(data).decode(),
        "created_at": resolved.created,
        **resolved.echo(),
        **more,
    }
    return f"event: {kind}\ndata: {json.dumps(document)}\n\n".encode()
