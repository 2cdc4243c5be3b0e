"""The connections of one configuration: to OpenAI or a gateway, and to the sandbox."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from gpt_image_mcp.openai_api.client import OpenAIApi
from gpt_image_mcp.openai_api.turns import Turns

if TYPE_CHECKING:
    from gpt_image_mcp.openai_api.rate_limit import SharedPauses
    from gpt_image_mcp.settings import Settings


class Connections:
    """One connection to the API and one to the sandbox, each made when it is first asked for.

    Args:
        settings: The configuration.
        pauses: Where other processes note what the API asked of them; None if there are none.

    Attributes:
        edits: Whose turn it is to read the images of an edit, which stay in memory until it ends: of those
            that run, and of as many that come next.
    """

    def __init__(self, settings: Settings, pauses: SharedPauses | None = None) -> None:
        self._settings = settings
        self._pauses = pauses
        self.edits = Turns(2 * settings.max_concurrency)
        self._apis: dict[bool, OpenAIApi] = {}

    def api(self, *, sandbox: bool) -> OpenAIApi:
        """The API, or the sandbox in its place."""
        if sandbox not in self._apis:
            self._apis[sandbox] = (
                self._connect_sandbox() if sandbox else OpenAIApi(self._settings, pauses=self._pauses)
            )
        return self._apis[sandbox]

    async def aclose(self) -> None:
        """Closes both, also if one fails to close."""
        async with AsyncExitStack() as closing:
            for api in self._apis.values():
                closing.push_async_callback(api.aclose)

    def _connect_sandbox(self) -> OpenAIApi:
        from gpt_image_mcp.openai_api.sandbox.transport import SandboxTransport

        return OpenAIApi(self._settings, transport=SandboxTransport(remembered_requests=0))
