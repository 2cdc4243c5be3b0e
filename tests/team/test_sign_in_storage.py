"""Where sign-ins are kept in PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from pydantic import SecretStr

from gpt_image_mcp.settings import Settings
from gpt_image_mcp.team.sign_in_storage import sign_in_storage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from key_value.aio.protocols import AsyncKeyValue

pytestmark = pytest.mark.filterwarnings("ignore:A configured store is unstable:UserWarning")
KEY = "0123456789abcdef0123456789abcdef"


@pytest.fixture
async def storage(database_url: str) -> AsyncIterator[AsyncKeyValue]:
    encrypted: Any = sign_in_storage(Settings(database_url=SecretStr(database_url)), KEY)
    async with encrypted.key_value:
        yield encrypted


async def test_a_sign_in_that_has_ended_is_gone_when_the_next_is_kept(
    storage: AsyncKeyValue, database_url: str
) -> None:
    await storage.put("ended", {"state": "first"}, collection="transactions", ttl=900)
    await storage.put("a client", {"name": "it"}, collection="clients")
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("UPDATE sign_ins SET expires_at = now() - interval '1 s' WHERE key = 'ended'")
        await storage.put("begun", {"state": "second"}, collection="transactions", ttl=900)
        kept = connection.execute("SELECT key FROM sign_ins ORDER BY key").fetchall()
    assert kept == [("a client",), ("begun",)]
    assert await storage.get("begun", collection="transactions") == {"state": "second"}


@pytest.mark.parametrize("key", ["\0", "a\0b", "\u202e", "x" * 100_000, "'; --"])
async def test_a_key_that_nobody_can_have_is_not_there(key: str, storage: AsyncKeyValue) -> None:
    assert await storage.get(key, collection="clients") is None
