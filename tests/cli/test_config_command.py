"""Setting up clients: the command, and what it says to the person."""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from gpt_image_mcp.cli.app import run
from gpt_image_mcp.cli.client_config.clients import CLIENTS, ClientName, user_folders
from gpt_image_mcp.cli.client_config.jsonc import parse

JSON_CLIENTS: tuple[ClientName, ...] = ("claude-desktop", "cursor", "vscode", "windsurf", "gemini-cli", "zed")
WITH_FILES: tuple[ClientName, ...] = (*JSON_CLIENTS, "codex", "goose", "librechat")


def _server(name: ClientName, text: str) -> Any:
    readers: dict[str, Any] = {"toml": tomllib.loads, "yaml": yaml.safe_load}
    return readers.get(CLIENTS[name].grammar, parse)(text)[CLIENTS[name].servers_key]["gpt-image"]


def test_the_command_prints_the_block_and_where_it_goes(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["config", "claude-desktop"]) == 0
    shown = capsys.readouterr()
    assert list(json.loads(shown.out)) == ["mcpServers"]
    assert "claude_desktop_config.json" in shown.err
    assert "Replace sk-... with your key.\n" in shown.err
    assert not user_folders().settings.exists()


@pytest.mark.parametrize("name", WITH_FILES)
def test_the_command_writes_once(name: ClientName, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["config", name, "--write", "--sandbox", "--output-dir", "pictures"]) == 0
    path = Path(capsys.readouterr().out.strip())
    file = CLIENTS[name].file
    assert file is not None
    assert path == file(user_folders())
    server = _server(name, path.read_text(encoding="utf-8"))
    assert server[CLIENTS[name].environment_key] == {
        "GPT_IMAGE_SANDBOX": "1",
        "GPT_IMAGE_OUTPUT_DIR": str(Path.cwd() / "pictures"),
    }
    assert run(["config", name, "--write", "--sandbox", "--output-dir", "pictures"]) == 0
    assert "Nothing to change" in capsys.readouterr().err


def test_the_command_writes_to_a_file_of_choice(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "mcp.json").write_text("{}")
    assert run(["config", "vscode", "--write", "--file", "mcp.json"]) == 0
    assert capsys.readouterr().out == f"{project / 'mcp.json'}\n"
    assert "The old file is" in run_again(project, capsys)


def run_again(project: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """What the person reads when the same file gets another folder."""
    assert (
        run(["config", "vscode", "--write", "--file", str(project / "mcp.json"), "--output-dir", "/x"]) == 0
    )
    return capsys.readouterr().err


def test_claude_code_gets_a_command_to_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["config", "claude-code"]) == 0
    assert capsys.readouterr().out.startswith("claude mcp add --scope user gpt-image ")


@pytest.mark.parametrize("options", [("--write",), ("--file", "x.json"), ("--write", "--file", "x.json")])
def test_files_are_not_for_claude_code_which_writes_its_own(
    options: tuple[str, ...], project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["config", "claude-code", *options]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "its own command" in shown.err
    assert list(project.iterdir()) == []


def test_a_file_in_the_home_may_be_named_by_its_tilde(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["config", "cursor", "--write", "--file", "~/mine.json"]) == 0
    assert capsys.readouterr().out == f"{Path.home() / 'mine.json'}\n"
    assert "gpt-image" in (Path.home() / "mine.json").read_text()
    assert list(project.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "note"),
    [
        ("claude-desktop", "Replace sk-... with your key."),
        ("claude-code", "Replace sk-... with your key."),
        ("cursor", "The key is taken from OPENAI_API_KEY in the environment Cursor was started with."),
        ("vscode", "VS Code asks for the key once and keeps it."),
        ("codex", "The key is taken from OPENAI_API_KEY in the environment Codex was started with."),
    ],
)
def test_the_person_is_told_how_the_key_gets_there(
    name: ClientName, note: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["config", name]) == 0
    assert capsys.readouterr().err.endswith(f" {note}\n")
    assert run(["config", name, "--sandbox"]) == 0
    assert " key" not in capsys.readouterr().err


@pytest.mark.parametrize("name", JSON_CLIENTS)
def test_a_key_that_the_file_holds_is_not_asked_for_again(
    name: ClientName, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server = {"command": "old", "env": {"OPENAI_API_KEY": "sk-own"}}
    (project / "mcp.json").write_text(json.dumps({CLIENTS[name].servers_key: {"gpt-image": server}}))
    assert run(["config", name, "--write", "--file", "mcp.json"]) == 0
    assert capsys.readouterr().err.endswith(" The key in the file stays.\n")
    assert run(["config", name, "--write", "--file", "mcp.json"]) == 0
    assert "Nothing to change" in capsys.readouterr().err
    assert run(["config", name, "--write", "--file", "mcp.json", "--sandbox"]) == 0
    assert " key" not in capsys.readouterr().err


def test_a_key_that_is_still_missing_is_asked_for_again(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        assert run(["config", "zed", "--write"]) == 0
        assert capsys.readouterr().err.endswith(" Replace sk-... with your key.\n")


def test_a_missing_uvx_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for arguments in (["config", "cursor"], ["config", "claude-code"], ["config", "cursor", "--write"]):
        assert run(arguments) == 0
        assert "There is no uvx on the PATH" in (shown := capsys.readouterr().err)
        assert "--command path" in shown
    (tmp_path / "uvx").write_text("#!/bin/sh\n")
    (tmp_path / "uvx").chmod(0o700)
    assert run(["config", "cursor"]) == 0
    assert "PATH" not in capsys.readouterr().err


def test_a_malformed_file_fails_the_command(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "mcp.json").write_text("{\n  oops\n}")
    assert run(["config", "cursor", "--write", "--file", "mcp.json"]) == 1
    assert "line 2" in capsys.readouterr().err


def test_an_unknown_client_is_a_usage_error() -> None:
    assert run(["config", "notepad"]) == 2


def test_the_key_of_the_environment_is_in_no_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    for name in WITH_FILES:
        assert run(["config", name, "--write"]) == 0
    assert run(["config", "claude-code"]) == 0
    folders = (Path(os.environ["HOME"]), Path.cwd())
    written = [path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file()]
    assert len(written) == len(WITH_FILES)
    assert not any(b"sk-secret" in data for data in written)
    shown = capsys.readouterr()
    assert "sk-secret" not in shown.out + shown.err
