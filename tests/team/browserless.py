"""A person with a browser who signs in and allows all that is asked, without the browser."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx2
from fastmcp.client.auth import OAuth
from key_value.aio.stores.memory import MemoryStore
from mcp.client.auth import AuthorizationCodeResult

_FIELD = re.compile(r'name="(txn_id|csrf_token|submit)" value="([^"]+)"')
_MOST_PAGES = 10


class Person(OAuth):
    """Signs in a client.

    Args:
        mcp_url: The server.
    """

    def __init__(self, mcp_url: str) -> None:
        super().__init__(mcp_url, token_storage=MemoryStore())
        self.visited: list[str] = []

    async def redirect_handler(self, authorization_url: str) -> None:
        """Goes from page to page until one leads back to the client."""
        address: str = authorization_url
        async with httpx2.AsyncClient() as browser:
            page = await browser.get(address)
            for _ in range(_MOST_PAGES):
                self.visited.append(address)
                if "location" not in page.headers:
                    # The page on which the server asks whether this client may act for the person.
                    assert page.status_code == 200, page.text
                    answers: dict[str, Any] = {**dict(_FIELD.findall(page.text)), "action": "approve"}
                    root = "{0.scheme}://{0.netloc}".format(urlsplit(address))
                    page = await browser.post(address, data=answers, headers={"Origin": root})
                    continue
                address = urljoin(address, page.headers["location"])
                if "code=" in address and "/auth/callback" not in address:
                    return self._take(address)
                page = await browser.get(address)
        raise AssertionError(self.visited)

    async def callback_handler(self) -> AuthorizationCodeResult:
        """What the last page gave."""
        return self._result

    def _take(self, address: str) -> None:
        given = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        self._result = AuthorizationCodeResult(
            code=given["code"], state=given.get("state"), iss=given.get("iss")
        )
