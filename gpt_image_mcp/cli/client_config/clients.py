"""The clients: where each keeps its servers, in which grammar and shape, and how it comes by the key.

Sources, read in November 2026: modelcontextprotocol.io/quickstart/user (Claude Desktop),
code.claude.com/docs/en/mcp, cursor.com/docs/mcp, docs.windsurf.com (Cascade, MCP),
code.visualstudio.com/docs/copilot/reference/mcp-configuration, geminicli.com/docs/tools/mcp-server,
developers.openai.com/codex/mcp, github.com/openai/codex/pull/5246, zed.dev/docs/ai/mcp,
block.github.io/goose/docs/guides/config-files, docs.openwebui.com/features/mcp,
librechat.ai/docs/configuration/librechat_yaml/object_structure/mcp_servers. What no page tells:

- the packaged Claude Desktop of Windows has its own folder: github.com/anthropics/claude-code/issues/26073
- Cursor stops at a trailing comma: github.com/upstash/context7/issues/563
- Gemini CLI strips comments, then parses strictly: github.com/google-gemini/gemini-cli/issues/28206
- Goose loads no server while one of its ``env_keys`` is missing: github.com/aaif-goose/goose/issues/8969
- LibreChat requires ``version`` and reads ``${NAME}`` in ``env``: its package ``librechat-data-provider``
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import platformdirs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gpt_image_mcp.cli.client_config.jsonc import Dialect

ClientName: TypeAlias = Literal[
    "claude-desktop",
    "claude-code",
    "cursor",
    "vscode",
    "windsurf",
    "gemini-cli",
    "codex",
    "zed",
    "goose",
    "librechat",
    "open-webui",
]
SERVER_NAME = "gpt-image"
KEY_VARIABLE = "OPENAI_API_KEY"
KEY_PLACEHOLDER = "sk-..."
VSCODE_INPUT_ID = "openai-key"
VSCODE_INPUT = {
    "type": "promptString",
    "id": VSCODE_INPUT_ID,
    "description": "OpenAI API key",
    "password": True,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Folders:
    """Where programs keep their settings.

    Attributes:
        platform: The system, as ``sys.platform`` names it.
        home: The user's home.
        settings: Where the system wants them: ``%APPDATA%``, ``~/Library/Application Support``,
            ``~/.config``.
        local: ``%LOCALAPPDATA%``, below which packaged programs of Windows have theirs; None elsewhere.
    """

    platform: str
    home: Path
    settings: Path
    local: Path | None = None

    def xdg(self, folder: str, *, windows: str) -> Path:
        """The settings of a program that keeps to ``~/.config`` on macOS too."""
        if self.platform == "darwin":
            return self.home / ".config" / folder
        return self.settings / (windows if self.platform == "win32" else folder)


def user_folders() -> Folders:
    """The folders of the user of this process."""
    return Folders(
        platform=sys.platform,
        home=Path.home(),
        settings=platformdirs.user_config_path(roaming=True),
        local=_named_by("LOCALAPPDATA"),
    )


def _named_by(variable: str, below: str = "") -> Path | None:
    """The folder in a variable that is not ours, or one below it; None if it is not set."""
    value = os.path.expandvars(f"${variable}")
    return Path(value, below) if value not in {"", f"${variable}"} else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """One MCP client.

    Attributes:
        file: Where its user's servers are; None where they are in no file that another program may write.
        no_file: Why there is none, for the person.
        also: Other files that it reads instead in some installations, each if that is there.
        grammar: What it reads without complaint, and so what may be written.
        servers_key: The member that holds them.
        key: What stands for the API key in a server's environment; empty where the client passes it on.
        own_key_note: How the key gets there, where the client has a way of its own.
        after: What to do for the change to take effect.
        needs_output_dir: Whether it starts servers in a folder that is no project.
        command_key: Its name for the command, likewise of the environment and of the variables passed on.
        defaults: What a server has besides, unless the file says otherwise.
        required: What the file must have besides, or the client does not read it.
    """

    title: str
    file: Callable[[Folders], Path] | None = None
    no_file: str = ""
    also: Callable[[Folders], list[Path]] = lambda _: []
    grammar: Dialect | Literal["toml", "yaml"] = "json"
    servers_key: str = "mcpServers"
    key: str = ""
    own_key_note: str = ""
    after: str
    needs_output_dir: bool = False
    command_key: str = "command"
    environment_key: str = "env"
    passed_on_key: str = ""
    defaults: Mapping[str, object] = field(default_factory=dict[str, object])
    required: Mapping[str, object] = field(default_factory=dict[str, object])

    @property
    def key_note(self) -> str:
        """How the key gets there, for the person."""
        if self.key == KEY_PLACEHOLDER:
            return f"Replace {KEY_PLACEHOLDER} with your key."
        from_environment = (
            f"The key is taken from {KEY_VARIABLE} in the environment {self.title} was started with."
        )
        return self.own_key_note or from_environment


def _packaged_claude(folders: Folders) -> list[Path]:
    if folders.local is None:
        return []
    packages = sorted(folders.local.glob("Packages/Claude_*/LocalCache"))
    return [package / "Roaming/Claude/claude_desktop_config.json" for package in packages]


CLIENTS: dict[ClientName, Client] = {
    "claude-desktop": Client(
        title="Claude Desktop",
        file=lambda folders: folders.settings / "Claude" / "claude_desktop_config.json",
        also=_packaged_claude,
        key=KEY_PLACEHOLDER,
        after="Quit Claude Desktop and start it again.",
        needs_output_dir=True,
    ),
    "claude-code": Client(
        title="Claude Code",
        no_file="has its own command",
        key=KEY_PLACEHOLDER,
        after="Run what is printed, with --scope project for one project; claude mcp list then shows it.",
    ),
    "cursor": Client(
        title="Cursor",
        file=lambda folders: folders.home / ".cursor/mcp.json",
        key=f"${{env:{KEY_VARIABLE}}}",
        after="Switch the server on in Cursor's settings, under MCP.",
    ),
    "vscode": Client(
        title="VS Code",
        file=lambda folders: folders.settings / "Code" / "User/mcp.json",
        grammar="jsonc",
        servers_key="servers",
        key=f"${{input:{VSCODE_INPUT_ID}}}",
        own_key_note="VS Code asks for the key once and keeps it.",
        after="Run MCP: List Servers in VS Code and start gpt-image.",
        defaults={"type": "stdio"},
    ),
    "windsurf": Client(
        title="Windsurf",
        file=lambda folders: folders.home / ".codeium/windsurf/mcp_config.json",
        key=f"${{env:{KEY_VARIABLE}}}",
        after="Refresh the list of MCP servers in Cascade.",
    ),
    "gemini-cli": Client(
        title="Gemini CLI",
        file=lambda folders: (_named_by("GEMINI_CLI_HOME") or folders.home) / ".gemini/settings.json",
        grammar="json+comments",
        key=f"${KEY_VARIABLE}",
        after="Start Gemini CLI again; /mcp then shows the server.",
    ),
    "codex": Client(
        title="Codex",
        file=lambda folders: (_named_by("CODEX_HOME") or folders.home / ".codex") / "config.toml",
        grammar="toml",
        servers_key="mcp_servers",
        after="Start Codex again; /mcp then shows the server.",
        passed_on_key="env_vars",
        # Codex gives up after 10 s by default, and uvx may have to install first.
        defaults={"startup_timeout_sec": 60},
    ),
    "zed": Client(
        title="Zed",
        file=lambda folders: folders.xdg("zed", windows="Zed") / "settings.json",
        grammar="jsonc",
        servers_key="context_servers",
        key=KEY_PLACEHOLDER,
        after="Zed notices the change; its agent settings show the server.",
    ),
    "goose": Client(
        title="Goose",
        file=lambda folders: (
            (_named_by("GOOSE_PATH_ROOT", "config") or folders.xdg("goose", windows="Block/goose/config"))
            / "config.yaml"
        ),
        grammar="yaml",
        servers_key="extensions",
        own_key_note=f"Goose takes {KEY_VARIABLE} from its secrets or from its environment.",
        after="Start a new session in Goose.",
        command_key="cmd",
        environment_key="envs",
        passed_on_key="env_keys",
        defaults={
            "enabled": True,
            "type": "stdio",
            "name": SERVER_NAME,
            "description": "Makes and edits images with OpenAI's gpt-image models",
            "timeout": 300,
        },
    ),
    "librechat": Client(
        title="LibreChat",
        file=lambda _: Path("librechat.yaml").absolute(),
        grammar="yaml",
        key=f"${{{KEY_VARIABLE}}}",
        after="Start LibreChat again. In a container, the command must be there too.",
        # LibreChat waits 10 s for the start and 30 s for a result by default; ours may come after 40 s.
        defaults={"type": "stdio", "initTimeout": 60_000, "timeout": 60_000},
        required={"version": "1.3.1"},
    ),
    "open-webui": Client(
        title="Open WebUI",
        no_file="keeps its connections in its own database",
        own_key_note=f"The key is taken from {KEY_VARIABLE} in the environment of that command.",
        after="Import what is printed under Admin Settings, External Tools, +, and leave the server running:",
    ),
}
