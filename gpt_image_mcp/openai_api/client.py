"""OpenAI's endpoints, a method for each."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

from gpt_image_mcp.errors import ImageError, OutcomeUnknown, UpstreamError, UpstreamRejected
from gpt_image_mcp.openai_api import models_endpoint
from gpt_image_mcp.openai_api.connection import Connection
from gpt_image_mcp.openai_api.error_mapping import map_error
from gpt_image_mcp.openai_api.images_response import ImagesBody, UnusableBody, read_images_body
from gpt_image_mcp.openai_api.observer import NULL_OBSERVER
from gpt_image_mcp.openai_api.redaction import redact, redact_body
from gpt_image_mcp.openai_api.request_bodies import (
    UPLOADS_EXPIRE_SECONDS,
    edit_body,
    generation_body,
    response_body,
)
from gpt_image_mcp.openai_api.responses_response import ResponsesBody, read_response_body
from gpt_image_mcp.openai_api.sdk_errors import (
    errors_translated,
    key_of,
    lost,
    read_error,
    request_id_of,
    unusable,
)
from gpt_image_mcp.openai_api.sse import read_stream
from gpt_image_mcp.threads import in_thread
from gpt_image_mcp.values.responses import GeneratedImages, HostUsage, ImageProperties

if TYPE_CHECKING:
    import httpx2

    from gpt_image_mcp.openai_api.observer import Observer
    from gpt_image_mcp.openai_api.rate_limit import Clock, Sleep
    from gpt_image_mcp.openai_api.request_bodies import Upload
    from gpt_image_mcp.settings import Settings
    from gpt_image_mcp.values.json import JsonObject
    from gpt_image_mcp.values.requests import ImageRequest

DELETE_TIMEOUT_SECONDS = 15.0
# How much of an answer without an image is quoted, and in how much of it the key is looked for before.
_QUOTED_CHARACTERS, _MOST_REDACTED_BYTES = 300, 4_000
_QUOTED_REASON_CHARACTERS = 250

_Method = Callable[..., AbstractAsyncContextManager[Any]]


class OpenAIApi:
    """A connection to OpenAI, to a gateway that speaks its API, or to the sandbox.

    Args:
        settings: Key, address, time limit, retries and concurrency.
        transport: Replaces the network; the sandbox passes itself. No key is needed then.
        sleep: Waits between retries; tests pass their own, with a clock that goes with it.
        clock: Seconds that only ever grow.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        transport: httpx2.AsyncBaseTransport | None = None,
        sleep: Sleep = asyncio.sleep,
        clock: Clock = monotonic,
    ) -> None:
        self._connection = Connection(settings, transport=transport, sleep=sleep, clock=clock)

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
        return await self._make(create, generation_body(request), observer)

    async def edit(self, request: ImageRequest, observer: Observer = NULL_OBSERVER) -> GeneratedImages:
        """Edits the images of a request: ``POST /v1/images/edits``.

        Arguments and errors are those of ``generate``.
        """
        client = await self._connection.open()
        edit = client.images.with_streaming_response.edit
        return await self._make(edit, edit_body(request), observer)

    async def upload(self, upload: Upload) -> str:
        """Uploads a file for the Responses API and gives its id: ``POST /v1/files``.

        OpenAI removes it after an hour, in case that it cannot be deleted before.

        Raises:
            UpstreamError: If the API refuses or fails.
        """
        client = await self._connection.open()

        async def send() -> str:
            async with errors_translated("the Files API"):
                made = await client.files.create(
                    file=upload,
                    purpose="vision",
                    expires_after={"anchor": "created_at", "seconds": UPLOADS_EXPIRE_SECONDS},
                )
            return str(made.id or "")

        file_id = await self._connection.retrying(send)
        if not file_id:
            message = "The endpoint took an upload and gave it no id."
            raise UpstreamRejected(message, next_step="Check that OPENAI_BASE_URL supports /v1/files.")
        return file_id

    async def delete_file(self, file_id: str) -> None:
        """Deletes an upload: ``DELETE /v1/files/{id}``.

        Raises:
            UpstreamError: If the API refuses or fails.
        """
        client = await self._connection.open()

        async def send() -> None:
            async with errors_translated("the Files API"):
                await client.files.delete(file_id, timeout=DELETE_TIMEOUT_SECONDS)

        await self._connection.retrying(send)

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

        async def read(response: httpx2.Response) -> GeneratedImages:
            received: list[bytes] = []
            try:
                whole = await self._connection.read(response, received)
            except UpstreamError:
                if received:
                    await _keep(b"".join(received), response, observer)
                raise
            await _keep(whole, response, observer)
            return await self._read_response(whole, response, host_model)

        return await self._in_slot(partial(_send, responses.create, body), read, observer)

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
        async with self._connection.slots:
            response = await self._connection.retrying(send, observer)
            try:
                return await read(response)
            finally:
                await response.aclose()

    async def _make(self, method: _Method, body: JsonObject, observer: Observer) -> GeneratedImages:
        """Sends a request for images, as a stream where partial images are wanted."""

        async def read(response: httpx2.Response) -> GeneratedImages:
            received: list[bytes] = []
            try:
                whole = await self._receive(response, received, body=body, observer=observer)
            except ImageError as error:
                return await self._salvage(received, error, response=response, observer=observer)
            await _keep(whole, response, observer)
            try:
                answer = await in_thread(read_images_body, whole)
            except UnusableBody as error:
                return await self._salvage(
                    received, _unusable(error, whole, response), response=response, observer=observer
                )
            return await self._complete(answer, response)

        return await self._in_slot(partial(_send, method, body), read, observer)

    async def _receive(
        self, response: httpx2.Response, received: list[bytes], *, body: JsonObject, observer: Observer
    ) -> bytes:
        """The answer; of a stream, its final event."""
        # Some gateways answer a call for a stream without streaming.
        if "stream" not in body or "json" in response.headers.get("content-type", ""):
            return await self._connection.read(response, received)
        return await read_stream(
            response, observer.receive_partial, received=received, model=str(body["model"])
        )

    async def _salvage(
        self, received: list[bytes], failure: ImageError, *, response: httpx2.Response, observer: Observer
    ) -> GeneratedImages:
        """The images in what came of an answer that broke, or was not of the kind that was asked for.

        Raises:
            ImageError: ``failure`` if there is none.
        """
        whole = b"".join(received)
        if not whole:
            raise failure
        await _keep(whole, response, observer)
        try:
            answer = await in_thread(read_images_body, whole)
        except UnusableBody:
            raise failure from None
        return await self._complete(answer, response)

    async def _read_response(
        self, body: bytes, response: httpx2.Response, host_model: str
    ) -> GeneratedImages:
        """The image in an answer of the Responses API, wherever a gateway puts it.

        Raises:
            UpstreamError: If there is none, with the reason.
        """
        try:
            answer = await in_thread(read_response_body, body)
        except UnusableBody as error:
            answer = ResponsesBody(image=None, properties=ImageProperties(), was_called=True)
            failure: ImageError = _unusable(error, body, response)
        else:
            if answer.image is not None:
                return _generated_by_host(answer, answer.image, response=response, host_model=host_model)
            failure = _no_image(answer, response, host_model)
        # The words of a host model that called no tool are not searched: their links lead anywhere.
        if answer.failure is not None or (answer.outputs and not answer.was_called):
            raise failure
        made = await self._salvage([body], failure, response=response, observer=NULL_OBSERVER)
        host = HostUsage(model=host_model, usage=answer.host_usage)
        return replace(made, route="responses", host=host, usage=answer.usage)

    async def _complete(self, answer: ImagesBody, response: httpx2.Response) -> GeneratedImages:
        """The images of an answer, with those to which it only links."""
        fetched, notes = await self._fetch(answer, response)
        return _generated_images(answer, fetched, request_id_of(response), notes=notes)

    async def _fetch(
        self, answer: ImagesBody, response: httpx2.Response
    ) -> tuple[tuple[bytes, ...], tuple[str, ...]]:
        """Downloads the images to which an answer links, side by side.

        Returns:
            Their files, empty where one could not be fetched, and a note for each of those.

        Raises:
            OutcomeUnknown: If not one image of the answer is left.
        """
        dead: dict[str, OutcomeUnknown] = {}

        async def fetch(url: str) -> bytes:
            try:
                return await self._connection.download(url, response)
            except OutcomeUnknown as error:
                dead[url] = error
                return b""

        fetched = await asyncio.gather(*(fetch(url) for url in answer.urls))
        if dead and not any((*answer.images, *fetched)):
            raise next(iter(dead.values()))
        addresses = [redact(url, key_of(response.request)) for url in dead]
        return tuple(fetched), tuple(f"An image could not be fetched from {url}." for url in addresses)


async def _keep(body: bytes, response: httpx2.Response, observer: Observer) -> None:
    """Has an answer written to disk, without the key, before anything interprets it."""
    await observer.keep_body(redact_body(body, key_of(response.request)))


def _unusable(error: UnusableBody, body: bytes, response: httpx2.Response) -> ImageError:
    """The error for an answer in which no image is found, with the first characters of it."""
    begin = " ".join(body[:_MOST_REDACTED_BYTES].decode(errors="replace").split())
    quoted = redact(begin, key_of(response.request))[:_QUOTED_CHARACTERS]
    reason = UnusableBody(f"{str(error)[:200]}; it begins: {quoted}" if quoted else str(error))
    return unusable(reason, body, response)


async def _send(method: _Method, body: JsonObject) -> httpx2.Response:
    """Calls a method of the SDK; gives its response, whose body is not read yet."""
    async with errors_translated(str(body["model"])):
        response: httpx2.Response = (await method(**body).__aenter__()).http_response
        return response


def _generated_images(
    answer: ImagesBody, fetched: tuple[bytes, ...], request_id: str | None, *, notes: tuple[str, ...]
) -> GeneratedImages:
    said = list(notes)
    if answer.usage is None:
        said.append("The endpoint reported no token usage.")
    if any(fetched):
        said.append("The endpoint answered with an address instead of the image; it was fetched from there.")
    return GeneratedImages(
        images=answer.images + fetched,
        properties=answer.properties,
        usage=answer.usage,
        request_id=request_id,
        notes=tuple(said),
    )


def _generated_by_host(
    answer: ResponsesBody, image: bytes, *, response: httpx2.Response, host_model: str
) -> GeneratedImages:
    return GeneratedImages(
        images=(image,),
        properties=answer.properties,
        usage=answer.usage,
        request_id=request_id_of(response),
        route="responses",
        host=HostUsage(model=host_model, usage=answer.host_usage),
    )


def _no_image(answer: ResponsesBody, response: httpx2.Response, host_model: str) -> ImageError:
    """The error that says why an answer of the Responses API holds no image."""
    request_id = request_id_of(response)
    if answer.failure is not None:
        error = read_error(answer.failure, response.request, status=200, request_id=request_id)
        return map_error(error, model=host_model)
    if answer.was_called:
        return lost("the image tool ended without a result", request_id)
    said = f' It said: "{redact(answer.said, key_of(response.request))[:300]}"' if answer.said else ""
    message = (
        f"The host model {host_model} answered without making an image (status {answer.status}, output: "
        f"{', '.join(answer.outputs) or 'nothing'}).{said}"
    )
    return UpstreamRejected(
        message,
        next_step="Rephrase the prompt as a plain instruction for the picture; if it goes on, choose another "
        "host model with OPENAI_RESPONSES_EDIT_MODEL.",
        request_id=request_id,
    )
