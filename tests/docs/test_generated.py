"""Generated pages: what they say is what the settings, the server and the commands are.

``UPDATE_DOCS=1 uv run pytest tests/docs`` writes them anew.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from tests.docs.commands_page import commands_reference
from tests.docs.pages import DOCS, MARK
from tests.docs.settings_page import settings_table
from tests.docs.tools_page import EXAMPLES, tools_reference

if TYPE_CHECKING:
    from fastmcp import Client


def _hold_to(name: str, generated: str) -> None:
    """Fails if a page does not say what was generated; writes it where that is asked for."""
    path = DOCS / name
    written, mark, kept = path.read_text(encoding="utf-8").partition(MARK)
    assert mark, f"{name} has no mark that says where the generated part begins"
    if os.environ.get("UPDATE_DOCS"):
        path.write_text(written + mark + generated, encoding="utf-8")
        return
    assert kept == generated, f"docs/{name} is out of date: UPDATE_DOCS=1 uv run pytest tests/docs"


def test_the_page_of_settings_shows_the_settings() -> None:
    _hold_to("settings.md", settings_table())


def test_the_page_of_the_command_line_shows_the_commands() -> None:
    _hold_to("command-line.md", commands_reference())


async def test_the_page_of_tools_shows_what_the_server_publishes(served_client: Client[Any]) -> None:
    published = {tool.name for tool in await served_client.list_tools()}
    assert set(EXAMPLES) == published, "each tool has an example in tests/docs/tools_page.py"
    _hold_to("tools.md", await tools_reference(served_client))
