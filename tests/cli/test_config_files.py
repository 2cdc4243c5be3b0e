"""``config CLIENT --write`` on the files that people have, and as a real process on one of each kind."""

from __future__ import annotations

import io
import json
import os
import stat
import subprocess
import sys
import tomllib
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
import yaml

from gpt_image_mcp.cli.app import run
from gpt_image_mcp.cli.client_config.clients import CLIENTS, ClientName, user_folders

STRICT: tuple[ClientName, ...] = ("claude-desktop", "cursor", "windsurf")
WITH_FILES: tuple[ClientName, ...] = tuple(name for name, client in CLIENTS.items() if client.file)
BOM = b"\xef\xbb\xbf"


def _process(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gpt_image_mcp", "config", *arguments],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _config(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """The same command in this process, which is faster."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        for name, value in variables.items():
            patch.setenv(name, value)
        code = run(["config", *arguments])
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())


def _write(name: ClientName, path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return _config(name, "--write", "--file", str(path), *arguments)


def _read(name: ClientName, data: bytes) -> Any:
    """What a client reads in plain JSON, TOML or YAML, by a reader that is not ours."""
    readers: dict[str, Any] = {"toml": tomllib.loads, "yaml": yaml.safe_load}
    return readers.get(CLIENTS[name].grammar, json.loads)(data.decode())


def _backups(path: Path) -> list[Path]:
    return sorted(path.parent.glob(f"{path.name}.bak-*"))


def _refused(name: ClientName, path: Path, *reasons: str) -> None:
    """The command says why in one sentence, without a traceback, and leaves everything as it was."""
    before = sorted(path.parent.iterdir())
    done = _write(name, path)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    for reason in (str(path), *reasons):
        assert reason in done.stderr.replace("\n", " ")
    assert sorted(path.parent.iterdir()) == before


# --- As a process


def test_a_process_refuses_what_a_reader_of_strict_json_fails_on(project: Path) -> None:
    path = project / "config.json"
    for text, reason in (("{ // a\n}", "takes no comments"), ('{"mcpServers": {},}', "takes no comma")):
        path.write_text(text)
        done = _process("claude-desktop", "--write", "--file", str(path))
        assert (done.returncode, done.stdout) == (1, "")
        assert reason in done.stderr
        assert "Traceback" not in done.stderr
        assert path.read_text() == text
    assert _backups(path) == []


def test_a_process_takes_the_byte_order_mark_away_and_keeps_the_old_file(project: Path) -> None:
    path = project / "config.json"
    path.write_bytes(BOM + b'{"a": 1}')
    assert _process("claude-desktop", "--write", "--file", str(path)).returncode == 0
    assert list(json.loads(path.read_bytes().decode())) == ["a", "mcpServers"]
    assert [backup.read_bytes() for backup in _backups(path)] == [BOM + b'{"a": 1}']


@pytest.mark.parametrize("name", ["goose", "librechat"])
def test_a_process_sets_up_the_clients_that_read_yaml(name: ClientName) -> None:
    done = _process(name, "--write", OPENAI_API_KEY="sk-secret")
    assert done.returncode == 0
    written = Path(done.stdout.strip()).read_text()
    assert "gpt-image" in yaml.safe_load(written)[CLIENTS[name].servers_key]
    assert "sk-" not in written + done.stderr


def test_a_process_shows_what_open_webui_imports() -> None:
    done = _process("open-webui")
    assert json.loads(done.stdout)[0]["url"] == "http://127.0.0.1:8000/mcp"


# --- What each client reads


@pytest.mark.parametrize("name", STRICT)
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{\n  // mine\n  "mcpServers": {}\n}', "takes no comments: line 2"),
        ('{\n  "mcpServers": {} /* mine */\n}', "takes no comments: line 2"),
        ('{\n  "mcpServers": {},\n}', "no comma after the last value: line 2"),
        ('{"mcpServers": {"a": {"args": ["b",]}}}', "no comma after the last value: line 1"),
        ("# mine\n{}", "line 1"),
        ("{'mcpServers': {}}", "line 1"),
        ('{"a": NaN}', "NaN"),
    ],
)
def test_what_a_reader_of_strict_json_fails_on_is_refused(
    name: ClientName, text: str, reason: str, project: Path
) -> None:
    path = project / "config.json"
    path.write_text(text)
    _refused(name, path, reason)
    assert path.read_text() == text


def test_gemini_cli_takes_comments_and_no_comma_at_the_end(project: Path) -> None:
    path = project / "settings.json"
    path.write_text('{\n  // mine\n  "theme": "x"\n}\n')
    assert _write("gemini-cli", path).returncode == 0
    assert path.read_text().startswith('{\n  // mine\n  "theme": "x",\n  "mcpServers"')
    path.write_text('{\n  "theme": "x",\n}\n')
    _refused("gemini-cli", path, "no comma after the last value: line 2")


@pytest.mark.parametrize("name", ["vscode", "zed"])
def test_comments_and_layout_stay_where_the_client_takes_them(name: ClientName, project: Path) -> None:
    path, key = project / "settings.json", CLIENTS[name].servers_key
    path.write_text(f'// mine\n{{\n\t"{key}": {{\n\t\t"o": {{ "command" :"x", }}, // keep\n\t}},\n}}\n')
    before = path.read_text()
    assert _write(name, path).returncode == 0
    added = [line for line in path.read_text().splitlines() if line not in before.splitlines()]
    assert path.read_text().startswith(before.removesuffix("\t},\n}\n"))
    assert '\t\t"gpt-image": {' in added


@pytest.mark.parametrize("name", WITH_FILES)
@pytest.mark.parametrize("mark", [BOM, b""])
def test_a_byte_order_mark_goes_and_line_ends_stay(name: ClientName, mark: bytes, project: Path) -> None:
    path = project / "config"
    text = {"toml": b"a = 1\r\n", "yaml": b"a: 1\r\n"}.get(CLIENTS[name].grammar, b'{\r\n\t"a": 1\r\n}\r\n')
    path.write_bytes(mark + text)
    assert _write(name, path).returncode == 0
    written = path.read_bytes()
    assert _read(name, written)["a"] == 1
    assert written.count(b"\n") == written.count(b"\r\n") > 3
    assert [backup.read_bytes() for backup in _backups(path)] == [mark + text]


def test_a_byte_order_mark_goes_from_a_file_that_has_the_server_already(project: Path) -> None:
    path = project / "config.json"
    assert _write("claude-desktop", path).returncode == 0
    plain = path.read_bytes()
    path.write_bytes(BOM + plain)
    assert _write("claude-desktop", path).returncode == 0
    assert path.read_bytes() == plain


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_a_file_of_windows_powershell_is_written_as_the_client_reads_it(encoding: str, project: Path) -> None:
    path = project / "config.json"
    mark = "" if encoding == "utf-16" else "\ufeff"
    path.write_bytes(f'{mark}{{"theme": "größe 图"}}'.encode(encoding))
    assert _write("claude-desktop", path).returncode == 0
    assert _read("claude-desktop", path.read_bytes())["theme"] == "größe 图"


# --- Goose and LibreChat

GOOSE = """\
# Goose
GOOSE_PROVIDER:   openai   # the usual
extensions:
    # built in
    developer:
        enabled: true
        args: [ 'a',  "b" ]   # as they are
        text: >-
            folded
            text
    zeta:
        args:
        - ü
        - 図
# end
last: yes"""


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("end", ["", "\n", "\n\n# after\n"])
def test_goose_gets_its_extension_and_nothing_else_changes(newline: str, end: str, project: Path) -> None:
    path = project / "config.yaml"
    before = (GOOSE + end).replace("\n", newline).encode()
    path.write_bytes(before)
    assert _write("goose", path).returncode == 0
    after = path.read_bytes()
    assert set(before.splitlines(keepends=True)) <= set(after.splitlines(keepends=True))
    server = _read("goose", after)["extensions"].pop("gpt-image")
    assert (server["type"], server["enabled"], server["name"]) == ("stdio", True, "gpt-image")
    assert Path(server["cmd"]).name.startswith("uvx")
    assert server["args"][-1] == "gpt-image-mcp"
    assert server["env_keys"] == ["OPENAI_API_KEY"]
    assert b"sk-" not in after
    assert "Nothing to change" in _write("goose", path).stderr
    assert path.read_bytes() == after


def test_goose_keeps_what_the_person_said_of_the_server(project: Path) -> None:
    path = project / "config.yaml"
    path.write_text(
        "extensions:\n  gpt-image:\n    enabled: false # not now\n    cmd: old # was\n    args:\n    - x\n"
        "    timeout: 900\n    env_keys: [MINE]\n    envs:\n      # mine\n      A: '1'\n"
        "      OPENAI_API_KEY: sk-own\n"
        "  other: {cmd: y}\n"
    )
    assert _write("goose", path, "--output-dir", "/p").returncode == 0
    text = path.read_text()
    server = yaml.safe_load(text)["extensions"]["gpt-image"]
    assert (server["enabled"], server["timeout"]) == (False, 900)
    assert server["env_keys"] == ["MINE", "OPENAI_API_KEY"]
    assert server["envs"] == {"A": "1", "OPENAI_API_KEY": "sk-own", "GPT_IMAGE_OUTPUT_DIR": "/p"}
    assert {"enabled: false # not now", "# mine", "other: {cmd: y}"} <= {
        line.strip() for line in text.splitlines()
    }
    assert "# was" in text


def test_goose_needs_no_key_for_the_sandbox(project: Path) -> None:
    path = project / "config.yaml"
    for arguments, keys in (((), ["OPENAI_API_KEY"]), (("--sandbox",), []), ((), ["OPENAI_API_KEY"])):
        assert _write("goose", path, *arguments).returncode == 0
        assert yaml.safe_load(path.read_text())["extensions"]["gpt-image"]["env_keys"] == keys


@pytest.mark.parametrize(
    "text",
    [
        "extensions:",
        "extensions:\n",
        "extensions: {}\n",
        "extensions: ~ # none\na: 1\n",
        "{}",
        "null\n",
        "# x\n",
        "extensions: {a: {cmd: x}, }\n",
        "{extensions: {a: {cmd: x}}}",
        "{a: 1}",
        "---\na: 1\n",
        '"extensions":\n',
    ],
)
def test_goose_files_of_every_layout_get_the_server(text: str, project: Path) -> None:
    path = project / "config.yaml"
    path.write_text(text)
    before: Any = yaml.safe_load(text) or {}
    done = _write("goose", path)
    assert done.returncode == 0, done.stderr
    after = yaml.safe_load(path.read_text())
    assert after["extensions"].pop("gpt-image")["type"] == "stdio"
    assert after == {**before, "extensions": before.get("extensions") or {}}


_LAUGHS = "a0: &a0 1\n" + "".join(f"a{n}: &a{n} [{f'*a{n - 1}, ' * 3}]\n" for n in range(1, 25))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("extensions:\n  a: 1\nextensions:\n  b: 1\n", "a name is there twice: line 3"),
        ("extensions:\n\ta: 1\n", "line 2"),
        ("- a\n", "an object is expected"),
        ("extensions: text\n", "an object is expected"),
        ("a: [" * 3000, "nested too deeply"),
        (_LAUGHS, "its aliases stand for too many values"),
        ("a: 'sk-proj-open", "line 1"),
        ("a: \x07\n", "characters"),
    ],
)
def test_yaml_that_the_client_could_not_read_is_refused(text: str, reason: str, project: Path) -> None:
    path = project / "config.yaml"
    path.write_text(text)
    _refused("goose", path, reason)
    assert path.read_text() == text


def test_yaml_with_aliases_of_aliases_and_of_itself_is_kept(project: Path) -> None:
    path = project / "config.yaml"
    text = "a: &a {x: 1}\nb: &b {y: *a, z: *a}\nc: &c [*b, *b]\n"
    path.write_text(text)
    assert _write("goose", path).returncode == 0
    assert path.read_text().startswith(text)
    path.write_text("a: &a [*a]\n")
    _refused("goose", path, "")


@pytest.mark.parametrize(
    "key", [".".join("a" * 20_000), "a = {" + ".".join("a" * 300), " . ".join(['"a b"'] * 300)]
)
def test_a_toml_key_of_hundreds_of_parts_is_refused(key: str, project: Path) -> None:
    path = project / "config.toml"
    path.write_text(f"{key} = 1\n")
    _refused("codex", path, "nested too deeply")


def test_toml_with_texts_full_of_dots_is_kept(project: Path) -> None:
    path = project / "config.toml"
    text = f"a = '{'.' * 500}'\nb = '{'word. ' * 500}'\n{'.'.join('c' * 50)} = 1\n"
    path.write_text(text)
    assert _write("codex", path).returncode == 0
    assert path.read_text().startswith(text)


def test_librechat_gets_a_file_that_its_schema_takes(project: Path) -> None:
    done = _config("librechat", "--write", OPENAI_API_KEY="sk-secret")
    assert done.stdout == f"{project / 'librechat.yaml'}\n"
    written = yaml.safe_load((project / "librechat.yaml").read_text())
    assert isinstance(written["version"], str)
    server = written["mcpServers"]["gpt-image"]
    assert server["type"] == "stdio"
    assert server["env"] == {"OPENAI_API_KEY": "${OPENAI_API_KEY}"}
    # Longer than the 40 s after which a call that still draws is answered.
    assert server["timeout"] >= 60_000


def test_librechat_keeps_its_version_and_its_servers(project: Path) -> None:
    path = project / "librechat.yaml"
    before = "version: 1.2.1\nmcpServers:\n  # remote\n  other:\n    url: 'http://x/mcp'\n"
    path.write_text(before)
    assert _config("librechat", "--write").returncode == 0
    assert [line for line in before.splitlines() if line not in path.read_text().splitlines()] == []
    assert yaml.safe_load(path.read_text())["version"] == "1.2.1"


# --- Open WebUI


def test_open_webui_gets_a_connection_to_import_and_the_command_that_serves_it() -> None:
    done = _config("open-webui", "--sandbox")
    (connection,) = json.loads(done.stdout)
    assert (connection["type"], connection["url"]) == ("mcp", "http://127.0.0.1:8000/mcp")
    assert connection["key"] == ""
    assert connection["info"]["id"] == "gpt-image"
    said = " ".join(done.stderr.split())
    assert "GPT_IMAGE_SANDBOX=1" in said
    assert "serve --transport http" in said


@pytest.mark.parametrize("arguments", [("--write",), ("--file", "x.json")])
def test_open_webui_has_no_file(arguments: tuple[str, ...], project: Path) -> None:
    done = _config("open-webui", *arguments)
    assert done.returncode == 2
    assert "its own database" in done.stderr
    assert list(project.iterdir()) == []


# --- Where


def test_claude_desktop_is_set_up_in_its_packaged_folder_too(tmp_path: Path) -> None:
    local = tmp_path / "AppData" / "Local"
    for name in ("Claude_pzs8sxrjxfjjc", "Claude_other", "Unrelated_Claude_x", "Claude_empty"):
        (local / "Packages" / name).mkdir(parents=True)
        if name != "Claude_empty":
            (local / "Packages" / name / "LocalCache" / "Roaming" / "Claude").mkdir(parents=True)
    packaged = [
        local / "Packages" / name / "LocalCache/Roaming/Claude/claude_desktop_config.json"
        for name in ("Claude_other", "Claude_pzs8sxrjxfjjc")
    ]
    packaged[0].write_text('{"theirs": 1}')
    done = _process("claude-desktop", "--write", LOCALAPPDATA=str(local))
    usual = user_folders().settings / "Claude/claude_desktop_config.json"
    assert [Path(line) for line in done.stdout.splitlines()] == [usual, *packaged]
    for path in (usual, *packaged):
        assert "gpt-image" in json.loads(path.read_text())["mcpServers"]
    assert json.loads(packaged[0].read_text())["theirs"] == 1
    assert list(local.rglob("*.json")) == packaged or sorted(local.rglob("*.json")) == sorted(packaged)


@pytest.mark.parametrize(
    ("name", "variable", "file"),
    [
        ("codex", "CODEX_HOME", "config.toml"),
        ("gemini-cli", "GEMINI_CLI_HOME", ".gemini/settings.json"),
        ("goose", "GOOSE_PATH_ROOT", "config/config.yaml"),
        ("goose", "XDG_CONFIG_HOME", "goose/config.yaml"),
        ("zed", "XDG_CONFIG_HOME", "zed/settings.json"),
    ],
)
def test_the_folder_that_a_client_was_moved_to_is_used(
    name: ClientName, variable: str, file: str, tmp_path: Path
) -> None:
    done = _config(name, "--write", **{variable: str(tmp_path / "moved")})
    assert done.stdout == f"{tmp_path / 'moved' / file}\n"
    assert "gpt-image" in (tmp_path / "moved" / file).read_text()
    usual = _config(name, "--write", **({variable: ""} if "XDG" not in variable else {}))
    assert str(tmp_path / "home") in usual.stdout


# --- Odd files


@pytest.mark.parametrize("name", WITH_FILES)
@pytest.mark.parametrize("text", ["", "\n\n", "null"])
def test_a_file_without_a_value_gets_the_server(name: ClientName, text: str, project: Path) -> None:
    path = project / "config"
    path.write_text(text if name != "codex" else text.replace("null", ""))
    assert _write(name, path).returncode == 0
    assert list(_read(name, path.read_bytes())[CLIENTS[name].servers_key]) == ["gpt-image"]


@pytest.mark.parametrize(
    "text", ["[]", "1", '"x"', '{"mcpServers": []}', '{"mcpServers": "x"}', "[" * 100_000]
)
def test_a_file_with_something_else_in_the_place_is_refused(text: str, project: Path) -> None:
    path = project / "config.json"
    path.write_text(text)
    _refused("claude-desktop", path)
    assert path.read_text() == text


def test_a_file_of_gigabytes_is_refused_unread(project: Path) -> None:
    path = project / "config.json"
    with path.open("wb") as stream:
        stream.truncate(3_000_000_000)
    _refused("cursor", path)
    assert path.stat().st_size == 3_000_000_000


@pytest.mark.parametrize("text", ['{"mcpServers": null}', '{"mcpServers": {"gpt-image": null}}'])
def test_null_in_the_place_is_filled(text: str, project: Path) -> None:
    path = project / "config.json"
    path.write_text(text)
    assert _write("cursor", path).returncode == 0
    assert "command" in json.loads(path.read_text())["mcpServers"]["gpt-image"]


def test_of_a_name_that_is_there_twice_the_one_counts_that_the_client_reads(project: Path) -> None:
    path = project / "config.json"
    path.write_text('{"mcpServers": {"a": {}}, "mcpServers": {"b": {}}}')
    assert _write("cursor", path).returncode == 0
    assert sorted(json.loads(path.read_text())["mcpServers"]) == ["b", "gpt-image"]
    assert path.read_text().startswith('{"mcpServers": {"a": {}}, "mcpServers": {"b": {},')


def test_a_key_without_quotation_marks_is_not_shown(project: Path) -> None:
    for name, text in (
        ("cursor", '{"mcpServers": {"a": {"env": {"K": sk-secret123}}}}'),
        ("codex", "[mcp_servers.a.env]\nK = sk-secret123\n"),
        ("goose", "extensions:\n  a: {K: 'x' sk-secret123}\n"),
        ("goose", "K: *sk-secret123\n"),
    ):
        path = project / "config"
        path.write_text(text)
        done = _config(name, "--write", "--file", str(path))
        assert done.returncode == 1
        assert "secret123" not in done.stdout + done.stderr


def test_other_servers_keep_every_byte(project: Path) -> None:
    path = project / "config.json"
    other = '"other" :{"command":"x",  "args":[ "ü" ,"\\u00fc" ], "n": 1.50e3 }'
    path.write_text('{"mcpServers":{' + other + "}}", encoding="utf-8")
    assert _write("windsurf", path).returncode == 0
    assert other in path.read_text(encoding="utf-8")
    assert not path.read_bytes().endswith(b"\n")


def test_a_comment_within_the_server_stays(project: Path) -> None:
    path = project / "settings.json"
    path.write_text(
        '{"context_servers": {"gpt-image": {\n  "command": "old", // was\n'
        '  "env": {\n    // mine\n    "A": "1"\n  }\n}}}'
    )
    assert _write("zed", path).returncode == 0
    assert "// was" in path.read_text()
    assert "// mine" in path.read_text()


def test_codex_files_keep_their_comments(project: Path) -> None:
    path = project / "config.toml"
    before = (
        '# mine\nmodel = "o5" # good\n[mcp_servers.gpt-image]\ncommand = "old" # was\n'
        '[mcp_servers.gpt-image.env]\nA = "1" # one\n\n[mcp_servers.z]\ncommand="y"\n'
    )
    path.write_bytes(before.replace("\n", "\r\n").encode())
    assert _write("codex", path, "--output-dir", "/p").returncode == 0
    written = path.read_bytes()
    assert written.count(b"\n") == written.count(b"\r\n")
    for kept in (b"# mine\r\n", b"# was\r\n", b'A = "1" # one\r\n', b'[mcp_servers.z]\r\ncommand="y"\r\n'):
        assert kept in written
    assert tomllib.loads(written.decode())["mcp_servers"]["gpt-image"]["env"]["GPT_IMAGE_OUTPUT_DIR"] == "/p"


@pytest.mark.parametrize("mode", [0o400, 0o444])
def test_a_read_only_file_is_left_alone(mode: int, project: Path) -> None:
    path = project / "config.json"
    path.write_text("{}")
    path.chmod(mode)
    _refused("cursor", path, "it is read-only")
    assert path.read_text() == "{}"


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664])
def test_permissions_stay_and_so_does_the_backup(mode: int, project: Path) -> None:
    path = project / "config.json"
    path.write_text('{"a": "sk-own"}')
    path.chmod(mode)
    assert _write("cursor", path).returncode == 0
    (backup,) = _backups(path)
    assert backup.read_text() == '{"a": "sk-own"}'
    assert {stat.S_IMODE(file.stat().st_mode) for file in (path, backup)} == {mode}


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may give files away")
def test_the_owner_of_a_file_stays_its_owner(project: Path) -> None:
    path = project / "config.json"
    path.write_text("{}")
    os.chown(path, 12345, 54321)
    assert _write("cursor", path).returncode == 0
    assert "gpt-image" in path.read_text()
    for file in (path, *_backups(path)):
        assert (file.stat().st_uid, file.stat().st_gid) == (12345, 54321)


def test_a_dangling_link_gets_its_target(project: Path) -> None:
    path = project / "mcp.json"
    path.symlink_to("dotfiles/mcp.json")
    assert _write("cursor", path).returncode == 0
    assert path.is_symlink()
    assert "gpt-image" in (project / "dotfiles/mcp.json").read_text()


def test_the_target_of_a_link_is_written(project: Path) -> None:
    (project / "dotfiles").mkdir()
    target, path = project / "dotfiles" / "real.json", project / "mcp.json"
    target.write_text("{}")
    path.symlink_to(target)
    assert _write("cursor", path).stdout == f"{target}\n"
    assert path.is_symlink()
    assert len(_backups(target)) == 1


def test_links_that_lead_in_a_circle_are_refused(project: Path) -> None:
    path = project / "a.json"
    path.symlink_to("b.json")
    (project / "b.json").symlink_to("a.json")
    _refused("cursor", path)
    assert path.is_symlink()


@pytest.mark.parametrize("kind", ["folder", "pipe", "file as its folder"])
def test_what_is_no_file_is_refused(kind: str, project: Path) -> None:
    path = project / "mcp.json"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.write_text("")
        path /= "mcp.json"
        assert _write("cursor", path).returncode == 1
        return
    _refused("cursor", path, "it is no regular file")


def test_missing_folders_are_made(project: Path) -> None:
    path = project / "a" / "ü" / "mcp.json"
    assert _write("cursor", path).returncode == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_of_megabytes_is_merged_into(project: Path) -> None:
    path = project / "config.json"
    chats = [{"id": number, "text": "x" * 200} for number in range(20_000)]
    path.write_text(json.dumps({"chats": chats, "mcpServers": {"other": {"command": "x"}}}))
    assert _write("claude-desktop", path).returncode == 0
    written = json.loads(path.read_text())
    assert written["chats"] == chats
    assert list(written["mcpServers"]) == ["other", "gpt-image"]


def test_processes_that_write_at_once_leave_a_whole_file(project: Path) -> None:
    path = project / "mcp.json"
    path.write_text('{"mcpServers": {"other": {"command": "x"}}}')
    command = [sys.executable, "-m", "gpt_image_mcp", "config", "cursor", "--write", "--file", str(path)]
    running = [
        subprocess.Popen(
            [*command, "--output-dir", f"/{number}"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for number in range(6)
    ]
    said = [process.communicate(timeout=60) for process in running]
    assert [process.returncode for process in running] == [0] * 6, said
    servers = json.loads(path.read_text())["mcpServers"]
    assert servers["other"] == {"command": "x"}
    assert servers["gpt-image"]["env"]["GPT_IMAGE_OUTPUT_DIR"] in {f"/{number}" for number in range(6)}
    for backup in _backups(path):
        assert "other" in json.loads(backup.read_text())["mcpServers"]
    assert [file for file in project.iterdir() if file.name.endswith(".part")] == []


@pytest.mark.parametrize("name", WITH_FILES)
def test_the_key_of_the_environment_is_nowhere(name: ClientName, project: Path) -> None:
    path = project / "config"
    for arguments in (("--write", "--file", str(path)), ()):
        done = _config(name, *arguments, OPENAI_API_KEY="sk-secret123")
        assert "secret123" not in done.stdout + done.stderr + path.read_text()
    assert not _backups(path)
