"""The clients: where each keeps its servers, in which shape, and how it comes by the key.

Sources, read in November 2026: modelcontextprotocol.io/quickstart/user (Claude Desktop),
code.claude.com/docs/en/mcp, cursor.com/docs/mcp, docs.windsurf.com (Cascade, MCP),
code.visualstudio.com/docs/copilot/reference/mcp-configuration, geminicli.com/docs/tools/mcp-server,
developers.openai.com/codex/mcp, github.com/openai/codex/pull/5246, zed.dev/docs/ai/mcp.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import platformdirs

if TYPE_CHECKING:
    from collections.abc import Callable

ClientName: TypeAlias = Literal[
    "claude-desktop", "claude-code", "cursor", "vscode", "windsurf", "gemini-cli", "codex", "zed"
]
KEY_VARIABLE = "OPENAI_API_KEY"
KEY_PLACEHOLDER = "sk-..."
VSCODE_INPUT_ID = "openai-key"
VSCODE_INPUT = {
    "type": "promptString",
    "id": VSCODE_INPUT_ID,
    "description": "OpenAI API key",
    "password": True,
}
_PUT_THE_KEY = f"Replace {KEY_PLACEHOLDER} with your key."
_FROM_ENVIRONMENT = f"The key is taken from {KEY_VARIABLE} in the environment {{}} was started with."


@dataclass(frozen=True, slots=True, kw_only=True)
class Folders:
    """Where programs keep their settings.

    Attributes:
        platform: The system, as ``sys.platform`` names it.
        home: The user's home.
        settings: Where the system wants them: ``%APPDATA%``, ``~/Library/Application Support``,
            ``~/.config``.
    """

    platform: str
    home: Path
    settings: Path


def user_folders() -> Folders:
    """The folders of the user of this process."""
    return Folders(
        platform=sys.platform, home=Path.home(), settings=platformdirs.user_config_path(roaming=True)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """One MCP client.

    Attributes:
        file: Where its user's servers are; None where its own command writes them.
        servers_key: The member that holds them.
        key: What stands for the API key in a server's environment; empty where the client passes it on.
        key_note: How the key gets there, for the person.
        after: What to do for the change to take effect.
        needs_output_dir: Whether it starts servers in a folder that is no project.
    """

    title: str
    file: Callable[[Folders], Path] | None
    servers_key: str
    key: str
    key_note: str
    after: str
    needs_output_dir: bool = False


def _zed(folders: Folders) -> Path:
    if folders.platform == "darwin":
        return folders.home / ".config/zed/settings.json"
    return folders.settings / ("Zed" if folders.platform == "win32" else "zed") / "settings.json"


CLIENTS: dict[ClientName, Client] = {
    "claude-desktop": Client(
        title="Claude Desktop",
        file=lambda folders: folders.settings / "Claude" / "claude_desktop_config.json",
        servers_key="mcpServers",
        key=KEY_PLACEHOLDER,
        key_note=_PUT_THE_KEY,
        after="Quit Claude Desktop and start it again.",
        needs_output_dir=True,
    ),
    "claude-code": Client(
        title="Claude Code",
        file=None,
        servers_key="mcpServers",
        key=KEY_PLACEHOLDER,
        key_note=_PUT_THE_KEY,
        after="Run the command; claude mcp list then shows the server.",
    ),
    "cursor": Client(
        title="Cursor",
        file=lambda folders: folders.home / ".cursor/mcp.json",
        servers_key="mcpServers",
        key=f"${{env:{KEY_VARIABLE}}}",
        key_note=_FROM_ENVIRONMENT.format("Cursor"),
        after="Switch the server on in Cursor's settings, under MCP.",
    ),
    "vscode": Client(
        title="VS Code",
        file=lambda folders: folders.settings / "Code" / "User/mcp.json",
        servers_key="servers",
        key=f"${{input:{VSCODE_INPUT_ID}}}",
        key_note="VS Code asks for the key once and keeps it.",
        after="Run MCP: List Servers in VS Code and start gpt-image.",
    ),
    "windsurf": Client(
        title="Windsurf",
        file=lambda folders: folders.home / ".codeium/windsurf/mcp_config.json",
        servers_key="mcpServers",
        key=f"${{env:{KEY_VARIABLE}}}",
        key_note=_FROM_ENVIRONMENT.format("Windsurf"),
        after="Refresh the list of MCP servers in Cascade.",
    ),
    "gemini-cli": Client(
        title="Gemini CLI",
        file=lambda folders: folders.home / ".gemini/settings.json",
        servers_key="mcpServers",
        key=f"${KEY_VARIABLE}",
        key_note=_FROM_ENVIRONMENT.format("Gemini CLI"),
        after="Start Gemini CLI again; /mcp then shows the server.",
    ),
    "codex": Client(
        title="Codex",
        file=lambda folders: folders.home / ".codex/config.toml",
        servers_key="mcp_servers",
        key="",
        key_note=_FROM_ENVIRONMENT.format("Codex"),
        after="Start Codex again; /mcp then shows the server.",
    ),
    "zed": Client(
        title="Zed",
        file=_zed,
        servers_key="context_servers",
        key=KEY_PLACEHOLDER,
        key_note=_PUT_THE_KEY,
        after="Zed notices the change; its agent settings show the server.",
    ),
}
