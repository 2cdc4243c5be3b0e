"""OpenAI's endpoints, one method each."""

from __future__ import annotations

import asyncio
import base64
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

from gpt_image_mcp.errors import ImageError, UpstreamRejected
from gpt_image_mcp.openai_api.bodies import (
    UPLOADS_EXPIRE_SECONDS,
    edit_body,
    generation_body,
    response_body,
    streams,
)
from gpt_image_mcp.openai_api.connection import Connection, Sleep
from gpt_image_mcp.openai_api.translation import errors_translated, lost
from gpt_image_mcp.refusals import Refusal, explain
from gpt_image_mcp.responses_wire import ResponsesAnswer, read_response_body
from gpt_image_mcp.threads import in_thread
from gpt_image_mcp.values import Delivery, HostUsage, ImageRequest
from gpt_image_mcp.wire import ImagesAnswer, UnusableBody, read_images_body

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import httpx2
    from openai._legacy_response import LegacyAPIResponse

    from gpt_image_mcp.openai_api.bodies import Upload
    from gpt_image_mcp.settings import Settings

DELETE_TIMEOUT_SECONDS = 15.0

_T = TypeVar("_T")


def _nothing() -> None:
    """The default of ``on_sent``."""


def _drop(_partial: bytes) -> None:
    """The default of ``on_partial``."""


class OpenAIApi:
    """A connection to OpenAI, to a gateway that speaks its API, or to the sandbox.

    Args:
        settings: Key, address, time limit, retries and concurrency.
        transport: Replaces the network; the sandbox passes itself. No key is needed then.
        sleep: Waits between retries; tests pass their own.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        transport: httpx2.AsyncBaseTransport | None = None,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._connection = Connection(settings, transport=transport, sleep=sleep)

    async def generate(
        self,
        request: ImageRequest,
        *,
        on_sent: Callable[[], None] = _nothing,
        on_partial: Callable[[bytes], None] = _drop,
    ) -> Delivery:
        """Makes the images of a request: ``POST /v1/images/generations``.

        Args:
            request: Already checked against the model.
            on_sent: Called when the request leaves the queue; from then on it may be billed.
            on_partial: Called with the bytes of each partial image, where the request asks for them.

        Raises:
            MissingApiKey: If there is no key to send.
            UpstreamError: If the API refuses or fails; ``OutcomeUnknown`` where a picture may exist.
        """
        client = await self._connection.open()
        body = generation_body(request)
        if streams(request):
            send = partial(self._streamed, client.images.generate, body, on_partial)
        else:
            send = partial(self._plain, client.images.with_raw_response.generate, body)
        return await self._in_slot(send, on_sent)

    async def edit(
        self,
        request: ImageRequest,
        *,
        on_sent: Callable[[], None] = _nothing,
        on_partial: Callable[[bytes], None] = _drop,
    ) -> Delivery:
        """Edits the images of a request: ``POST /v1/images/edits``. As ``generate`` otherwise."""
        client = await self._connection.open()
        body = edit_body(request)
        if streams(request):
            send = partial(self._streamed, client.images.edit, body, on_partial)
        else:
            send = partial(self._plain, client.images.with_raw_response.edit, body)
        return await self._in_slot(send, on_sent)

    async def upload(self, upload: Upload) -> str:
        """Uploads a file for the Responses API and gives its id: ``POST /v1/files``.

        It expires after an hour, for the case that nobody can delete it.

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
        *,
        host_model: str,
        file_ids: list[str],
        mask_id: str | None,
        on_sent: Callable[[], None] = _nothing,
    ) -> Delivery:
        """Edits uploaded images through a chat model: ``POST /v1/responses`` with the image tool forced.

        Raises:
            UpstreamError: If the API, the host model or the image tool refuses or fails.
        """
        client = await self._connection.open()
        body = response_body(request, host_model=host_model, file_ids=file_ids, mask_id=mask_id)
        # The SDK imports this part when it is first asked for, which takes too long for the loop.
        responses = await asyncio.to_thread(lambda: client.responses.with_raw_response)

        async def send() -> LegacyAPIResponse[object]:
            async with errors_translated(host_model):
                return cast("LegacyAPIResponse[object]", await responses.create(**body))

        # Read outside the retries: what the answer reports as failed was billed for the host model.
        response = await self._in_slot(send, on_sent)
        return await _read_response(response.content, response.request_id, host_model)

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._connection.aclose()

    async def _in_slot(self, send: Callable[[], Awaitable[_T]], on_sent: Callable[[], None]) -> _T:
        async with self._connection.slots:
            on_sent()
            return await self._connection.retrying(send)

    async def _plain(self, method: Callable[..., Awaitable[Any]], body: dict[str, Any]) -> Delivery:
        async with errors_translated(str(body["model"])):
            response = cast("LegacyAPIResponse[object]", await method(**body))
        return await self._read(response.content, response.request_id)

    async def _streamed(
        self,
        method: Callable[..., Awaitable[Any]],
        body: dict[str, Any],
        on_partial: Callable[[bytes], None],
    ) -> Delivery:
        final: bytes | None = None
        async with errors_translated(str(body["model"])), await method(**body, stream=True) as events:
            request_id = events.response.headers.get("x-request-id")
            async for event in events:
                if event.type.endswith(".completed"):
                    final = event.model_dump_json(exclude_unset=True).encode()
                    break  # what breaks from here on takes nothing away
                if event.type.endswith(".partial_image"):
                    on_partial(base64.b64decode(event.b64_json))
        if final is None:
            partials = body["partial_images"]
            raise lost(f"the stream ended without its final image ({partials} partial)", request_id)
        return await self._read(final, request_id)

    async def _read(self, body: bytes, request_id: str | None) -> Delivery:
        try:
            answer = await in_thread(read_images_body, body)
        except UnusableBody as error:
            raise lost(str(error), request_id) from error
        fetched = [await self._connection.download(url, request_id) for url in answer.urls]
        return _delivery(answer, tuple(fetched), request_id)


def _delivery(answer: ImagesAnswer, fetched: tuple[bytes, ...], request_id: str | None) -> Delivery:
    notes: list[str] = []
    if answer.usage is None:
        notes.append("The endpoint reported no token usage.")
    if fetched:
        notes.append("The endpoint answered with an address instead of the image; it was fetched from there.")
    return Delivery(
        images=answer.images + fetched,
        size=answer.size,
        quality=answer.quality,
        background=answer.background,
        output_format=answer.output_format,
        usage=answer.usage,
        request_id=request_id,
        notes=tuple(notes),
    )


async def _read_response(body: bytes, request_id: str | None, host_model: str) -> Delivery:
    """The image in an answer of the Responses API.

    Raises:
        UpstreamError: If there is none, with the reason.
    """
    try:
        answer = await in_thread(read_response_body, body)
    except UnusableBody as error:
        raise lost(str(error), request_id) from error
    if answer.image is None:
        raise _no_image(answer, request_id, host_model)
    return Delivery(
        images=(answer.image,),
        size=answer.size,
        quality=answer.quality,
        background=answer.background,
        output_format=answer.output_format,
        usage=answer.usage,
        request_id=request_id,
        route="responses",
        host=HostUsage(model=host_model, usage=answer.host_usage),
    )


def _no_image(answer: ResponsesAnswer, request_id: str | None, host_model: str) -> ImageError:
    """Why an answer of the Responses API holds no image, as an error of our tree."""
    failure = answer.failure
    if failure is not None:
        refusal = Refusal(
            status=200,
            message=failure.message,
            code=failure.code,
            type=failure.type,
            param=failure.param,
            details=failure.details,
            request_id=request_id,
        )
        return explain(refusal, model=host_model)
    if answer.was_called:
        return lost("the image tool ended without a result", request_id)
    said = f' It said: "{answer.said[:300]}"' if answer.said else ""
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
