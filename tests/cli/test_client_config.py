"""Setting up clients: the block each wants, merged into files that people wrote by hand."""

from __future__ import annotations

import json
import os
import re
import shlex
import stat
import sys
import sysconfig
import tomllib
from functools import partial
from pathlib import Path, PurePath
from typing import Any, get_args

import pytest
import tomlkit
import yaml

from gpt_image_mcp.cli.client_config.block_yaml import dumped
from gpt_image_mcp.cli.client_config.blocks import Block, make_block
from gpt_image_mcp.cli.client_config.clients import CLIENTS, ClientName, Folders, user_folders
from gpt_image_mcp.cli.client_config.jsonc import parse
from gpt_image_mcp.cli.client_config.launching import Launch, install_source, launch
from gpt_image_mcp.cli.client_config.merging import merged
from gpt_image_mcp.cli.client_config.writing import write_block
from gpt_image_mcp.errors import InvalidArgument, OutputRejected, StorageFailed

LAUNCH = Launch(command="uvx", args=("--from", "/a b/gpt", "gpt-image-mcp"))
WITH_FILES: tuple[ClientName, ...] = tuple(name for name, client in CLIENTS.items() if client.file)
WITH_COMMENTS: tuple[ClientName, ...] = ("vscode", "gemini-cli", "zed", "codex", "goose", "librechat")


def _read(name: ClientName, text: str) -> Any:
    """What the client reads, by another reader than the one that wrote it where there is one."""
    readers: dict[str, Any] = {"toml": tomllib.loads, "yaml": yaml.safe_load, "json": json.loads}
    return readers.get(CLIENTS[name].grammar, parse)(text)


def _dumped(name: ClientName, value: object) -> str:
    writers: dict[str, Any] = {"toml": tomlkit.dumps, "yaml": dumped}
    return str(writers.get(CLIENTS[name].grammar, json.dumps)(value))


def _command(name: ClientName) -> str:
    return CLIENTS[name].command_key


def _environment(name: ClientName) -> str:
    return CLIENTS[name].environment_key


def _server(name: ClientName, text: str) -> Any:
    return _read(name, text)[CLIENTS[name].servers_key]["gpt-image"]


# --- Where and what


@pytest.mark.parametrize(
    ("name", "linux", "mac", "windows"),
    [
        ("claude-desktop", *["{settings}/Claude/claude_desktop_config.json"] * 3),
        ("cursor", *["{home}/.cursor/mcp.json"] * 3),
        ("vscode", *["{settings}/Code/User/mcp.json"] * 3),
        ("windsurf", *["{home}/.codeium/windsurf/mcp_config.json"] * 3),
        ("gemini-cli", *["{home}/.gemini/settings.json"] * 3),
        ("codex", *["{home}/.codex/config.toml"] * 3),
        (
            "zed",
            "{settings}/zed/settings.json",
            "{home}/.config/zed/settings.json",
            "{settings}/Zed/settings.json",
        ),
        (
            "goose",
            "{settings}/goose/config.yaml",
            "{home}/.config/goose/config.yaml",
            "{settings}/Block/goose/config/config.yaml",
        ),
    ],
)
def test_each_client_keeps_its_servers_where_its_system_wants_them(
    name: ClientName, linux: str, mac: str, windows: str
) -> None:
    file = CLIENTS[name].file
    assert file is not None
    for platform, expected in (("linux", linux), ("darwin", mac), ("win32", windows)):
        folders = Folders(platform=platform, home=Path("/h"), settings=Path("/h/s"))
        assert file(folders) == PurePath(expected.format(home="/h", settings="/h/s"))


def test_the_folders_are_those_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = tmp_path / "settings"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(settings))
    folders = user_folders()
    assert folders == Folders(platform=sys.platform, home=tmp_path, settings=settings)


def test_every_client_is_known() -> None:
    assert tuple(CLIENTS) == get_args(ClientName)


@pytest.mark.parametrize("name", WITH_FILES)
def test_a_block_starts_the_server_and_holds_no_key(
    name: ClientName, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    block = make_block(name, LAUNCH)
    server = _server(name, block.text())
    assert (server[_command(name)], server["args"]) == ("uvx", ["--from", "/a b/gpt", "gpt-image-mcp"])
    assert "sk-secret" not in block.text()
    assert "OPENAI_API_KEY" in block.text()


def _shown(block: Block) -> str:
    """The block, or for a client that starts no servers the command line that it goes with."""
    return block.started_over_http() if block.name == "open-webui" else block.text()


@pytest.mark.parametrize("name", get_args(ClientName))
def test_a_sandbox_block_names_no_key(name: ClientName) -> None:
    text = _shown(make_block(name, LAUNCH, sandbox=True))
    assert "GPT_IMAGE_SANDBOX" in text
    assert "API_KEY" not in text
    assert "inputs" not in text


@pytest.mark.parametrize("name", get_args(ClientName))
def test_a_chosen_output_folder_is_in_every_block(name: ClientName) -> None:
    assert "/pictures/mine" in _shown(make_block(name, LAUNCH, output_dir="/pictures/mine"))


def test_only_claude_desktop_gets_a_folder_unasked() -> None:
    named = [name for name in CLIENTS if "GPT_IMAGE_OUTPUT_DIR" in make_block(name, LAUNCH).text()]
    assert named == ["claude-desktop"]
    folder = _server("claude-desktop", make_block("claude-desktop", LAUNCH).text())["env"][
        "GPT_IMAGE_OUTPUT_DIR"
    ]
    assert Path(folder).is_absolute()


def test_claude_code_gets_its_command() -> None:
    words = shlex.split(make_block("claude-code", LAUNCH).text())
    assert words[:6] == ["claude", "mcp", "add", "--scope", "user", "gpt-image"]
    assert words[words.index("--") + 1 :] == ["uvx", "--from", "/a b/gpt", "gpt-image-mcp"]


# --- How the server is started


@pytest.mark.parametrize(
    ("direct_url", "source"),
    [
        (None, "gpt-image-mcp-server"),
        ('{"url": "file:///work/my%20main", "dir_info": {"editable": true}}', "/work/my main"),
        (
            '{"url": "https://x.org/r", "vcs_info": {"vcs": "git", "commit_id": "ab12"}}',
            "git+https://x.org/r@ab12",
        ),
        ('{"url": "https://x.org/a.whl", "archive_info": {}}', "https://x.org/a.whl"),
    ],
)
def test_the_source_is_where_it_was_installed_from(direct_url: str | None, source: str) -> None:
    assert install_source(direct_url) == source


def test_uvx_is_named_with_its_path_where_there_is_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert launch("uvx").command == "uvx"
    (tmp_path / "uvx").write_text("#!/bin/sh\n")
    (tmp_path / "uvx").chmod(0o700)
    started = launch("uvx")
    assert started.command == str(tmp_path / "uvx")
    assert started.args[0] == "--from"
    assert started.args[2] == "gpt-image-mcp"


def test_path_names_the_installed_script(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # What sysconfig goes by, so that the scripts are looked for where the test puts one.
    monkeypatch.setattr(sysconfig, "get_path", partial(os.path.join, str(tmp_path)))
    with pytest.raises(InvalidArgument):
        launch("path")
    script = tmp_path / "scripts" / "gpt-image-mcp"
    script.parent.mkdir()
    script.write_text("")
    assert launch("path") == Launch(command=str(script))


# --- Merging


def _with_others(name: ClientName) -> str:
    if name == "codex":
        others = '[mcp_servers.other]\ncommand = "x"\n\n[profiles.a]\nb = [\n  1,\n]\n'
        return f'# mine\nmodel = "o5" # good\n\n{others}'
    if CLIENTS[name].grammar == "yaml":
        return f"# mine\n{CLIENTS[name].servers_key}:\n  # theirs\n  other:\n    cmd: x # y\nz: ''\n"
    servers = f'"{CLIENTS[name].servers_key}": {{"other": {{"command": "x"}}}}'
    comment, comma = "// mine" * (name in WITH_COMMENTS), "," * (CLIENTS[name].grammar == "jsonc")
    return f'{{\n  {comment}\n  "theme": 1,\n  {servers}{comma}\n}}\n'


@pytest.mark.parametrize("name", WITH_FILES)
def test_everything_else_in_the_file_stays(name: ClientName) -> None:
    before = _with_others(name)
    block = make_block(name, LAUNCH)
    after = merged(before, block)
    expected = _read(name, before)
    expected[CLIENTS[name].servers_key]["gpt-image"] = _server(name, block.text())
    found = _read(name, after)
    found.pop("inputs", None)
    assert found == {**expected, **CLIENTS[name].required}
    kept = [line.rstrip(",}") for line in before.splitlines()]
    assert [line for line in kept if line not in after] == []
    assert merged(after, block) == after


@pytest.mark.parametrize("name", WITH_FILES)
def test_an_empty_file_gets_the_block(name: ClientName) -> None:
    block = make_block(name, LAUNCH)
    for text in ("", " \n", "null"):
        if text != "null" or name != "codex":
            assert _read(name, merged(text, block)) == {**_read(name, block.text()), **CLIENTS[name].required}


@pytest.mark.parametrize("name", WITH_FILES)
def test_what_the_person_added_to_the_server_stays(name: ClientName) -> None:
    own = {"OPENAI_API_KEY": "sk-own", "MINE": "1"}
    server = {_command(name): "old", "timeout": 99, _environment(name): own}
    before = _dumped(name, {CLIENTS[name].servers_key: {"gpt-image": server}})
    after = merged(before, make_block(name, LAUNCH, output_dir="/new"))
    server = _server(name, after)
    assert server[_command(name)] == "uvx"
    assert server["timeout"] == 99
    assert server[_environment(name)] == {**own, "GPT_IMAGE_OUTPUT_DIR": "/new"}
    assert "inputs" not in _read(name, after)
    assert merged(after, make_block(name, LAUNCH, output_dir="/new")) == after


@pytest.mark.parametrize("name", WITH_FILES)
def test_the_sandbox_is_entered_and_left(name: ClientName) -> None:
    real, sandbox = make_block(name, LAUNCH), make_block(name, LAUNCH, sandbox=True)
    entered = merged(merged("", real), sandbox)
    assert _server(name, entered)[_environment(name)]["GPT_IMAGE_SANDBOX"] == "1"
    assert "OPENAI_API_KEY" not in entered or name not in {"codex", "goose", "vscode"}
    left = merged(entered, real)
    assert "GPT_IMAGE_SANDBOX" not in left
    assert merged(left, real) == left


def test_vs_code_asks_for_the_key_once() -> None:
    block = make_block("vscode", LAUNCH)
    before = '{"inputs": [{"id": "other", "type": "promptString"}], "servers": {}}'
    after = merged(merged(before, block), block)
    assert [item["id"] for item in _read("vscode", after)["inputs"]] == ["other", "openai-key"]


def test_codex_keeps_the_variables_it_passes_on() -> None:
    variables = '["HTTPS_PROXY", { name = "A", source = "local" }]'
    before = f'[mcp_servers.gpt-image]\ncommand = "x"\nenv_vars = {variables}\n'
    server = _server("codex", merged(before, make_block("codex", LAUNCH)))
    assert server["env_vars"] == ["HTTPS_PROXY", {"name": "A", "source": "local"}, "OPENAI_API_KEY"]


# What makes a server one that is reached over HTTP, by the clients' own pages.
HTTP_SERVERS: dict[ClientName, dict[str, object]] = {
    "claude-desktop": {"type": "http", "url": "http://127.0.0.1:8000/mcp"},
    "cursor": {"url": "http://127.0.0.1:8000/mcp", "headers": {"A": "b"}},
    "vscode": {"type": "http", "url": "http://127.0.0.1:8000/mcp", "headers": {"A": "b"}},
    "windsurf": {"serverUrl": "http://127.0.0.1:8000/mcp"},
    "gemini-cli": {"httpUrl": "http://127.0.0.1:8000/mcp", "headers": {"A": "b"}},
    "codex": {
        "url": "http://127.0.0.1:8000/mcp",
        "bearer_token_env_var": "TOKEN",
        "http_headers": {"A": "b"},
        "env_http_headers": {"A": "B"},
    },
    "zed": {"url": "http://127.0.0.1:8000/mcp", "headers": {"A": "b"}},
    "goose": {"type": "streamable_http", "uri": "http://127.0.0.1:8000/mcp", "headers": {"A": "b"}},
    "librechat": {"type": "streamable-http", "url": "http://127.0.0.1:8000/mcp", "headers": {"A": "b"}},
}


@pytest.mark.parametrize("name", WITH_FILES)
def test_a_server_that_was_reached_over_http_is_started_instead(name: ClientName) -> None:
    servers = {CLIENTS[name].servers_key: {"gpt-image": {**HTTP_SERVERS[name], "timeout": 9}}}
    before = _dumped(name, servers)
    block = make_block(name, LAUNCH)
    after = merged(before, block)
    assert _server(name, after) == {**_server(name, block.text()), "timeout": 9}
    assert merged(after, block) == after


def test_a_server_that_says_it_is_started_goes_on_saying_so() -> None:
    before = '{"mcpServers": {"gpt-image": {"type": "stdio", "command": "old"}}}'
    assert _server("cursor", merged(before, make_block("cursor", LAUNCH)))["type"] == "stdio"


def test_vs_code_does_not_ask_for_a_key_that_the_sandbox_does_not_need() -> None:
    entered = merged(merged("", make_block("vscode", LAUNCH)), make_block("vscode", LAUNCH, sandbox=True))
    assert "${input:openai-key}" not in entered


@pytest.mark.parametrize("name", WITH_FILES)
def test_a_key_of_ones_own_stays_through_the_sandbox(name: ClientName) -> None:
    real, sandbox = make_block(name, LAUNCH), make_block(name, LAUNCH, sandbox=True)
    environment = {"OPENAI_API_KEY": "sk-own"}
    own = {_command(name): "x", _environment(name): environment}
    before = _dumped(name, {CLIENTS[name].servers_key: {"gpt-image": own}})
    left = merged(merged(before, sandbox), real)
    assert _server(name, left)[_environment(name)] == {**real.environment, **environment}


@pytest.mark.parametrize("text", ["// mine", "// mine\n\n", "/* mine\n */", "# mine"])
def test_a_file_of_comments_only_gets_the_block(text: str) -> None:
    name: ClientName = "codex" if text.startswith("#") else "zed"
    block = make_block(name, LAUNCH)
    after = merged(text, block)
    assert after.startswith(text.rstrip())
    assert _read(name, after) == _read(name, block.text())


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("cursor", '{\n"mcpServers": {\n', "line 3"),
        ("cursor", '{"mcpServers": []}', "an object is expected"),
        ("goose", "extensions: [a]", "an object is expected"),
        ("goose", "extensions:\n\ta: 1", "cannot start any token: line 2"),
        ("goose", "a: 1\nextensions: {}\na: 2", "a name is there twice: line 3"),
        ("librechat", "{a: {b: 1}", "line 1"),
        ("librechat", "a: 1\n---\nb: 2\n", "line 2"),
        ("librechat", "version: 1\n...\n", "mcpServers is written in a way"),
        ("librechat", "a: 1\n...\n", "line 3"),
        ("cursor", '{"mcpServers": {"gpt-image": "x"}}', "an object is expected as gpt-image"),
        ("cursor", '{"mcpServers": {"gpt-image": {"env": 1}}}', "an object is expected as env"),
        ("cursor", "[]", "an object is expected"),
        ("vscode", '{"inputs": {}}', "a list is expected as inputs"),
        ("codex", "a = 1\nb = oops", "line 2"),
        ("codex", "mcp_servers = []", "an object is expected"),
        ("codex", 'mcp_servers = { other = { command = "x" } }', "mcp_servers is written in a way"),
    ],
)
def test_what_cannot_be_merged_into_is_refused(name: ClientName, text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        merged(text, make_block(name, LAUNCH))


# --- Writing


@pytest.mark.parametrize("name", WITH_FILES)
def test_the_old_file_is_kept_beside_the_new_one(name: ClientName, tmp_path: Path) -> None:
    path = tmp_path / "client.conf"
    path.write_text(_with_others(name))
    path.chmod(0o640)
    block = make_block(name, LAUNCH)
    report = write_block(path, block)
    assert report.changed
    assert report.backup is not None
    assert re.fullmatch(r"client\.conf\.bak-\d{8}-\d{6}", report.backup.name)
    assert report.backup.read_text() == _with_others(name)
    assert path.read_text() == merged(_with_others(name), block)
    assert {stat.S_IMODE(file.stat().st_mode) for file in (path, report.backup)} == {0o640}
    again = write_block(path, block)
    assert (again.changed, again.backup) == (False, None)
    assert set(tmp_path.iterdir()) >= {path, report.backup}
    assert len([file for file in tmp_path.iterdir() if file.is_file()]) == 2


def test_a_new_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    report = write_block(tmp_path / "made" / "mcp.json", make_block("cursor", LAUNCH))
    assert report.backup is None
    assert stat.S_IMODE(report.path.stat().st_mode) == 0o600


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "dotfiles.json").write_text("{}")
    link = tmp_path / "mcp.json"
    link.symlink_to("dotfiles.json")
    write_block(link, make_block("cursor", LAUNCH))
    assert link.is_symlink()
    assert "gpt-image" in (tmp_path / "dotfiles.json").read_text()


def test_changes_within_one_second_keep_every_old_file(tmp_path: Path) -> None:
    path = tmp_path / "mcp.json"
    path.write_text("{}")
    reports = [
        write_block(path, make_block("cursor", LAUNCH, output_dir=f"/{number}")) for number in range(4)
    ]
    backups = [report.backup for report in reports]
    assert len(set(backups)) == 4
    assert backups[0] is not None
    assert backups[0].read_text() == "{}"


@pytest.mark.parametrize(
    ("data", "reason"),
    [(b'{"mcpServers": ', "line 1"), ('{"\u00e9": 1}'.encode("latin-1"), "codec can.t decode")],
)
def test_a_malformed_file_is_left_alone(tmp_path: Path, data: bytes, reason: str) -> None:
    path = tmp_path / "mcp.json"
    path.write_bytes(data)
    with pytest.raises(OutputRejected, match=f"{re.escape(str(path))}.*{reason}"):
        write_block(path, make_block("cursor", LAUNCH))
    assert path.read_bytes() == data
    assert list(path.parent.glob("*.bak-*")) == []


def test_a_file_that_cannot_be_read_is_reported(tmp_path: Path) -> None:
    with pytest.raises(StorageFailed):
        write_block(tmp_path, make_block("cursor", LAUNCH))
