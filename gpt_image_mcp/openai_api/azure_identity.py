"""Signing in to Azure with an Entra identity in place of a key."""

from __future__ import annotations

import asyncio
from importlib import import_module
from typing import TYPE_CHECKING

from gpt_image_mcp.errors import UnusableCredentials, cut
from gpt_image_mcp.redaction import redact
from gpt_image_mcp.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from azure.identity.aio import DefaultAzureCredential

# Of the v1 API, by learn.microsoft.com/azure/foundry/openai/api-version-lifecycle in 2026.
_SCOPE = "https://ai.azure.com/.default"
# Each command line that is asked may take ten seconds, and a managed identity is looked for several times.
_PATIENCE_SECONDS = 60.0
_MOST_CHARACTERS = 600


class AzureIdentity:
    """The token of the identity that this process has; the SDK asks for it before every request.

    The first request loads azure-identity and signs in. The token is kept in memory alone, and another is
    fetched five minutes before it expires.
    """

    def __init__(self) -> None:
        self._credential: DefaultAzureCredential | None = None
        self._fetch: Callable[[], Awaitable[str]] | None = None

    async def __call__(self) -> str:
        """The token.

        Raises:
            UnusableCredentials: If azure-identity is not installed, or gets none.
        """
        try:
            await in_thread(import_module, "azure.identity.aio")
        except ImportError as error:
            message = (
                "GPT_IMAGE_AZURE_IDENTITY is set, but azure-identity is not installed; nothing was sent."
            )
            step = "Install gpt-image-mcp with its extra azure, or set OPENAI_API_KEY to the resource's key."
            raise UnusableCredentials(message, next_step=step) from error
        from azure.core.exceptions import AzureError
        from azure.identity.aio import DefaultAzureCredential, get_bearer_token_provider

        try:
            if self._fetch is None:
                self._credential = DefaultAzureCredential()
                self._fetch = get_bearer_token_provider(self._credential, _SCOPE)
            async with asyncio.timeout(_PATIENCE_SECONDS):
                return await self._fetch()
        except (AzureError, ValueError, TimeoutError) as error:
            said = " ".join(redact(str(error)).split()) or f"no answer in {_PATIENCE_SECONDS:g} s"
            raise UnusableCredentials(
                f"No Entra token for Azure, so nothing was sent: {cut(said, _MOST_CHARACTERS).rstrip('.')}.",
                next_step="Sign in with `az login`, or give the server a managed identity or "
                "AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET, and restart it; or set "
                "OPENAI_API_KEY to a key of the resource and remove GPT_IMAGE_AZURE_IDENTITY.",
            ) from error

    async def aclose(self) -> None:
        """Closes the connections to Entra."""
        if self._credential is not None:
            await self._credential.close()
