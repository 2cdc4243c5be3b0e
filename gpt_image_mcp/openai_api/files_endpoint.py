"""Files that the Responses API is shown. These requests are free."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ValidationError

from gpt_image_mcp.errors import UpstreamRejected
from gpt_image_mcp.openai_api.request_bodies import UPLOADS_EXPIRE_SECONDS
from gpt_image_mcp.openai_api.sdk_errors import errors_translated

if TYPE_CHECKING:
    import openai

    from gpt_image_mcp.openai_api.request_bodies import Upload

DELETE_TIMEOUT_SECONDS = 15.0


class _File(BaseModel, coerce_numbers_to_str=True):
    id: str


async def upload_file(client: openai.AsyncOpenAI, upload: Upload) -> str:
    """Uploads a file and gives its id: ``POST /v1/files``.

    OpenAI removes it after an hour, in case that it cannot be deleted before.

    Raises:
        UpstreamError: If the API refuses or fails, or answers without an id.
    """
    async with errors_translated("the Files API"):
        answer = await client.files.with_raw_response.create(
            file=upload,
            purpose="vision",
            expires_after={"anchor": "created_at", "seconds": UPLOADS_EXPIRE_SECONDS},
        )
    try:
        file_id = _File.model_validate_json(answer.content).id
    except ValidationError:
        file_id = ""
    if not file_id:
        message = "The endpoint took an upload and gave it no id."
        raise UpstreamRejected(message, next_step="Check that OPENAI_BASE_URL supports /v1/files.")
    return file_id


async def delete_file(client: openai.AsyncOpenAI, file_id: str) -> None:
    """Deletes an upload: ``DELETE /v1/files/{id}``.

    Raises:
        UpstreamError: If the API refuses or fails.
    """
    async with errors_translated("the Files API"):
        await client.files.with_raw_response.delete(file_id, timeout=DELETE_TIMEOUT_SECONDS)
