"""The models that a key may use. These requests are free and are never sent again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ValidationError

from gpt_image_mcp.errors import UpstreamRejected
from gpt_image_mcp.openai_api.error_mapping import map_refusal_inside, website_error
from gpt_image_mcp.openai_api.sdk_errors import errors_translated, read_body

if TYPE_CHECKING:
    import httpx2
    import openai

    from gpt_image_mcp.errors import ImageError

_TIMEOUT_SECONDS = 10.0


class _Model(BaseModel):
    id: str


class _Models(BaseModel):
    data: list[_Model]


async def list_models(client: openai.AsyncOpenAI) -> tuple[str, ...]:
    """The names of the models that the key may use: ``GET /v1/models``.

    Raises:
        UpstreamError: If the API refuses or fails, or answers with something else.
    """
    async with errors_translated("the list of models"):
        answer = await client.models.with_raw_response.list(timeout=_TIMEOUT_SECONDS)
    try:
        return tuple(model.id for model in _Models.model_validate_json(answer.content).data)
    except ValidationError as error:
        raise _not_understood("/models", answer.http_response) from error


async def find_model(client: openai.AsyncOpenAI, name: str) -> None:
    """Asks for one model: ``GET /v1/models/{name}``.

    Raises:
        UpstreamError: If the API refuses or fails; ``UpstreamRejected`` if it has no such model for the key.
    """
    async with errors_translated(name):
        answer = await client.models.with_raw_response.retrieve(name, timeout=_TIMEOUT_SECONDS)
    try:
        _Model.model_validate_json(answer.content)
    except ValidationError as error:
        raise _not_understood(f"/models/{name}", answer.http_response) from error


def _not_understood(path: str, response: httpx2.Response) -> ImageError:
    """The error for an answer that came well and is something else than was asked for."""
    read = read_body(response)
    if read.is_html:
        return website_error(read)
    refusal = map_refusal_inside(read, model="the list of models")
    return refusal or UpstreamRejected(
        f"The endpoint answered GET {path} with something else.",
        next_step="Check that OPENAI_BASE_URL ends in /v1.",
    )
