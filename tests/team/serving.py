"""A served library over HTTP as a process, to which two people of one group sign in with tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastmcp import Client

from gpt_image_mcp.team.tokens import TokensFile
from tests.mcp_app.http_servers import OURS, Served, serve_by

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

LINK_KEY = "a key for tests that nobody else has"
PEOPLE = ("anna", "berta")


def serve_people(folder: Path, *before: str, **settings: str) -> AbstractContextManager[Served]:
    """Serves the sandbox to people from a folder, on a free port; ``before`` is what starts the program."""
    tokens = TokensFile(folder / "tokens.toml")
    for person in PEOPLE:
        kept = _token_of(person, folder)
        if not kept.exists():
            kept.write_text(tokens.add(person, groups=("art",))[0])
    served = {
        "GPT_IMAGE_AUTH": "tokens",
        "GPT_IMAGE_AUTH_TOKENS_FILE": str(tokens.path),
        "GPT_IMAGE_LINK_KEY": LINK_KEY,
    }
    return serve_by((*before, *OURS), folder, {**served, **settings})


def client_of(person: str, running: Served) -> Client[Any]:
    """A client of a person, not yet connected."""
    return Client(running.url, auth=_token_of(person, running.folder).read_text())


async def call(running: Served, tool: str, person: str = "anna", **arguments: Any) -> dict[str, Any]:
    """The structured content of a person's call."""
    async with client_of(person, running) as client:
        result = await client.call_tool(tool, arguments)
    found: dict[str, Any] = result.structured_content or {}
    return found


def _token_of(person: str, folder: Path) -> Path:
    return folder / f"token-of-{person}"
