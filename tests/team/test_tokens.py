"""Tokens of our own: the command that makes them, the file, and a server that takes them while it changes."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from gpt_image_mcp.cli.app import run
from gpt_image_mcp.settings import Settings
from gpt_image_mcp.team.tokens import TokensFile, tokens_file
from tests.mcp_app.http_servers import Served, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
Shown = pytest.CaptureFixture[str]


def _add(capsys: Shown, *arguments: str) -> str:
    """What the command prints on stdout."""
    assert run(["token", "add", *arguments]) == 0
    return capsys.readouterr().out.strip()


def test_a_token_is_printed_alone_and_once_and_the_file_has_its_hash(capsys: Shown) -> None:
    assert run(["token", "add", "anna@example.com", "--groups", "design, ops"]) == 0
    shown = capsys.readouterr()
    token, file = shown.out.strip(), tokens_file(Settings())
    assert len(token) >= 43
    assert token not in shown.err
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert token not in file.path.read_text()
    (stored,) = file.read()
    assert stored.sha256 == hashlib.sha256(token.encode()).hexdigest()
    assert (stored.name, stored.groups) == ("anna@example.com", ("design", "ops"))
    assert stored.scopes == ("images:read", "images:spend")
    assert stored.ends is not None
    assert stored.ends - stored.made == timedelta(days=365)
    assert run(["token", "list"]) == 0
    shown = capsys.readouterr()
    assert stored.id in shown.out
    assert token not in shown.out + shown.err


def test_a_token_that_has_ended_is_listed_as_ended(capsys: Shown) -> None:
    _add(capsys, "anna", "--days", "1")
    file = tokens_file(Settings()).path
    file.write_text(re.sub(r"ends = .*", "ends = 2026-11-01T09:30:00Z", file.read_text()))
    _add(capsys, "berta", "--days", "1")
    assert run(["token", "list"]) == 0
    old, new = capsys.readouterr().out.splitlines()
    assert old.endswith("  ended 2026-11-01 09:30 UTC")
    assert "  ends 20" in new


@pytest.mark.parametrize("days", ["0.5", "1.9", "-0.5"])
def test_a_part_of_a_day_is_refused_and_makes_no_token(capsys: Shown, days: str) -> None:
    assert run(["token", "add", "anna", "--days", days]) == 2
    assert f"--days is {days}, which is no whole number." in capsys.readouterr().err
    assert tokens_file(Settings()).read() == []


def test_a_person_has_two_tokens_until_one_is_revoked(capsys: Shown) -> None:
    old, new = (json.loads(_add(capsys, "anna", "--days", days, "--json")) for days in ("1", "0"))
    assert new["ends"] is None
    assert run(["token", "revoke", "anna", "--id", old["id"]]) == 0
    assert [token.id for token in tokens_file(Settings()).read()] == [new["id"]]
    assert run(["token", "revoke", "anna"]) == 0
    assert tokens_file(Settings()).read() == []
    capsys.readouterr()
    assert run(["token", "revoke", "anna"]) == 1
    assert "not_found" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("",), 1),
        ((" anna",), 1),
        (("an\nna",), 1),
        (("an\u202ena",), 1),
        (("a" * 256,), 1),
        (("anna", "--scopes", "images:red"), 1),
        (("anna", "--groups", "a\tb"), 1),
        (("anna", "--days=-1"), 2),
        (("anna", "--days", "soon"), 2),
        (("anna", "--days", "36501"), 2),
        ((), 2),
    ],
)
def test_what_names_nobody_or_nothing_makes_no_token(
    arguments: tuple[str, ...], code: int, capsys: Shown
) -> None:
    assert run(["token", "add", *arguments]) == code
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "Next: " in shown.err
    assert not tokens_file(Settings()).path.exists()


def test_a_damaged_file_is_not_written_over(capsys: Shown) -> None:
    path = tokens_file(Settings()).path
    path.parent.mkdir(parents=True)
    path.write_text("[[token]]\nname = 'anna'\n")
    path.chmod(0o600)
    assert run(["token", "add", "ben"]) == 1
    assert run(["token", "revoke", "anna"]) == 1
    assert path.read_text() == "[[token]]\nname = 'anna'\n"
    assert "token.0.sha256" in capsys.readouterr().err


def test_a_file_that_cannot_be_written_is_said(monkeypatch: pytest.MonkeyPatch, capsys: Shown) -> None:
    monkeypatch.setenv("GPT_IMAGE_AUTH_TOKENS_FILE", "/proc/nothing/tokens.toml")
    assert run(["token", "add", "anna"]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "storage_failed" in shown.err
    assert "GPT_IMAGE_AUTH_TOKENS_FILE" in shown.err


class Server:
    """A server with a file of tokens that a test changes."""

    def __init__(self, served: Served, path: Path) -> None:
        self.served, self.path = served, path
        self.file = TokensFile(path)

    def asked(self, token: str) -> int:
        """The status of a request with a token."""
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json, text/event-stream"}
        return httpx2.post(self.served.url, json=PING, headers=headers).status_code

    def rewrite(self, **changed: Any) -> str:
        """Puts one token into the file, with other values."""
        self.path.unlink(missing_ok=True)
        token, _ = self.file.add("anna")
        for name, value in changed.items():
            text = "".join(
                line for line in self.path.read_text().splitlines(keepends=True) if name not in line
            )
            self.path.write_text(text.rstrip("\n") + f"\n{name} = {value}\n")
        return token


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    path = folder / "secrets" / "tokens.toml"
    with serve(folder, GPT_IMAGE_AUTH="tokens", GPT_IMAGE_AUTH_TOKENS_FILE=str(path)) as running:
        yield running


@pytest.fixture
def server(served: Served) -> Iterator[Server]:
    path = served.folder / "secrets" / "tokens.toml"
    yield Server(served, path)
    path.unlink(missing_ok=True)


def test_a_running_server_takes_and_refuses_tokens_as_the_file_changes(server: Server) -> None:
    assert server.asked("gptimg_nobody") == 401
    first, _ = server.file.add("anna")
    assert server.asked(first) == 200
    second, stored = server.file.add("anna")
    assert [server.asked(token) for token in (first, second)] == [200, 200]
    server.file.revoke("anna", token_id=stored.id)
    assert [server.asked(token) for token in (first, second)] == [200, 401]
    server.file.revoke("anna")
    assert server.asked(first) == 401


def test_a_token_that_ended_or_has_not_the_scope_is_refused(server: Server) -> None:
    ended = datetime.now(UTC) - timedelta(seconds=2)
    assert server.asked(server.rewrite(ends=ended.isoformat(timespec="seconds"))) == 401
    later = datetime.now(UTC) + timedelta(minutes=5)
    assert server.asked(server.rewrite(ends=later.isoformat(timespec="seconds"))) == 200
    assert server.asked(server.rewrite(scopes='["admin"]')) == 403
    assert server.asked(server.rewrite(scopes="[]")) == 403


def test_neither_the_hash_nor_a_part_of_a_token_signs_in(server: Server) -> None:
    token, stored = server.file.add("anna")
    wrong = [stored.sha256, stored.id, token[:-1], token + "a", token.upper(), f" {token}", f"{token} "]
    assert [server.asked(each) for each in wrong[:5]] == [401] * 5
    assert server.asked(token) == 200


def _replaced(path: Path, make: Callable[[Path], None]) -> None:
    path.unlink()
    make(path)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "no TOML": lambda path: path.write_text("[[token]\n"),
    "no text": lambda path: path.write_bytes(b"\xff\xfe\0"),
    "an unknown key": lambda path: path.write_text(path.read_text() + "end = 2020-01-01T00:00:00Z\n"),
    "an unknown scope": lambda path: path.write_text(path.read_text().replace("images:read", "images:all")),
    "half a token": lambda path: path.write_text(path.read_text() + '[[token]]\nname = "ben"\n'),
    "deep": lambda path: path.write_text("x = " + "[" * 5000),
    "another table": lambda path: path.write_text("[[tokens]]\n"),
    "others write": lambda path: path.chmod(0o622),
    "the group writes": lambda path: path.chmod(0o660),
    "a folder": lambda path: _replaced(path, Path.mkdir),
    "a pipe": lambda path: _replaced(path, os.mkfifo),
    "a device": lambda path: _replaced(path, lambda new: new.symlink_to("/dev/zero")),
    "gone": lambda path: path.unlink(),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_lets_nobody_in_until_it_is_mended(damage: str, server: Server) -> None:
    token = server.rewrite()
    assert server.asked(token) == 200
    DAMAGES[damage](server.path)
    assert server.asked(token) == 401
    if server.path.is_dir():
        server.path.rmdir()
    assert server.asked(server.rewrite()) == 200


def test_a_file_that_others_only_read_and_a_link_to_a_file_are_taken(server: Server) -> None:
    """As a secret of a container is mounted: a link, of which the target is exchanged."""
    token = server.rewrite()
    server.path.chmod(0o644)
    assert server.asked(token) == 200
    folder = server.path.parent
    for number, old in ((1, token), (2, "gptimg_no")):
        target = folder / f"mounted-{number}.toml"
        made, _ = TokensFile(target).add("anna")
        link = folder / "new.toml"
        link.symlink_to(target)
        link.replace(server.path)
        assert [server.asked(each) for each in (made, old)] == [200, 401]
    added, _ = server.file.add("ben")
    assert server.path.is_symlink()
    assert server.asked(added) == 200


def test_the_log_says_why_nobody_can_sign_in_and_never_a_token(tmp_path: Path) -> None:
    path = tmp_path / "tokens.toml"
    token, stored = TokensFile(path).add("anna")
    path.write_text(path.read_text().replace(stored.sha256, "no hash"))
    with serve(tmp_path, GPT_IMAGE_AUTH="tokens", GPT_IMAGE_AUTH_TOKENS_FILE=str(path)) as running:
        server = Server(running, path)
        assert [server.asked(token) for _ in range(3)] == [401] * 3
        running.process.terminate()
        out, err = running.process.communicate()
    assert (running.process.returncode, out) == (0, "")
    said = " ".join(err.split())
    assert said.count("Nobody can sign in.") == 1
    assert "token.0.sha256" in said
    assert token not in err
