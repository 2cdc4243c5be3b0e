"""The server in memory, in the sandbox, for pages that call it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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


@pytest_asyncio.fixture
async def served_client(sandbox: None, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Client[Any]]:
    """A client of a server that people sign in to, which has more tools."""
    del sandbox
    monkeypatch.setenv("GPT_IMAGE_AUTH", "tokens")
    monkeypatch.setenv("GPT_IMAGE_LINK_KEY", "a key for tests that nobody else has")
    async with Client(mcp) as connected:
        yield connected


@pytest_asyncio.fixture
async def client(sandbox: None) -> AsyncIterator[Client[Any]]:
    """A client of the server."""
    del sandbox
    async with Client(mcp) as connected:
        yield connected
