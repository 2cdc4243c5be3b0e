"""A stand-in for a resource of Azure OpenAI: its v1 address, its deployments, its sign-in, its error bodies.

The wire format is that of learn.microsoft.com/azure/foundry/openai (api-version-lifecycle, how-to/dall-e) in
2026; the words of the errors are those that people quote.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import httpx2

from gpt_image_mcp.openai_api.sandbox.transport import SandboxTransport
from tests.certificates import write_certificate
from tests.standin import serve_standin
from tests.web import answer, pretend, serve

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    import pytest

    from tests.web import Script

BASE_URL = "https://house.openai.azure.com/openai/v1/"
KEY = "azure-resource-key-0123456789"
TOKEN = "eyJ0eXAiOiJKV1Qi.eyJhdWQiOiJodHRwczovL2FpLmF6dXJlLmNvbSJ9.signature-{number}-0123456789"  # noqa: S105 - of nobody
DEPLOYMENTS = {"house-pictures": "gpt-image-2"}
_ADDRESS = "203.0.113.7"
_WRONG_KEY = (
    "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key "
    "for an active subscription and use a correct regional API endpoint for your resource."
)
_NO_ROLE = (
    "The principal `0f0f` lacks the required data action `Microsoft.CognitiveServices/accounts/OpenAI/images/"
    "generations/action` to perform `POST /openai/v1/images/generations` operation."
)
_NO_DEPLOYMENT = (
    "The API deployment for this resource does not exist. If you created the deployment within the last 5 "
    "minutes, please wait a moment and try again."
)
_MODEL = re.compile(rb'("model"\s*:\s*"|name="model"\r\n\r\n)([^"\r]*)')


class AzureTransport(SandboxTransport):
    """The sandbox behind the address, the keys and the deployments of a resource.

    Attributes:
        signed_with: What each request was signed with, in order.
        has_role: Whether the identity may use the resource.
        repeats: Whether every image request is refused with its own headers in the words.
    """

    def __init__(self, *, has_role: bool = True, repeats: bool = False) -> None:
        super().__init__()
        self.signed_with: list[str] = []
        self.deployments_asked: list[str] = []
        self.has_role = has_role
        self.repeats = repeats

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """One request, as the resource answers it."""
        signed = request.headers.get("authorization", "").removeprefix("Bearer ")
        given = request.headers.get("api-key", signed)
        if not given:
            return _refusal(401, "401", _WRONG_KEY)
        self.signed_with.append(given)
        if given != KEY and not given.startswith("eyJ"):
            return _refusal(401, "401", _WRONG_KEY)
        if given != KEY and not self.has_role:
            return _refusal(401, "PermissionDenied", _NO_ROLE)
        if not request.url.path.startswith("/openai/v1/"):
            return _refusal(404, "404", "Resource not found")
        if self.repeats and request.method == "POST":
            return _refusal(400, "BadRequest", f"cannot read Authorization: {signed}, nor Bearer {signed}")
        return await self._deployed(request, await request.aread())

    async def _deployed(self, request: httpx2.Request, content: bytes) -> httpx2.Response:
        """The answer of the model behind the deployment that the request names."""
        if b"[azure:filtered]" in content:
            inner = {
                "code": "ResponsibleAIPolicyViolation",
                "content_filter_results": {"violence": {"filtered": True}},
            }
            return _refusal(
                400, "contentFilter", "Your task failed as a result of our safety system.", inner_error=inner
            )
        named = _MODEL.search(content)
        if named:
            deployment = named[2].decode()
            self.deployments_asked.append(deployment)
            if deployment not in DEPLOYMENTS:
                return _refusal(404, "DeploymentNotFound", _NO_DEPLOYMENT)
            content = _MODEL.sub(rb"\g<1>" + DEPLOYMENTS[deployment].encode(), content, count=1)
        path = request.url.path.removeprefix("/openai")
        headers = {name: value for name, value in request.headers.items() if name != "content-length"}
        headers["authorization"] = "Bearer sandbox"
        inside = httpx2.Request(request.method, f"http://standin{path}", headers=headers, content=content)
        return await super().handle_async_request(inside)


def _refusal(status: int, code: str, message: str, **more: object) -> httpx2.Response:
    body = {"error": {"code": code, "message": message, **more}}
    headers = {"content-type": "application/json", "apim-request-id": "0-0-0"}
    return httpx2.Response(status, content=json.dumps(body), headers=headers)


class ManagedIdentity(dict[str, "Script"]):
    """The endpoint that Azure gives to an App Service for tokens of its identity: HTTP on the machine itself.

    Args:
        lives_seconds: How long each token holds.
        refuses: Whether there is no such identity.

    Attributes:
        asked: The paths that were asked for, in order.
    """

    def __init__(self, *, lives_seconds: float = 86_400, refuses: bool = False) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.lives_seconds = lives_seconds
        self.refuses = refuses

    def __missing__(self, path: str) -> bytes:
        """The answer to a path."""
        self.asked.append(path)
        if self.refuses:
            return answer(
                b'{"statusCode": 400, "message": "No managed identity found"}', status="400 Bad Request"
            )
        document = {
            "access_token": TOKEN.format(number=len(self.asked)),
            "expires_on": str(int(time.time() + self.lives_seconds)),
            "resource": "https://ai.azure.com",
            "token_type": "Bearer",
        }
        return answer(json.dumps(document).encode(), Content_Type="application/json")


@asynccontextmanager
async def serve_azure(
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    transport: AzureTransport | None = None,
    identity: ManagedIdentity | None = None,
) -> AsyncGenerator[AzureTransport]:
    """The resource ``house`` at its own name, over TLS, and the identity of this machine.

    Args:
        monkeypatch: Takes the pretended network and the variables back.
        folder: Where the certificate goes.
        transport: What answers.
        identity: Where tokens come from; None for a machine without any.
    """
    transport = transport or AzureTransport()
    expires = dt.datetime.now(dt.UTC) + dt.timedelta(days=1)
    certificate = write_certificate(folder / "azure.pem", expires=expires)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setenv("PATH", os.devnull)  # so that no command line of Azure is asked
    tokens: dict[str, Script] = {} if identity is None else identity
    async with (
        serve_standin(transport, certificate=certificate) as standin,
        serve(tokens) as web,
    ):
        port = httpx2.URL(standin.base_url).port
        assert port is not None
        pretend(
            monkeypatch, {"house.openai.azure.com": [[_ADDRESS]]}, {_ADDRESS: port, "127.0.0.1": web.port}
        )
        if identity is not None:
            monkeypatch.setenv("IDENTITY_ENDPOINT", web.url("/msi/token"))
            monkeypatch.setenv("IDENTITY_HEADER", "header-of-the-machine")
        yield transport
