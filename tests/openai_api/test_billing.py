"""Whether a failed request may have been billed: what is sent again, and what is left to the user."""

from __future__ import annotations

import asyncio
import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING

import httpx2
import pytest

from gpt_image_mcp import Settings
from gpt_image_mcp.errors import OutcomeUnknown, UpstreamUnavailable
from gpt_image_mcp.openai_api import OpenAIApi
from gpt_image_mcp.openai_api.sandbox.transport import SandboxTransport
from gpt_image_mcp.values.requests import ImageRequest
from tests.certificates import write_certificate
from tests.standin import serve_standin
from tests.web import pretend

if TYPE_CHECKING:
    from pathlib import Path

REQUEST = ImageRequest(prompt="a fox", model="gpt-image-2", size="816x816", quality="low")
SERVER_ERROR = {"error": {"message": "The server had an error.", "type": "server_error", "code": None}}


class Failing(SandboxTransport):
    """A sandbox that works for a while, by a clock of its own, and then fails.

    Args:
        response: Its only answer.
        seconds: How long it works on each request.
    """

    def __init__(self, response: httpx2.Response, seconds: float) -> None:
        super().__init__()
        self.came = 0
        self._response = response
        self._seconds = seconds
        self._now = 1000.0

    def clock(self) -> float:
        """The time by which it works."""
        return self._now

    async def sleep(self, seconds: float) -> None:
        """Lets the clock go on."""
        self._now += seconds

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """The failure, later."""
        self.came += 1
        self._now += self._seconds
        await asyncio.sleep(0)
        return httpx2.Response(self._response.status_code, content=self._response.content, request=request)


@pytest.mark.parametrize(
    ("status", "seconds", "expected", "requests"),
    [
        (500, 1.9, UpstreamUnavailable, 3),
        (502, 0.0, UpstreamUnavailable, 3),
        (529, 2.0, UpstreamUnavailable, 3),
        (500, 6.0, OutcomeUnknown, 1),
        (502, 2.5, OutcomeUnknown, 1),
        (503, 600.0, OutcomeUnknown, 1),
        (529, 3.0, OutcomeUnknown, 1),
        (504, 0.0, OutcomeUnknown, 1),
        (598, 0.5, OutcomeUnknown, 1),
    ],
)
async def test_a_failure_is_sent_again_only_if_it_came_too_soon_for_a_picture(
    status: int, seconds: float, expected: type[Exception], requests: int
) -> None:
    gateway = Failing(httpx2.Response(status, json=SERVER_ERROR), seconds)
    api = OpenAIApi(Settings(), transport=gateway, sleep=gateway.sleep, clock=gateway.clock)
    with pytest.raises(expected):
        await api.generate(REQUEST)
    assert gateway.came == requests
    await api.aclose()


@pytest.mark.parametrize(
    ("status", "body", "expected", "requests"),
    [
        (500, SERVER_ERROR, UpstreamUnavailable, 3),
        (503, SERVER_ERROR, UpstreamUnavailable, 3),
        (502, SERVER_ERROR, OutcomeUnknown, 1),
        (500, {"detail": "proxy"}, OutcomeUnknown, 1),
    ],
)
async def test_openai_itself_is_believed_that_it_failed(
    status: int,
    body: object,
    expected: type[Exception],
    requests: int,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    expires = dt.datetime.now(dt.UTC) + dt.timedelta(days=1)
    certificate = write_certificate(tmp_path / "trusted.pem", expires=expires)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    openai = Failing(httpx2.Response(status, json=body), 30.0)
    async with serve_standin(openai, certificate=certificate) as standin:
        port = httpx2.URL(standin.base_url).port
        assert port is not None
        pretend(monkeypatch, {"api.openai.com": [["203.0.113.7"]]}, {"203.0.113.7": port})
        settings = Settings.model_validate({"api_key": "sk-test"})
        api = OpenAIApi(settings, sleep=openai.sleep, clock=openai.clock)
        with pytest.raises(expected):
            await api.generate(REQUEST)
        await api.aclose()
    assert openai.came == requests


async def test_the_two_seconds_count_from_the_last_byte_of_a_slow_upload() -> None:
    """The clock goes on by a minute while the request is still being sent, and not after that."""
    now = [1000.0]
    requests = 0

    async def fail(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal requests
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        requests += 1
        now[0] += 60
        await reader.readexactly(int(head.partition("content-length:")[2].split()[0]))
        writer.write(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    async def no_sleep(_seconds: float) -> None:
        return

    server = await asyncio.start_server(fail, "127.0.0.1", 0)
    address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    settings = Settings.model_validate({"api_key": "sk-test", "base_url": address, "max_retries": 1})
    api = OpenAIApi(settings, sleep=no_sleep, clock=lambda: now[0])
    # More than the buffers of the sockets hold, so that the last byte leaves late.
    with pytest.raises(UpstreamUnavailable):
        await api.generate(replace(REQUEST, prompt="x" * 24_000_000))
    await api.aclose()
    server.close()
    assert requests == 2
