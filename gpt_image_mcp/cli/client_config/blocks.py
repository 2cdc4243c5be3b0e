"""The block of configuration that adds this server to a client."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias, cast

import platformdirs

from gpt_image_mcp.cli.client_config.clients import CLIENTS, KEY_VARIABLE, SERVER_NAME, VSCODE_INPUT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gpt_image_mcp.cli.client_config.clients import Client, ClientName
    from gpt_image_mcp.cli.client_config.launching import Launch

SANDBOX_VARIABLE = "GPT_IMAGE_SANDBOX"
OUTPUT_VARIABLE = "GPT_IMAGE_OUTPUT_DIR"
# What Open WebUI's export of a connection holds, and so what its import and its TOOL_SERVER_CONNECTIONS take.
# Source: github.com/open-webui/open-webui, src/lib/components/AddToolServerModal.svelte. It speaks Streamable
# HTTP only.
_OPEN_WEBUI_CONNECTION = {
    "type": "mcp",
    "url": "http://127.0.0.1:8000/mcp",
    "path": "",
    "auth_type": "none",
    "key": "",
    "config": {"enable": True},
    "info": {"id": SERVER_NAME, "name": SERVER_NAME, "description": "Makes and edits images"},
}

Environment: TypeAlias = dict[str, str]
SettingsTree: TypeAlias = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """What is put into a client's configuration file.

    Attributes:
        launch: The command line that starts the server.
        environment: The variables that it is started with.
        chosen: Those that the person asked for just now; they replace those in the file.
    """

    name: ClientName
    launch: Launch
    environment: Environment = field(default_factory=dict[str, str])
    chosen: Environment = field(default_factory=dict[str, str])

    @property
    def client(self) -> Client:
        """The client it is for."""
        return CLIENTS[self.name]

    @property
    def passed_on(self) -> list[str]:
        """The variables that the client passes on from its own environment, or from its secrets."""
        return [KEY_VARIABLE] if self.client.passed_on_key and not self.is_sandbox else []

    @property
    def is_sandbox(self) -> bool:
        """Whether the person asked for the sandbox."""
        return SANDBOX_VARIABLE in self.chosen

    @property
    def command(self) -> SettingsTree:
        """The members that say what is started; they replace those in the file."""
        return {self.client.command_key: self.launch.command, "args": list(self.launch.args)}

    @property
    def entry(self) -> SettingsTree:
        """The server, complete."""
        passed_on = {self.client.passed_on_key: self.passed_on} if self.passed_on else {}
        environment = {self.client.environment_key: self.environment} if self.environment else {}
        return {**self.client.defaults, **self.command, **passed_on, **environment}

    def asks_for_key(self, environment: object) -> bool:
        """Whether VS Code must ask for the key that a server's environment names."""
        named = cast("Environment", environment).get(KEY_VARIABLE) if isinstance(environment, dict) else None
        return self.name == "vscode" and named == self.client.key

    def key_note(self, environment: Mapping[str, object]) -> str:
        """How the key gets to a server with these variables, for the person; empty in the sandbox."""
        if SANDBOX_VARIABLE in environment:
            return ""
        if environment.get(KEY_VARIABLE, "") == self.client.key:
            return self.client.key_note
        return "The key in the file stays."

    def text(self) -> str:
        """The block as it is pasted or imported; for Claude Code, the command that does it."""
        if self.name == "claude-code":
            return self._claude_command()
        if self.name == "open-webui":
            return json.dumps([_OPEN_WEBUI_CONNECTION], indent=2)
        servers: SettingsTree = {self.client.servers_key: {SERVER_NAME: self.entry}}
        if self.client.grammar == "toml":
            import tomlkit

            return tomlkit.dumps(servers).removeprefix(f"[{self.client.servers_key}]\n").strip()
        if self.client.grammar == "yaml":
            from gpt_image_mcp.cli.client_config import block_yaml

            return block_yaml.dumped(servers).strip()
        inputs = {"inputs": [VSCODE_INPUT]} if self.asks_for_key(self.environment) else {}
        return json.dumps({**inputs, **servers}, indent=2, ensure_ascii=False)

    def started_over_http(self) -> str:
        """The command line, for a shell, that serves a client which starts no servers itself."""
        variables = [f"{name}={shlex.quote(value)}" for name, value in self.environment.items()]
        command = shlex.join([self.launch.command, *self.launch.args, "serve", "--transport", "http"])
        return " ".join([*variables, command])

    def _claude_command(self) -> str:
        variables = [part for item in self.environment.items() for part in ("--env", "=".join(item))]
        command = [self.launch.command, *self.launch.args]
        return shlex.join(
            ["claude", "mcp", "add", "--scope", "user", SERVER_NAME, *variables, "--", *command]
        )


def make_block(name: ClientName, launch: Launch, *, sandbox: bool = False, output_dir: str = "") -> Block:
    """The block for a client.

    Args:
        name: Which client.
        launch: The command line that starts the server.
        sandbox: Start it in the sandbox, without a key.
        output_dir: Where images go; empty leaves it to the server where the client lets it.
    """
    client = CLIENTS[name]
    chosen: Environment = {SANDBOX_VARIABLE: "1"} if sandbox else {}
    chosen |= {OUTPUT_VARIABLE: output_dir} if output_dir else {}
    environment = dict(chosen)
    if client.key and not sandbox:
        environment[KEY_VARIABLE] = client.key
    if client.needs_output_dir and not output_dir:
        environment[OUTPUT_VARIABLE] = str(platformdirs.user_pictures_path() / SERVER_NAME)
    return Block(name=name, launch=launch, environment=environment, chosen=chosen)
