"""The block of configuration that adds this server to a client."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias, TypedDict, cast

import platformdirs

from gpt_image_mcp.cli.client_config.clients import CLIENTS, KEY_VARIABLE, VSCODE_INPUT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gpt_image_mcp.cli.client_config.clients import Client, ClientName
    from gpt_image_mcp.cli.client_config.launching import Launch

SERVER_NAME = "gpt-image"
SANDBOX_VARIABLE = "GPT_IMAGE_SANDBOX"
OUTPUT_VARIABLE = "GPT_IMAGE_OUTPUT_DIR"
# Codex gives up after 10 s by default, and uvx may have to install first.
_CODEX_STARTUP_SECONDS = 60

Environment: TypeAlias = dict[str, str]


class Entry(TypedDict, total=False):
    """A server in a client's configuration file.

    Attributes:
        env_vars: Variables that Codex passes on from its own environment.
    """

    type: str
    command: str
    args: list[str]
    startup_timeout_sec: int
    env_vars: list[str]
    env: Environment


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """What is put into a client's configuration file.

    Attributes:
        entry: The server, complete.
        chosen: The variables that the person asked for just now; they replace those in the file.
    """

    name: ClientName
    entry: Entry
    chosen: Environment = field(default_factory=dict[str, str])

    @property
    def client(self) -> Client:
        """The client it is for."""
        return CLIENTS[self.name]

    @property
    def is_toml(self) -> bool:
        """Whether the client's file is TOML."""
        return self.name == "codex"

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
        """The block as it is pasted; for Claude Code, the command that does it."""
        if self.client.file is None:
            return _claude_command(self.entry)
        if self.is_toml:
            return _toml(self)
        servers = {self.client.servers_key: {SERVER_NAME: self.entry}}
        inputs = {"inputs": [VSCODE_INPUT]} if self.asks_for_key(self.entry.get("env")) else {}
        return json.dumps({**inputs, **servers}, indent=2, ensure_ascii=False)


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
    entry = _entry(name, launch, sandbox=sandbox)
    if environment:
        entry["env"] = environment
    return Block(name=name, entry=entry, chosen=chosen)


def _entry(name: ClientName, launch: Launch, *, sandbox: bool) -> Entry:
    entry = Entry(type="stdio") if name == "vscode" else Entry()
    entry["command"] = launch.command
    entry["args"] = list(launch.args)
    if name == "codex":
        entry["startup_timeout_sec"] = _CODEX_STARTUP_SECONDS
        if not sandbox:
            entry["env_vars"] = [KEY_VARIABLE]
    return entry


def _claude_command(entry: Entry) -> str:
    variables = [part for item in entry.get("env", {}).items() for part in ("--env", "=".join(item))]
    command = [entry.get("command", ""), *entry.get("args", [])]
    return shlex.join(["claude", "mcp", "add", "--scope", "user", SERVER_NAME, *variables, "--", *command])


def _toml(block: Block) -> str:
    import tomlkit

    servers = tomlkit.table(is_super_table=True)
    servers.add(SERVER_NAME, tomlkit.item(dict(block.entry)))
    document = tomlkit.document()
    document.add(block.client.servers_key, servers)
    return tomlkit.dumps(document).strip()
