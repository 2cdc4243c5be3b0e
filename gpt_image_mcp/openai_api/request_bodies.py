"""Our requests as arguments of the SDK's methods: what is not set is left out, but quality is always sent."""

from __future__ import annotations

import io
from typing import IO, TYPE_CHECKING

from gpt_image_mcp.catalogue.models import load_catalogue

if TYPE_CHECKING:
    from gpt_image_mcp.values.json import JsonObject
    from gpt_image_mcp.values.requests import ImageRequest, InputImage

    Upload = tuple[str, IO[bytes], str]

MASK_NAME, MASK_TYPE = "mask.png", "image/png"
_MARKUP_NAME = "markup.png"
# Uploads are deleted right after use; this removes those whose deletion fails.
UPLOADS_EXPIRE_SECONDS = 3600
_PIECE_BYTES = 1_000_000


class _Pieces(io.BytesIO):
    """A file read in large pieces: each of the 64 kB pieces that httpx2 asks for costs a turn of the loop."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Reads at least as much as is asked for, unless the file ends."""
        return super().read(max(size, _PIECE_BYTES) if size and size > 0 else size)


def generation_body(request: ImageRequest) -> JsonObject:
    """``POST /v1/images/generations``."""
    return {**_output(request), "n": request.n, "moderation": request.moderation, **_partials(request)}


def edit_body(request: ImageRequest) -> JsonObject:
    """``POST /v1/images/edits``: one image goes up as ``image``, several as ``image[]``."""
    uploads = [as_upload(image) for image in request.images]
    body: JsonObject = {
        **_output(request),
        "n": request.n,
        "image": uploads[0] if len(uploads) == 1 else uploads,
        **_partials(request),
    }
    if request.mask:
        body["mask"] = mask_upload(request.mask)
    if request.markup:
        body["markup"] = (_MARKUP_NAME, _Pieces(request.markup), MASK_TYPE)
    if request.input_fidelity:
        body["input_fidelity"] = request.input_fidelity
    return body


def response_body(
    request: ImageRequest, *, host_model: str, file_ids: list[str], mask_id: str | None
) -> JsonObject:
    """``POST /v1/responses``: the same edit as a forced call of the image tool."""
    output = _output(request)
    prompt = output.pop("prompt")
    identifier = output.pop("safety_identifier", "")
    tool: JsonObject = {"type": "image_generation", "action": "edit", **output}
    if request.input_fidelity:
        tool["input_fidelity"] = request.input_fidelity
    if mask_id:
        tool["input_image_mask"] = {"file_id": mask_id}
    images = [{"type": "input_image", "file_id": file_id, "detail": "auto"} for file_id in file_ids]
    body: JsonObject = {
        "model": host_model,
        "input": [{"role": "user", "content": [{"type": "input_text", "text": prompt}, *images]}],
        "tools": [tool],
        "tool_choice": {"type": "image_generation"},
        "store": False,
    }
    if identifier:
        body["safety_identifier"] = identifier
    host = load_catalogue().find_host(host_model)
    if host and host.reasoning_effort:
        body["reasoning"] = {"effort": host.reasoning_effort}
    return body


def as_upload(image: InputImage) -> Upload:
    """A file as the SDK takes it, with its type, or it would go up as ``application/octet-stream``.

    It is a stream, which is sent piece by piece and can be sent again from its start; bytes would be copied
    as a whole into every buffer on the way.
    """
    return image.name, _Pieces(image.data), image.mime_type


def mask_upload(mask: bytes) -> Upload:
    """A mask as the SDK takes it."""
    return MASK_NAME, _Pieces(mask), MASK_TYPE


def streams(request: ImageRequest) -> bool:
    """Whether the call streams: not for n > 1, where nothing says which image an event belongs to."""
    return bool(request.partial_images) and request.n == 1


def _output(request: ImageRequest) -> JsonObject:
    body: JsonObject = {
        "model": request.model,
        "prompt": request.prompt,
        "size": request.size,
        "quality": request.quality,
        "background": request.background,
        "output_format": request.output_format,
    }
    if request.output_compression is not None:
        body["output_compression"] = request.output_compression
    if request.safety_identifier:
        body["safety_identifier"] = request.safety_identifier
    if request.complexity:
        body["complexity"] = request.complexity
    if request.frame_count:
        body |= {"frame_count": request.frame_count, "frame_duration_ms": request.frame_duration_ms}
    return body


def _partials(request: ImageRequest) -> JsonObject:
    return {"partial_images": request.partial_images, "stream": True} if streams(request) else {}
