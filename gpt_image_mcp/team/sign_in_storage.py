"""Where sign-ins through a provider are kept: in PostgreSQL for all replicas, else in files of FastMCP."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from cryptography.fernet import Fernet
from fastmcp.server.auth.jwt_issuer import derive_jwt_key
from key_value.aio.wrappers.encryption import FernetEncryptionWrapper

from gpt_image_mcp.errors import InvalidSetting
from gpt_image_mcp.library.database_address import asyncpg_address

if TYPE_CHECKING:
    from collections.abc import Mapping

    from key_value.aio.protocols import AsyncKeyValue

    from gpt_image_mcp.settings import Settings

_TABLE = "sign_ins"
# What another replica deletes just now is left to it.
_DELETE_ENDED = f"""
    DELETE FROM {_TABLE} WHERE ctid IN
    (SELECT ctid FROM {_TABLE} WHERE expires_at < now() FOR UPDATE SKIP LOCKED)
"""  # noqa: S608 - a constant
# Each sign-in asks a few times; the store's own ten for each replica would be a tenth of PostgreSQL's limit.
_MOST_CONNECTIONS = 4


def sign_in_storage(settings: Settings, key: str) -> AsyncKeyValue | None:
    """Encrypted storage in the library's PostgreSQL; None for FastMCP's own encrypted files.

    Args:
        settings: Those of the server.
        key: The link key, of which the key of encryption is derived.

    Raises:
        InvalidSetting: If the driver for it is not installed.
    """
    url = asyncpg_address(settings.database_url.get_secret_value())
    if not url:
        return None
    fernet = Fernet(derive_jwt_key(high_entropy_material=key, salt="gpt-image-mcp sign-in storage"))
    # What another key wrote is as good as not there: people sign in again.
    return FernetEncryptionWrapper(_store(url), fernet=fernet, raise_on_decryption_error=False)


def _store(url: str) -> AsyncKeyValue:
    try:
        asyncpg: Any = import_module("asyncpg")  # which has no types
        from key_value.aio.stores.postgresql import PostgreSQLStore
    except ImportError as error:
        message = (
            "Sign-ins through a provider are kept in PostgreSQL, whose driver for that is not installed."
        )
        raise InvalidSetting(message, next_step="Install gpt-image-mcp-server[team].") from error

    class SignIns(PostgreSQLStore):
        """The store with few connections, which throws away what has ended whenever something is kept."""

        async def _create_pool(self) -> Any:
            return await asyncpg.create_pool(url, min_size=0, max_size=_MOST_CONNECTIONS)

        async def get(self, key: str, **options: Any) -> dict[str, Any] | None:
            # Keys come from strangers, as the id of a client; PostgreSQL refuses texts with NUL in them.
            return None if "\0" in key else await super().get(key, **options)

        async def put(self, key: str, value: Mapping[str, Any], **options: Any) -> None:
            await super().put(key, value, **options)
            pool: Any = self._initialized_pool
            await pool.execute(_DELETE_ENDED)

    return SignIns(url=url, table_name=_TABLE)
