"""Merges the block into the text of a client's configuration file; everything else stays unchanged."""

from __future__ import annotations

import contextlib
import re
import tomllib
from typing import TYPE_CHECKING, cast

from gpt_image_mcp.cli.client_config import jsonc
from gpt_image_mcp.cli.client_config.blocks import SANDBOX_VARIABLE, SettingsTree
from gpt_image_mcp.cli.client_config.clients import KEY_VARIABLE, SERVER_NAME, VSCODE_INPUT, VSCODE_INPUT_ID

if TYPE_CHECKING:
    from collections.abc import Generator, MutableMapping

    from gpt_image_mcp.cli.client_config.blocks import Block

# Members of servers that are reached over HTTP, in the spellings of all clients.
_HTTP_MEMBERS = frozenset(
    {"url", "uri", "serverUrl", "httpUrl", "headers"}
    | {"bearer_token_env_var", "http_headers", "env_http_headers"}
)
# A key of TOML with hundreds of parts.
_DEEP_KEY = re.compile(
    r"""(?:^|[\[{,])[ \t]*+(?:(?:"[^"\n]*+"|'[^'\n]*+'|[\w-]++)[ \t]*+\.[ \t]*+){200}""", re.MULTILINE
)


def merged(text: str, block: Block) -> str:
    """The text of a client's file with the block in it; unchanged if the block is there already.

    What the person added to the server stays: variables, a key put in place of the placeholder, a time limit.
    The result was read as the client will, and differs from the text in what was added only.

    Raises:
        ValueError: If the client could not read the text itself, or something else is in the place of the
            servers; the message says where and why, and shows no value.
    """
    try:
        return _merged(text, block)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def environment_in(text: str, block: Block) -> SettingsTree:
    """The environment variables of the server in a text that ``merged`` returned."""
    key = block.client.environment_key
    return _object(_at(_read(text, block), [block.client.servers_key, SERVER_NAME, key]), f"as {key}")


def _merged(text: str, block: Block) -> str:
    before = _read(text, block)
    path = [block.client.servers_key, SERVER_NAME]
    entry = _combined(_at(before, path), block)
    servers = _object(before.get(path[0]), f"as {path[0]}")
    after = {**block.client.required, **before, path[0]: {**servers, SERVER_NAME: entry}}
    changed = text
    for place, value in _changes(before, after, []):
        changed = _with_member(changed, place, value, block=block)
    if block.asks_for_key(entry.get("env")) and not _asks_already(before):
        inputs = cast("list[object]", before.get("inputs") or [])
        after["inputs"] = [*inputs, VSCODE_INPUT]
        place, value = (["inputs", "-"], VSCODE_INPUT) if inputs else (["inputs"], after["inputs"])
        changed = jsonc.with_member(changed, place, value)
    if "\n" not in text.replace("\r\n", "") and "\r\n" in text:
        changed = re.sub(r"(?<!\r)\n", "\r\n", changed)
    with contextlib.suppress(ValueError):
        if _read(changed, block) == after:
            return changed
    raise ValueError(f"{path[0]} is written in a way that no server can be added to")


def _read(text: str, block: Block) -> SettingsTree:
    """What the client reads in a text; nothing counts as an empty object."""
    if (grammar := block.client.grammar) == "toml":
        if _DEEP_KEY.search(text):  # its reader makes a copy of the key for each part
            raise RecursionError
        return tomllib.loads(text)
    if grammar == "yaml":
        from gpt_image_mcp.cli.client_config import block_yaml

        value = block_yaml.parse(text)
    else:
        value = jsonc.parse(text, grammar)
    return _object(value, "at the top")


def _changes(old: object, new: object, path: list[str]) -> Generator[tuple[list[str], object]]:
    """The fewest members to set for one value to become another, so that what is beside them stays."""
    if isinstance(old, dict) and isinstance(new, dict) and old.keys() <= new.keys():
        for name, value in cast("SettingsTree", new).items():
            yield from _changes(cast("SettingsTree", old).get(name), value, [*path, name])
    elif old != new:
        yield path, new


def _with_member(text: str, path: list[str], value: object, *, block: Block) -> str:
    if block.client.grammar == "toml":
        return _with_toml_member(text, path, value, block=block)
    if block.client.grammar == "yaml":
        from gpt_image_mcp.cli.client_config import block_yaml

        return block_yaml.with_member(text, path, value)
    return jsonc.with_member(text, path, value)


def _with_toml_member(text: str, path: list[str], value: object, *, block: Block) -> str:
    import tomlkit

    document = tomlkit.parse(text)
    if _at(document, path[:2]) is None or not path[1:]:
        # A table of its own at the end fits any text that has no inline table in this place.
        return f"{text.rstrip()}\n\n{block.text()}\n".lstrip()
    cast("MutableMapping[str, object]", _at(document, path[:-1]))[path[-1]] = value
    return tomlkit.dumps(document)


def _combined(existing: object, block: Block) -> SettingsTree:
    """The merged server: the block, and what the file had in addition."""
    found = _object(existing, f"as {SERVER_NAME}")
    kept = {name: value for name, value in found.items() if not _is_for_http(name, value)}
    entry = {**block.entry, **kept, **block.command}
    environment = _environment(found, block)
    if environment or block.client.environment_key in found:
        entry[block.client.environment_key] = environment
    names = kept.get(block.client.passed_on_key)
    if isinstance(names, list):
        stay = [name for name in cast("list[object]", names) if name != KEY_VARIABLE or block.passed_on]
        entry[block.client.passed_on_key] = stay + [name for name in block.passed_on if name not in stay]
    return entry


def _is_for_http(name: str, value: object) -> bool:
    return name in _HTTP_MEMBERS or (name == "type" and value != "stdio")


def _environment(found: SettingsTree, block: Block) -> SettingsTree:
    """The merged variables: those of the block, then those of the file, then those chosen just now."""
    key = block.client.environment_key
    kept = dict(_object(found.get(key), f"as {key}"))
    kept.pop(SANDBOX_VARIABLE, None)
    # Else VS Code would keep asking for a key that the sandbox does not need.
    if block.is_sandbox and kept.get(KEY_VARIABLE) == block.client.key:
        del kept[KEY_VARIABLE]
    return {**block.environment, **kept, **block.chosen}


def _object(value: object, where: str) -> SettingsTree:
    """Returns the value, which must be an object; null counts as an empty one."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ValueError(f"an object is expected {where}")  # noqa: TRY004 - the text is wrong, no type
    return cast("SettingsTree", value)


def _at(value: object, path: list[str]) -> object:
    """The value at a path of member names, which must be of objects; None if there is none."""
    for name in path:
        if value is None:
            return None
        value = _object(value, f"around {name}").get(name)
    return value


def _asks_already(settings: SettingsTree) -> bool:
    found = settings.get("inputs", [])
    if not isinstance(found, list | None):
        raise ValueError("a list is expected as inputs")  # noqa: TRY004 - as above
    return any(
        isinstance(item, dict) and cast("SettingsTree", item).get("id") == VSCODE_INPUT_ID
        for item in cast("list[object]", found or [])
    )
