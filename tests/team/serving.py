"""A served library over HTTP as a process, in which tokens of the test's own stand for people.

Run as a program it serves: ``python -m tests.team.serving``.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastmcp import Client
from fastmcp.server.auth.providers.jwt import StaticTokenVerifier

from gpt_image_mcp.mcp_app.http import serve_http
from gpt_image_mcp.server import mcp
from tests.mcp_app.http_servers import Served, serve_by

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

LINK_KEY = "a key for tests that nobody else has"
SERVED = {"GPT_IMAGE_AUTH": "tokens", "GPT_IMAGE_LINK_KEY": LINK_KEY}
ROOT = Path(__file__).parents[2]
PEOPLE = ("anna", "berta")


def serve_people(folder: Path, *before: str, **settings: str) -> AbstractContextManager[Served]:
    """Serves the sandbox to people from a folder, on a free port; ``before`` is what starts the program."""
    program = (*before, sys.executable, "-m", "tests.team.serving")
    return serve_by(program, folder, {"PYTHONPATH": str(ROOT), **SERVED, **settings})


def client_of(person: str, running: Served) -> Client[Any]:
    """A client of a person, not yet connected."""
    return Client(running.url, auth=f"token-of-{person}")


if __name__ == "__main__":
    tokens: dict[str, dict[str, Any]] = {
        f"token-of-{name}": {"client_id": name, "sub": name, "scopes": [], "groups": ["art"]}
        for name in PEOPLE
    }
    mcp.auth = StaticTokenVerifier(tokens)
    sys.exit(serve_http(mcp, host="127.0.0.1", port=0, path="/mcp"))
