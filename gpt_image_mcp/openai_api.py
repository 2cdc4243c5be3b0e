"""OpenAI's endpoints, one method each; the only importer of ``openai``.

The SDK builds and authenticates requests; its own retries are off, because it re-sends after ambiguous
timeouts and on exhausted quota. Here a request is sent again only where it certainly was not billed.
"""

from __future__ import annotations

import asyncio
import base64
import random
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from gpt_image_mcp.errors import (
    AuthenticationFailed,
    ImageError,
    InternalError,
    MissingApiKey,
    OutcomeUnknown,
    RateLimited,
    UpstreamError,
    UpstreamUnavailable,
)
from gpt_image_mcp.refusals import Refusal, explain
from gpt_image_mcp.values import Delivery, ImageRequest
from gpt_image_mcp.wire import ImagesAnswer, UnusableBody, read_images_body

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    import httpx2
    import openai
    from openai._legacy_response import LegacyAPIResponse
    from pydantic import SecretStr
    from tenacity import RetryCallState

    from gpt_image_mcp.settings import Settings

OPENAI_BASE_URL = "https://api.openai.com/v1"
SANDBOX_BASE_URL = "https://sandbox.invalid/v1"
CONNECT_TIMEOUT_SECONDS = 10.0
DOWNLOAD_TIMEOUT_SECONDS = 60.0
LONGEST_RETRY_AFTER_SECONDS = 60.0
_BACKOFF_SECONDS, _LONGEST_BACKOFF_SECONDS = 0.5, 8.0

Sleep = Callable[[float], Awaitable[None]]


def _nothing() -> None:
    """The default of ``on_sent``."""


def _drop(_partial: bytes) -> None:
    """The default of ``on_partial``."""


class OpenAIApi:
    """A connection to OpenAI, to a gateway that speaks its API, or to the sandbox.

    The SDK is imported and the client built with the first request, in a worker thread.

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
        self._settings = settings
        self._transport = transport
        self._sleep = sleep
        self._slots = asyncio.Semaphore(settings.max_concurrency)
        self._opening = asyncio.Lock()
        self._client: openai.AsyncOpenAI | None = None

    async def generate(
        self,
        request: ImageRequest,
        *,
        on_sent: Callable[[], None] = _nothing,
        on_partial: Callable[[bytes], None] = _drop,
    ) -> Delivery:
        """Makes the images of a request.

        Args:
            request: Already checked against the model.
            on_sent: Called when the request leaves the queue; from then on it may be billed.
            on_partial: Called with the bytes of each partial image, where the request asks for them.

        Raises:
            MissingApiKey: If there is no key to send.
            UpstreamError: If the API refuses or fails; ``OutcomeUnknown`` where a picture may exist.
        """
        client = await self._open()
        body = _generation_body(request)
        # Which image a streamed event belongs to is not documented for n > 1.
        if request.partial_images and request.n == 1:
            send = partial(self._streamed, client, body, on_partial=on_partial)
        else:
            send = partial(self._plain, client, body)
        async with self._slots:
            on_sent()
            return await self._retrying(send)

    async def aclose(self) -> None:
        """Closes the connections."""
        if self._client is not None:
            await self._client.close()

    async def _open(self) -> openai.AsyncOpenAI:
        if self._transport is None and self._settings.api_key is None:
            message = "No OpenAI key is set: the environment variable OPENAI_API_KEY is missing or empty."
            raise MissingApiKey(
                message,
                next_step="Set OPENAI_API_KEY in the env block of the MCP client's configuration and restart "
                'it; to try without a key, call again with model "sandbox" or set GPT_IMAGE_SANDBOX=1.',
            )
        _require_sendable(self._settings.api_key)
        async with self._opening:
            if self._client is None:
                self._client = await asyncio.to_thread(self._connect)
            return self._client

    def _connect(self) -> openai.AsyncOpenAI:
        import httpx2
        import openai

        settings = self._settings
        timeout = httpx2.Timeout(settings.request_timeout_seconds, connect=CONNECT_TIMEOUT_SECONDS)
        if self._transport is not None:
            return openai.AsyncOpenAI(
                api_key="sandbox",
                base_url=SANDBOX_BASE_URL,
                max_retries=0,
                timeout=timeout,
                http_client=httpx2.AsyncClient(transport=self._transport, timeout=timeout),
            )
        return openai.AsyncOpenAI(
            api_key=settings.api_key.get_secret_value() if settings.api_key else "",
            base_url=settings.base_url or OPENAI_BASE_URL,
            organization=settings.org_id,
            project=settings.project_id,
            max_retries=0,
            timeout=timeout,
        )

    async def _retrying(self, send: Callable[[], Awaitable[Delivery]]) -> Delivery:
        from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt

        retrying = AsyncRetrying(
            retry=retry_if_exception(_can_be_sent_again),
            stop=stop_after_attempt(self._settings.max_retries + 1),
            wait=_wait_seconds,
            sleep=self._sleep,
            reraise=True,
        )
        return await retrying(send)

    async def _plain(self, client: openai.AsyncOpenAI, body: dict[str, Any]) -> Delivery:
        async with _errors_translated(str(body["model"])):
            raw = client.images.with_raw_response
            response = cast("LegacyAPIResponse[object]", await raw.generate(**body))
        return await self._read(response.content, response.request_id)

    async def _streamed(
        self, client: openai.AsyncOpenAI, body: dict[str, Any], *, on_partial: Callable[[bytes], None]
    ) -> Delivery:
        final: bytes | None = None
        partial_images = int(body["partial_images"])
        async with (
            _errors_translated(str(body["model"])),
            await client.images.generate(**body, stream=True) as events,
        ):
            request_id = events.response.headers.get("x-request-id")
            async for event in events:
                if event.type == "image_generation.completed":
                    final = event.model_dump_json(exclude_unset=True).encode()
                    break  # what breaks from here on takes nothing away
                if event.type == "image_generation.partial_image":
                    on_partial(base64.b64decode(event.b64_json))
        if final is None:
            raise _lost(f"the stream ended without its final image ({partial_images} partial)", request_id)
        return await self._read(final, request_id)

    async def _read(self, body: bytes, request_id: str | None) -> Delivery:
        try:
            answer = await asyncio.to_thread(read_images_body, body)
        except UnusableBody as error:
            raise _lost(str(error), request_id) from error
        fetched = [await self._download(url, request_id) for url in answer.urls]
        return _delivery(answer, tuple(fetched), request_id)

    async def _download(self, url: str, request_id: str | None) -> bytes:
        """Fetches an image that a gateway left at an address of its own; paid for, so tried three times."""
        import httpx2
        from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt

        async def get() -> bytes:
            async with httpx2.AsyncClient(transport=self._transport, follow_redirects=True) as client:
                response = await client.get(url, timeout=DOWNLOAD_TIMEOUT_SECONDS)
                return response.raise_for_status().content

        attempts = AsyncRetrying(
            retry=retry_if_exception_type(httpx2.HTTPError),
            stop=stop_after_attempt(3),
            wait=_wait_seconds,
            sleep=self._sleep,
            reraise=True,
        )
        try:
            return await attempts(get)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            reason = (
                f"the endpoint answered with the address {url[:500]}, which could not be fetched: {error}"
            )
            raise _lost(reason, request_id) from error


def _require_sendable(key: SecretStr | None) -> None:
    """A header carries ASCII only; the SDK would fail with an encoding error that shows the key."""
    if key is not None and not key.get_secret_value().isascii():
        message = "The key in OPENAI_API_KEY holds characters that no key has, so it was not sent."
        raise AuthenticationFailed(
            message, next_step="Copy the key again from https://platform.openai.com/api-keys."
        )


def _generation_body(request: ImageRequest) -> dict[str, Any]:
    """The JSON of ``POST /v1/images/generations``; what is not set is not sent, but quality always is."""
    body: dict[str, Any] = {
        "model": request.model,
        "prompt": request.prompt,
        "n": request.n,
        "size": request.size,
        "quality": request.quality,
        "background": request.background,
        "output_format": request.output_format,
        "moderation": request.moderation,
    }
    if request.output_compression is not None:
        body["output_compression"] = request.output_compression
    if request.safety_identifier:
        body["safety_identifier"] = request.safety_identifier
    if request.partial_images and request.n == 1:
        body["partial_images"] = request.partial_images
    return body


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


def _can_be_sent_again(error: BaseException) -> bool:
    """Only what certainly made no picture, and only when the API lets us come back soon."""
    if not isinstance(error, RateLimited | UpstreamUnavailable):
        return False
    return (error.retry_after_seconds or 0) <= LONGEST_RETRY_AFTER_SECONDS


def _wait_seconds(state: RetryCallState) -> float:
    """Full jitter over an exponential back-off, and never less than ``Retry-After``."""
    ceiling = min(_LONGEST_BACKOFF_SECONDS, _BACKOFF_SECONDS * 2 ** (state.attempt_number - 1))
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_after_seconds if isinstance(error, UpstreamError) else None
    return (asked or 0.0) + random.uniform(0, ceiling)  # noqa: S311 - jitter, not cryptography


@asynccontextmanager
async def _errors_translated(model: str) -> AsyncGenerator[None]:
    """Turns each exception of the SDK into the error of our tree that it means."""
    import openai

    try:
        yield
    except openai.APIStatusError as error:
        raise explain(_refusal(error), model=model) from error
    except openai.APIConnectionError as error:
        raise _connection_error(error) from error
    except openai.APIResponseValidationError as error:
        raise _lost(f"the answer has an unexpected shape ({error})", _request_id(error)) from error
    except openai.APIError as error:
        raise explain(_refusal(error), model=model) from error
    except openai.OpenAIError as error:
        message = f"The OpenAI client could not be used: {error}."
        raise InternalError(message, next_step="Check OPENAI_BASE_URL and the proxy settings.") from error


def _refusal(error: openai.APIError) -> Refusal:
    import openai

    status, retry_after = 0, ""
    if isinstance(error, openai.APIStatusError):
        status = error.status_code
        retry_after = error.response.headers.get("retry-after", "")
    body: object = error.body
    fields = cast("dict[str, object]", body) if isinstance(body, dict) else {}
    details = fields.get("moderation_details")
    return Refusal(
        status=status,
        message=str(fields.get("message") or error.message),
        code=str(error.code or ""),
        type=str(error.type or ""),
        param=str(error.param or ""),
        details=cast("dict[str, object]", details) if isinstance(details, dict) else {},
        retry_after=retry_after,
        request_id=_request_id(error),
    )


def _request_id(error: openai.APIError) -> str | None:
    request_id = getattr(error, "request_id", None)
    return request_id if isinstance(request_id, str) else None


def _connection_error(error: openai.APIConnectionError) -> ImageError:
    """A request that never left can be repeated; one that broke off later may have been billed."""
    import httpx2

    cause = error.__cause__
    reason = f"{type(cause).__name__}: {cause}" if cause else str(error)
    if isinstance(cause, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout):
        return UpstreamUnavailable(
            f"No connection to {error.request.url.host} ({reason}); nothing was sent.",
            next_step="Check the network, the proxy settings and OPENAI_BASE_URL, then call again.",
        )
    if isinstance(cause, httpx2.TimeoutException):
        return _lost("no answer came within the time limit (GPT_IMAGE_TIMEOUT_SECONDS)", None)
    return _lost(f"the connection broke after the request was sent ({reason})", None)


def _lost(reason: str, request_id: str | None) -> OutcomeUnknown:
    message = f"The request was sent, but {reason}. Whether a picture was made and billed cannot be told."
    return OutcomeUnknown(
        message,
        next_step="Look at the usage page of the account before you call again; a repetition may be billed "
        "a second time.",
        request_id=request_id,
    )
