"""The HTTP client under the SDK: it knows when the last byte of each request was sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx2

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gpt_image_mcp.openai_api.rate_limit import Clock

# In the extensions of a request its sending, in those of a response the seconds that it took to come.
_SENDING, SECONDS_TO_ANSWER = "gpt_image_mcp.sending", "gpt_image_mcp.seconds_to_answer"


class HttpClient(httpx2.AsyncClient):
    """A client that notes how long after the last byte sent each response arrived.

    Args:
        clock: Seconds that only ever grow.
        transport: Replaces the network.
        timeout: Of each request.
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
        super().__init__(transport=transport, timeout=timeout, limits=limits, follow_redirects=True)
        self._clock = clock
        self.event_hooks = {"request": [self._begin], "response": [self._arrive]}

    async def _begin(self, request: httpx2.Request) -> None:
        sending = _Sending(self._clock, self._clock())
        request.extensions = {**request.extensions, "trace": sending.trace, _SENDING: sending}

    async def _arrive(self, response: httpx2.Response) -> None:
        sending: _Sending = response.request.extensions[_SENDING]
        response.extensions[SECONDS_TO_ANSWER] = self._clock() - sending.sent_at


@dataclass(eq=False, slots=True)
class _Sending:
    """How far the sending of one request is.

    Attributes:
        sent_at: When its last byte was sent, as far as that is known; before that, when it began.
    """

    clock: Clock
    sent_at: float

    async def trace(self, event: str, details: Mapping[str, Any]) -> None:
        """Is told by the transport of each step. A transport in place of the network tells of none."""
        # The request to a proxy for a tunnel carries nothing of ours.
        is_ours = "request" in details and details["request"].method != b"CONNECT"
        if is_ours and event.endswith(("send_request_body.complete", "send_request_body.failed")):
            self.sent_at = self.clock()
