"""OpenAI's endpoints, a method for each."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

from gpt_image_mcp.openai_api import files_endpoint, models_endpoint
from gpt_image_mcp.openai_api.answer_reader import AnswerReader
from gpt_image_mcp.openai_api.connection import Connection
from gpt_image_mcp.openai_api.observer import NULL_OBSERVER
from gpt_image_mcp.openai_api.request_bodies import (
    edit_body,
    generation_body,
    response_body,
)
from gpt_image_mcp.openai_api.sdk_errors import (
    errors_translated,
)
from gpt_image_mcp.threads import in_thread

if TYPE_CHECKING:
    import httpx2

    from gpt_image_mcp.openai_api.observer import Observer
    from gpt_image_mcp.openai_api.rate_limit import Clock, SharedPauses, Sleep
    from gpt_image_mcp.openai_api.request_bodies import Upload
    from gpt_image_mcp.settings import Settings
    from gpt_image_mcp.values.json import JsonObject
    from gpt_image_mcp.values.requests import ImageRequest
    from gpt_image_mcp.values.responses import GeneratedImages


_Method = Callable[..., AbstractAsyncContextManager[Any]]


class OpenAIApi:
    """A connection to OpenAI, to a gateway that speaks its API, or to the sandbox.

    Args:
        settings: Key, address, time limit, retries and concurrency.
        transport: Replaces the network; the sandbox passes itself. No key is needed then.
        sleep: Waits between retries; tests pass their own, with a clock that goes with it.
        clock: Seconds that only ever grow.
        pauses: Where other processes note what the API asked of them; None if there are none.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        transport: httpx2.AsyncBaseTransport | None = None,
        sleep: Sleep = asyncio.sleep,
        clock: Clock = monotonic,
        pauses: SharedPauses | None = None,
    ) -> None:
        self._connection = Connection(settings, transport=transport, sleep=sleep, clock=clock, pauses=pauses)

    async def generate(self, request: ImageRequest, observer: Observer = NULL_OBSERVER) -> GeneratedImages:
        """Makes the images of a request: ``POST /v1/images/generations``.

        Args:
            request: Already checked against the model.
            observer: Told when the request leaves and what comes of it.

        Raises:
            MissingApiKey: If there is no key to send.
            UpstreamError: If the API refuses or fails; ``OutcomeUnknown`` where a picture may exist.
        """
        client = await self._connection.open()
        create = client.images.with_streaming_response.generate
        return await self._make(create, generation_body(request), request=request, observer=observer)

    async def edit(self, request: ImageRequest, observer: Observer = NULL_OBSERVER) -> GeneratedImages:
        """Edits the images of a request: ``POST /v1/images/edits``.

        Arguments and errors are those of ``generate``.
        """
        client = await self._connection.open()
        edit = client.images.with_streaming_response.edit
        return await self._make(edit, edit_body(request), request=request, observer=observer)

    async def upload(self, upload: Upload) -> str:
        """Uploads a file for the Responses API and gives its id: ``POST /v1/files``.

        OpenAI removes it after an hour, in case that it cannot be deleted before.

        Raises:
            UpstreamError: If the API refuses or fails.
        """
        client = await self._connection.open()
        return await self._connection.retrying(lambda: files_endpoint.upload_file(client, upload))

    async def delete_file(self, file_id: str) -> None:
        """Deletes an upload: ``DELETE /v1/files/{id}``.

        Raises:
            UpstreamError: If the API refuses or fails.
        """
        client = await self._connection.open()
        await self._connection.retrying(lambda: files_endpoint.delete_file(client, file_id))

    async def respond(
        self,
        request: ImageRequest,
        observer: Observer = NULL_OBSERVER,
        *,
        host_model: str,
        file_ids: list[str],
        mask_id: str | None,
    ) -> GeneratedImages:
        """Edits uploaded images through a chat model: ``POST /v1/responses`` with the image tool forced.

        Raises:
            UpstreamError: If the API, the host model or the image tool refuses or fails.
        """
        client = await self._connection.open()
        body = response_body(request, host_model=host_model, file_ids=file_ids, mask_id=mask_id)
        # The SDK imports this part on first use, which would block the event loop.
        responses = await in_thread(lambda: client.responses.with_streaming_response)
        reader = AnswerReader(self._connection, request, observer)
        send = partial(_send, responses.create, body, request.prompt)
        return await self._in_slot(send, partial(reader.read_of_host, host_model=host_model), observer)

    async def list_models(self) -> tuple[str, ...]:
        """The models that the key may use: ``GET /v1/models``. Free; raises as ``find_model``."""
        return await models_endpoint.list_models(await self._connection.open())

    async def find_model(self, name: str) -> None:
        """Asks whether the key may use a model: ``GET /v1/models/{name}``. Free.

        Raises:
            MissingApiKey: If there is no key to send.
            UpstreamError: If the API refuses or fails; ``UpstreamRejected`` if it has no such model.
        """
        await models_endpoint.find_model(await self._connection.open(), name)

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._connection.aclose()

    async def _in_slot(
        self,
        send: Callable[[], Coroutine[None, None, httpx2.Response]],
        read: Callable[[httpx2.Response], Awaitable[GeneratedImages]],
        observer: Observer,
    ) -> GeneratedImages:
        """Sends with retries, and reads without: an answer that begins to arrive may be billed already."""
        async with self._connection.turns.slot(observer.owner):
            await self._connection.rate_limit.heed_others()
            response = await self._connection.retrying(send, observer)
            try:
                return await read(response)
            finally:
                await response.aclose()

    async def _make(
        self, method: _Method, body: JsonObject, *, request: ImageRequest, observer: Observer
    ) -> GeneratedImages:
        """Sends a request to an images endpoint and reads its answer."""
        reader = AnswerReader(self._connection, request, observer)
        return await self._in_slot(partial(_send, method, body, request.prompt), reader.read, observer)


async def _send(method: _Method, body: JsonObject, prompt: str) -> httpx2.Response:
    """Calls a method of the SDK; gives its response, whose body is not read yet."""
    async with errors_translated(str(body["model"]), prompt=prompt):
        response: httpx2.Response = (await method(**body).__aenter__()).http_response
        return response
