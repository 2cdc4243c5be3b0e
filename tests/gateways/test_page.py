"""Each block of ``docs/gateways.md`` does what the page says, against a stand-in of its wire format."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from gpt_image_mcp import Studio
from gpt_image_mcp.errors import BudgetExceeded, UpstreamRejected
from gpt_image_mcp.openai_api.sandbox.transport import SandboxTransport
from gpt_image_mcp.settings import read_settings
from tests.docs.pages import DOCS, read_page
from tests.faults.observed import QUICK, spent_usd
from tests.gateways.azure import KEY, ManagedIdentity, serve_azure
from tests.standin import serve_standin

if TYPE_CHECKING:
    from pathlib import Path

    from gpt_image_mcp.values.results import ImageResult

KEY_BLOCK, IDENTITY_BLOCK, LITELLM_BLOCK, OPENROUTER_BLOCK, OTHER_BLOCK = (
    json.loads(text)["env"] for text in read_page(DOCS / "gateways.md").blocks("json")
)
NAMES = {"KEY-OF-THE-RESOURCE": KEY, "RESOURCE": "house", "DEPLOYMENT": "house-pictures"}


def _set(monkeypatch: pytest.MonkeyPatch, block: dict[str, str], **replaced: str) -> None:
    """The block in the environment, with the reader's own names in it."""
    text = json.dumps(block | replaced)
    for written, own in NAMES.items():
        text = text.replace(written, own)
    for name, value in json.loads(text).items():
        monkeypatch.setenv(name, value)


class Gateway(SandboxTransport):
    """A gateway with a name of its own for the model, whose answers hold pictures and maybe a usage alone."""

    def __init__(self, name: str, usage: object = None) -> None:
        super().__init__()
        self._name = name.encode()
        self._usage = {} if usage is None else {"usage": usage}

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """The sandbox's answer to the model behind the name."""
        content = (await request.aread()).replace(self._name, b"gpt-image-2")
        headers = {name: value for name, value in request.headers.items() if name != "content-length"}
        inside = httpx2.Request(request.method, request.url, headers=headers, content=content)
        response = await super().handle_async_request(inside)
        document: dict[str, Any] = json.loads(await response.aread())
        return httpx2.Response(response.status_code, json={"data": document["data"], **self._usage})


class Openrouter(SandboxTransport):
    """Has images on a route of its own alone."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """No such route."""
        assert request.url.path == "/v1/images/generations"
        return httpx2.Response(404, json={"error": {"message": "Not Found", "code": 404}})


async def _made() -> ImageResult:
    async with Studio(read_settings()) as studio:
        return await studio.generate("a fox", **QUICK)


async def test_azure_with_a_key_makes_a_picture_with_the_deployment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _set(monkeypatch, KEY_BLOCK)
    async with serve_azure(monkeypatch, tmp_path) as azure:
        assert (await _made()).images
    assert (azure.deployments_asked, azure.signed_with) == (["house-pictures"], [KEY])


async def test_azure_with_an_identity_makes_a_picture_without_a_key(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _set(monkeypatch, IDENTITY_BLOCK)
    async with serve_azure(monkeypatch, tmp_path, identity=ManagedIdentity()) as azure:
        assert (await _made()).images
    assert azure.signed_with[0].startswith("eyJ")


USAGES = [
    None,
    {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0},
    {"input_tokens": 12, "output_tokens": 0, "total_tokens": 12},
    {"prompt_tokens": 12, "completion_tokens": 196},
    {"input_tokens": -5, "output_tokens": 196},
]


@pytest.mark.parametrize("usage", USAGES)
@pytest.mark.parametrize("model", ["NAME-IN-THE-PROXY", "gpt-image-2"])
async def test_a_usage_that_litellm_does_not_know_never_makes_a_picture_free(
    model: str, usage: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serve_standin(Gateway("NAME-IN-THE-PROXY", usage)) as gateway:
        _set(monkeypatch, LITELLM_BLOCK, OPENAI_BASE_URL=gateway.base_url, GPT_IMAGE_MODEL=model)
        made = await _made()
    assert made.images
    assert made.cost is not None
    assert made.cost.basis in {"unknown", "quote"}
    assert made.cost.usd is None or made.cost.usd > 0
    assert any("no token usage" in note for note in made.notes)


async def test_the_costs_of_another_server_are_said_as_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    usage = {"input_tokens": 12, "output_tokens": 196}
    async with serve_standin(Gateway("ITS-NAME-OF-THE-MODEL", usage)) as gateway:
        _set(monkeypatch, OTHER_BLOCK, OPENAI_BASE_URL=gateway.base_url)
        made = await _made()
        assert made.cost is not None
        assert (made.cost.usd, made.cost.basis) == (None, "unknown")
        async with Studio(read_settings()) as studio:
            assert "not known" in (await studio.estimate()).quote.basis
            assert await spent_usd(studio) == 0
        monkeypatch.setenv("GPT_IMAGE_MAX_COST_USD", "5")
        with pytest.raises(BudgetExceeded):
            await _made()
    assert len(gateway.posts) == 1


async def test_openrouter_is_refused_with_advice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with serve_standin(Openrouter()) as gateway:
        _set(monkeypatch, OPENROUTER_BLOCK, OPENAI_BASE_URL=gateway.base_url)
        with pytest.raises(UpstreamRejected, match="no such endpoint") as caught:
            await _made()
    assert "does not offer this endpoint" in caught.value.next_step
