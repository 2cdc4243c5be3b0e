"""The SDK's client: built on first use, with our time limits, and with our retries instead of its own.

The SDK also sends again after a timeout, when a picture may have been made, and on exhausted quota. Here a
request is sent again only if it was certainly not billed.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from gpt_image_mcp.catalogue.validation import require_key
from gpt_image_mcp.downloads import AddressRefused, Fetcher, OwnServer, PrivateAddress
from gpt_image_mcp.errors import ImageError, InputNotFound, InputRejected, NotSent
from gpt_image_mcp.openai_api.azure_identity import AzureIdentity
from gpt_image_mcp.openai_api.image_extraction import begins_like_an_image
from gpt_image_mcp.openai_api.observer import NULL_OBSERVER, Observer
from gpt_image_mcp.openai_api.rate_limit import (
    Clock,
    RateLimit,
    SharedPauses,
    Sleep,
    backoff_seconds,
    is_retryable,
)
from gpt_image_mcp.openai_api.sdk_errors import broken, lost, request_id_of
from gpt_image_mcp.openai_api.turns import Turns
from gpt_image_mcp.openai_api.unsent import require_sendable, unusable_configuration
from gpt_image_mcp.redaction import key_of, redact
from gpt_image_mcp.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    import httpx2
    import openai

    from gpt_image_mcp.errors import OutcomeUnknown
    from gpt_image_mcp.openai_api.received_body import ReceivedBody
    from gpt_image_mcp.settings import Settings

OPENAI_BASE_URL = "https://api.openai.com/v1"
SANDBOX_BASE_URL = "https://sandbox.invalid/v1"
CONNECT_TIMEOUT_SECONDS = 10.0
DOWNLOAD_TIMEOUT_SECONDS = 60.0
# No image of a model comes near this.
MAX_DOWNLOAD_BYTES = 100_000_000
# How long a link that leads nowhere is tried again, and what is waited between the attempts.
_LINK_PATIENCE_SECONDS = 60.0
_LINK_WAITS_SECONDS = (0.5, 1.0, 2.0, 4.0, *(8.0,) * 6)
# Whenever a request begins or ends, the pool looks at the socket of every idle connection.
_MOST_IDLE_CONNECTIONS = 4

_T = TypeVar("_T")


class Connection:
    """A client of OpenAI, of a gateway that speaks its API, or of the sandbox.

    Args:
        settings: Key, address, time limit, retries and concurrency.
        transport: Replaces the network; no key is needed then.
        sleep: Waits between retries.
        clock: The seconds that go by meanwhile.
        pauses: Where other processes note what the API asked of them.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        transport: httpx2.AsyncBaseTransport | None,
        sleep: Sleep,
        clock: Clock,
        pauses: SharedPauses | None,
    ) -> None:
        self.turns = Turns(settings.max_concurrency)
        # Held from reading one until its images are saved: ten large pictures take 0.8 GB.
        self.large_answers = asyncio.Lock()
        self._settings = settings
        self._transport = transport
        self._sleep = sleep
        self._clock = clock
        endpoint = settings.base_url or OPENAI_BASE_URL
        self.rate_limit = RateLimit(sleep, clock, endpoint=endpoint, shared=pauses)
        self._opening = asyncio.Lock()
        self._client: openai.AsyncOpenAI | None = None
        self._identity = AzureIdentity() if settings.azure_identity else None

    async def open(self) -> openai.AsyncOpenAI:
        """The client. The first call imports the SDK and builds it, in a worker thread.

        Raises:
            MissingApiKey: If there is no key to send.
            NotSent: If nothing can be sent with what is configured.
        """
        if self._transport is None:
            require_key(self._settings)
        async with self._opening:
            if self._client is None:
                self._client = await in_thread(self._connect)
            return self._client

    async def aclose(self) -> None:
        """Closes the connections."""
        if self._client is not None:
            await self._client.close()
        if self._identity is not None:
            await self._identity.aclose()

    async def retrying(
        self, send: Callable[[], Coroutine[None, None, _T]], observer: Observer = NULL_OBSERVER
    ) -> _T:
        """Sends, and again what certainly made no picture, within the rate limit that all callers share.

        The observer is told when the request leaves, and when it came back without having made anything:
        a call that is cancelled while it waits to be sent again is certainly not billed.
        """
        from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt

        async def paced() -> _T:
            await self.rate_limit.wait()
            try:
                observer.mark_sent()
                return await send()
            except ImageError as error:
                if isinstance(error, NotSent) or is_retryable(error):
                    observer.mark_unsent()
                await self.rate_limit.pause_after(error)
                raise

        attempts = AsyncRetrying(
            retry=retry_if_exception(is_retryable),
            stop=stop_after_attempt(self._settings.max_retries + 1),
            wait=backoff_seconds,
            before_sleep=self.rate_limit.pause_for_retry,
            sleep=self._sleep,
            reraise=True,
        )
        return await attempts(paced)

    async def read(self, response: httpx2.Response, received: ReceivedBody) -> None:
        """Reads the body of an answer, which is not read yet, as far as it is read at all.

        Raises:
            OutcomeUnknown: If the connection breaks; what came before has been received.
        """
        import httpx2

        try:
            async for piece in response.aiter_bytes():
                await received.add(piece)
                if received.has_enough:
                    return
        except httpx2.HTTPError as error:
            raise broken(error, request_id_of(response)) from error

    async def download(self, link: str, response: httpx2.Response, *, max_bytes: int) -> bytes:
        """Fetches an image from a link in an answer, which may be relative to the address of the request.

        The image is paid for, and some gateways name a link before the file is there, so it is tried again
        for about a minute. Links of the API's own server are asked with the key and without the guard against
        private addresses; all others without the key and with the guard.

        Raises:
            OutcomeUnknown: If it cannot be fetched; with the whole link.
        """
        import httpx2

        asked = response.request
        try:
            address = str(asked.url.join(link))
        except httpx2.InvalidURL as error:
            raise _unfetched(link, str(error), response) from error
        async with httpx2.AsyncClient(transport=self._transport, timeout=DOWNLOAD_TIMEOUT_SECONDS) as client:
            own = OwnServer(
                asked.url,
                asked.headers.get("authorization", ""),
                client,
                is_whole_network=self._transport is not None,
            )
            fetcher = Fetcher(
                min(max_bytes, MAX_DOWNLOAD_BYTES),
                allow_private=self._settings.allow_private_urls,
                timeout_seconds=DOWNLOAD_TIMEOUT_SECONDS,
                own=own,
            )
            try:
                async with asyncio.timeout(_LINK_PATIENCE_SECONDS):
                    return await self._fetch_patiently(fetcher, address)
            except TimeoutError as error:
                reason = f"it did not arrive within {_LINK_PATIENCE_SECONDS:g} s"
                raise _unfetched(address, reason, response) from error
            except PrivateAddress as error:
                reason = f"{error.message} GPT_IMAGE_ALLOW_PRIVATE_URLS=1 lifts this guard"
                raise _unfetched(address, reason, response) from error
            except (InputNotFound, InputRejected) as error:
                raise _unfetched(address, error.message.rstrip("."), response) from error

    async def _fetch_patiently(self, fetcher: Fetcher, address: str) -> bytes:
        """What is at an address, within about a minute; the last answer if it does not look like an image."""
        until = self._clock() + _LINK_PATIENCE_SECONDS
        for wait_seconds in (*_LINK_WAITS_SECONDS, None):
            is_last = wait_seconds is None or self._clock() >= until
            try:
                body = await fetcher.fetch(address)
                if is_last or begins_like_an_image(body):
                    return body
            except (InputNotFound, InputRejected) as error:
                if is_last or isinstance(error, AddressRefused):
                    raise
            await self._sleep(wait_seconds or 0)
        raise AssertionError  # the last attempt returns or raises

    def _connect(self) -> openai.AsyncOpenAI:
        import httpx2
        import openai

        from gpt_image_mcp.openai_api.http_client import HttpClient

        settings, transport = self._settings, self._transport
        address = settings.base_url or OPENAI_BASE_URL
        if transport is None:
            require_sendable(settings, address)
        timeout = httpx2.Timeout(settings.request_timeout_seconds, connect=CONNECT_TIMEOUT_SECONDS)
        limits = httpx2.Limits(max_keepalive_connections=_MOST_IDLE_CONNECTIONS)
        try:
            http_client = HttpClient(clock=self._clock, transport=transport, timeout=timeout, limits=limits)
        except (OSError, ValueError, httpx2.InvalidURL) as error:
            raise unusable_configuration(error, address) from error
        if transport is not None:
            return openai.AsyncOpenAI(
                api_key="sandbox",
                base_url=SANDBOX_BASE_URL,
                max_retries=0,
                timeout=timeout,
                http_client=http_client,
            )
        key = settings.api_key.get_secret_value() if settings.api_key else ""
        return openai.AsyncOpenAI(
            api_key=self._identity or key,
            base_url=address,
            organization=settings.org_id,
            project=settings.project_id,
            max_retries=0,
            timeout=timeout,
            http_client=http_client,
        )


def _unfetched(link: str, why: str, response: httpx2.Response) -> OutcomeUnknown:
    """The error for a picture that exists behind a link, and did not come from there."""
    key = key_of(response.request)
    reason = f"the endpoint answered with the link {redact(link, key)}, which could not be fetched"
    return lost(f"{reason}: {redact(why, key)}", request_id_of(response))
