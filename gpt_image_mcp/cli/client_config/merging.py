"""Merges the block into the text of a client's configuration file; everything else stays unchanged."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, TypeAlias, cast

from gpt_image_mcp.cli.client_config import jsonc
from gpt_image_mcp.cli.client_config.blocks import SANDBOX_VARIABLE, SERVER_NAME
from gpt_image_mcp.cli.client_config.clients import KEY_VARIABLE, VSCODE_INPUT, VSCODE_INPUT_ID

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from gpt_image_mcp.cli.client_config.blocks import Block

SettingsTree: TypeAlias = dict[str, object]
# Members of servers that are reached over HTTP, in the spellings of all clients.
_HTTP_MEMBERS = frozenset(
    {"url", "serverUrl", "httpUrl", "headers", "bearer_token_env_var", "http_headers", "env_http_headers"}
)


class Unmergeable(ValueError):
    """The client could not read this text itself; the message says where and why."""


def merged(text: str, block: Block) -> str:
    """The text of a client's file with the block in it; unchanged if the block is there already.

    What the person added to the server stays: variables, a key put in place of the placeholder, a time limit.

    Raises:
        Unmergeable: If the text is malformed, or has something else in the place of the servers.
    """
    try:
        return _merged_toml(text, block) if block.is_toml else _merged_json(text, block)
    except jsonc.MalformedJson as error:
        raise Unmergeable(str(error)) from error
    except tomllib.TOMLDecodeError as error:
        raise Unmergeable(str(error)) from error


def environment_in(text: str, block: Block) -> SettingsTree:
    """The environment variables of the server in a text that ``merged`` returned."""
    root = tomllib.loads(text) if block.is_toml else jsonc.parse(text).value
    return _object(_at(root, [block.client.servers_key, SERVER_NAME, "env"]) or {}, "as env")


def _merged_json(text: str, block: Block) -> str:
    if jsonc.is_blank(text):
        text = f"{text.rstrip()}\n{{}}\n".lstrip()
    path = [block.client.servers_key, SERVER_NAME]
    existing = _at(jsonc.parse(text).value, path)
    entry = _combined(existing, block)
    if entry != existing:
        text = jsonc.with_member(text, path, entry)
    if block.asks_for_key(entry.get("env")) and not _asks_already(text):
        text = jsonc.with_item(text, ["inputs"], VSCODE_INPUT)
    return text


def _merged_toml(text: str, block: Block) -> str:
    import tomlkit

    path = [block.client.servers_key, SERVER_NAME]
    before = tomllib.loads(text)
    existing = _at(before, path)
    entry = _combined(existing, block)
    if entry == existing:
        return text
    if existing is None:
        changed = f"{text.rstrip()}\n\n{block.text()}\n".lstrip()
    else:
        document = tomlkit.parse(text)
        server = cast("MutableMapping[str, object]", _at(document, path))
        for name in server.keys() - entry.keys():
            del server[name]
        server.update({name: value for name, value in entry.items() if server.get(name) != value})
        changed = tomlkit.dumps(document)
    _require_only_added(before, changed, path, entry=entry)
    return changed


def _require_only_added(before: object, changed: str, path: list[str], *, entry: SettingsTree) -> None:
    """Checks the result by reading it: TOML can write tables in ways that do not allow additions.

    Raises:
        Unmergeable: If the result is malformed, or anything but the server has changed.
    """
    key, name = path
    expected = dict(cast("SettingsTree", before))
    expected[key] = {**cast("SettingsTree", expected.get(key, {})), name: entry}
    try:
        after = tomllib.loads(changed)
    except tomllib.TOMLDecodeError:
        after = None
    if after != expected:
        message = f"the table {key} is written in a way that no server can be added to"
        raise Unmergeable(message)


def _combined(existing: object, block: Block) -> SettingsTree:
    """The merged server: the block, and what the file had in addition.

    Raises:
        Unmergeable: If the file has something else than a server under its name.
    """
    wanted = cast("SettingsTree", block.entry)
    if existing is None:
        return wanted
    found = _object(existing, f"as {SERVER_NAME}")
    entry = {name: value for name, value in found.items() if not _is_for_http(name, value)} | wanted
    environment = _environment(found, block)
    if environment or "env" in found:
        entry["env"] = environment
    passed_on = found.get("env_vars")
    if isinstance(passed_on, list):
        names = cast("list[object]", passed_on)
        entry["env_vars"] = names + [name for name in block.entry.get("env_vars", []) if name not in names]
    return entry


def _is_for_http(name: str, value: object) -> bool:
    return name in _HTTP_MEMBERS or (name == "type" and value != "stdio")


def _environment(found: SettingsTree, block: Block) -> SettingsTree:
    """The merged variables: those of the block, then those of the file, then those chosen just now."""
    kept = dict(_object(found.get("env", {}), "as env"))
    kept.pop(SANDBOX_VARIABLE, None)
    # Else VS Code would keep asking for a key that the sandbox does not need.
    if SANDBOX_VARIABLE in block.chosen and kept.get(KEY_VARIABLE) == block.client.key:
        del kept[KEY_VARIABLE]
    return {**block.entry.get("env", {}), **kept, **block.chosen}


def _object(value: object, where: str) -> SettingsTree:
    """Returns the value, which must be an object.

    Raises:
        Unmergeable: If it is something else.
    """
    if not isinstance(value, dict):
        message = f"an object is expected {where}"
        raise Unmergeable(message)
    return cast("SettingsTree", value)


def _at(value: object, path: list[str]) -> object:
    """The value at a path of member names; None if there is none.

    Raises:
        Unmergeable: If a value on the path is not an object.
    """
    for name in path:
        if value is None:
            return None
        value = _object(value, f"around {name}").get(name)
    return value


def _asks_already(text: str) -> bool:
    inputs = _at(jsonc.parse(text).value, ["inputs"])
    found = cast("list[object]", inputs) if isinstance(inputs, list) else []
    return any(
        isinstance(item, dict) and cast("SettingsTree", item).get("id") == VSCODE_INPUT_ID for item in found
    )
