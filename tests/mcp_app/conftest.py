"""The server in memory, in the sandbox, with a client of each protocol era."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, cast

import pytest
import pytest_asyncio
from fastmcp import Client

from gpt_image_mcp.server import mcp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings for a server without key and network."""
    monkeypatch.setenv("GPT_IMAGE_SANDBOX", "1")


@pytest.fixture
def served(sandbox: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings for a server that people sign in to, which has more tools."""
    del sandbox
    monkeypatch.setenv("GPT_IMAGE_AUTH", "tokens")
    monkeypatch.setenv("GPT_IMAGE_LINK_KEY", "a key for tests that nobody else has")


@pytest_asyncio.fixture
async def served_client(served: None) -> AsyncIterator[Client[Any]]:
    """A client that is shown what people who sign in are."""
    del served
    async with Client(mcp) as connected:
        yield connected


@pytest_asyncio.fixture(params=["auto", "legacy"])
async def client(request: pytest.FixtureRequest, sandbox: None) -> AsyncIterator[Client[Any]]:
    """A client of the newest protocol and one of the old."""
    del sandbox
    mode = cast("Literal['auto', 'legacy']", request.param)
    async with Client(mcp, mode=mode) as connected:
        yield connected
