"""The HTTP client under the SDK: one deadline for a whole request, and how soon its response came.

The time limits of HTTP clients are for each read alone: a body that drips a byte at a time never meets one.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import httpx2
from socksio.exceptions import SOCKSError

from gpt_image_mcp.openai_api.content_encoding import (
    MOST_BYTES,
    MOST_BYTES_OF_WORDS,
    UnpackedStream,
)
from gpt_image_mcp.openai_api.error_response import is_early
from gpt_image_mcp.openai_api.redirects import require_followable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from gpt_image_mcp.openai_api.rate_limit import Clock

_MOST_REDIRECTS = 4
# In the extensions of a request its sending, in those of a response the seconds that it took to come.
_SENDING, SECONDS_TO_ANSWER = "gpt_image_mcp.sending", "gpt_image_mcp.seconds_to_answer"


class HttpClient(httpx2.AsyncClient):
    """A client whose limit on a single read bounds the whole request, from its begin to its last byte.

    Args:
        clock: Seconds that only ever grow.
        transport: Replaces the network.
        timeout: Of each request; its limit for reads is the deadline of the whole.
        limits: Of the connections that are kept open.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        transport: httpx2.AsyncBaseTransport | None,
        timeout: httpx2.Timeout,
        limits: httpx2.Limits,
    ) -> None:
        super().__init__(
            transport=transport,
            timeout=timeout,
            limits=limits,
            follow_redirects=True,
            max_redirects=_MOST_REDIRECTS,
        )
        self._clock = clock
        # A transport in place of the network tells of no steps: what it is given counts as sent.
        self._is_traced = transport is None
        self.event_hooks = {"request": [self._begin], "response": [self._arrive]}

    async def send(self, request: httpx2.Request, *, stream: bool = False, **options: Any) -> httpx2.Response:
        """Sends a request within its deadline, which also bounds the body if that is read later.

        Raises:
            httpx2.ConnectTimeout: If the deadline passes before anything is sent.
            httpx2.ReadTimeout: If it passes later.
            httpx2.ProxyError: If a SOCKS proxy is none.
        """
        limits: Mapping[str, float | None] = request.extensions.get("timeout", {})
        deadline = _deadline_after(limits.get("read"))
        try:
            async with asyncio.timeout_at(deadline):
                response = await super().send(request, stream=stream, **options)
        except TimeoutError as error:
            raise _too_late(request) from error
        except SOCKSError as error:  # which the client below lets through
            raise httpx2.ProxyError(str(error), request=request) from error
        if stream:
            body = cast("httpx2.AsyncByteStream", response.stream)
            response.stream = _BoundedStream(body, deadline, response.request)
        return response

    async def _begin(self, request: httpx2.Request) -> None:
        sending = _Sending(self._clock, self._clock(), has_left=not self._is_traced)
        request.extensions = {**request.extensions, "trace": sending.trace, _SENDING: sending}

    async def _arrive(self, response: httpx2.Response) -> None:
        sending: _Sending = response.request.extensions[_SENDING]
        seconds = response.extensions[SECONDS_TO_ANSWER] = self._clock() - sending.sent_at
        if response.has_redirect_location:
            require_followable(response, is_early=is_early(seconds))
        response.headers.pop("content-encoding", None)
        # As JSON and events are, whatever is named: some codecs of Python take hours, or give no text.
        response.encoding = "utf-8"
        body, most_bytes = cast("httpx2.AsyncByteStream", response.stream), _most_bytes(response)
        response.stream = UnpackedStream(body, most_bytes=most_bytes)


def _most_bytes(response: httpx2.Response) -> int:
    """How much is read of a body: pictures come only in good answers to a post of what is no file."""
    request = response.request
    has_pictures = request.method == "POST" and not request.url.path.endswith("/files")
    return MOST_BYTES if has_pictures and response.is_success else MOST_BYTES_OF_WORDS


@dataclass(eq=False, slots=True)
class _Sending:
    """How far the sending of one request is.

    Attributes:
        sent_at: When its last byte was sent, as far as that is known; before that, when it began.
        has_left: Whether anything of it may have been sent.
    """

    clock: Clock
    sent_at: float
    has_left: bool

    async def trace(self, event: str, details: Mapping[str, Any]) -> None:
        """Is told by the network's transport of each step."""
        if event.endswith("send_request_headers.started"):
            # The request to a proxy for a tunnel carries nothing of ours.
            self.has_left = details["request"].method != b"CONNECT"
        if self.has_left and event.endswith(("send_request_body.complete", "send_request_body.failed")):
            self.sent_at = self.clock()


class _BoundedStream(httpx2.AsyncByteStream):
    """The body of a response, which has to end before a deadline."""

    def __init__(
        self, stream: httpx2.AsyncByteStream, deadline: float | None, request: httpx2.Request
    ) -> None:
        self._stream = stream
        self._deadline = deadline
        self._request = request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        pieces = aiter(self._stream)
        while True:
            try:
                async with asyncio.timeout_at(self._deadline):
                    piece = await anext(pieces, None)
            except TimeoutError as error:
                message = "the body did not end within the time limit"
                raise httpx2.ReadTimeout(message, request=self._request) from error
            if piece is None:
                return
            yield piece

    async def aclose(self) -> None:
        await self._stream.aclose()


def _deadline_after(seconds: float | None) -> float | None:
    """The time of the event loop so many seconds from now."""
    return None if seconds is None else asyncio.get_running_loop().time() + seconds


def has_left(request: httpx2.Request) -> bool:
    """Whether anything of a request of this client may have been sent."""
    sending: _Sending | None = request.extensions.get(_SENDING)
    return sending is not None and sending.has_left


def _too_late(request: httpx2.Request) -> httpx2.TimeoutException:
    """The error for a deadline that passed, by whether anything may have been sent."""
    kind = httpx2.ReadTimeout if has_left(request) else httpx2.ConnectTimeout
    return kind("no answer within the time limit", request=request)
