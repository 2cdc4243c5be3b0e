"""Consoles that lack the characters of a path or prompt: what succeeded is printed as a success."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import pytest

from gpt_image_mcp.cli import app

if TYPE_CHECKING:
    from collections.abc import Callable

NIGHT_VIEW = "夜景"
MAKE = ("generate", NIGHT_VIEW, "--size", "816x816", "--quality", "low")


class Done(NamedTuple):
    """What came of a command."""

    returncode: int
    stdout: bytes
    stderr: bytes


Run: TypeAlias = "Callable[..., Done]"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command whose console has an encoding, as Python sets one up: strict, but for stderr."""
    monkeypatch.setenv("GPT_IMAGE_SANDBOX", "1")

    def run_on(encoding: str, *arguments: str) -> Done:
        streams = {"stdout": io.BytesIO(), "stderr": io.BytesIO()}
        for name, stream in streams.items():
            errors = "strict" if name == "stdout" else "backslashreplace"
            monkeypatch.setattr(sys, name, io.TextIOWrapper(stream, encoding, errors))
        return Done(app.run(arguments), *(stream.getvalue() for stream in streams.values()))

    return run_on


def test_a_process_has_such_a_console_too(project: Path) -> None:
    arguments = [sys.executable, "-m", "gpt_image_mcp", *MAKE, "--output-dir", str(project / NIGHT_VIEW)]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "GPT_IMAGE_SANDBOX": "1"}
    done = subprocess.run(arguments, capture_output=True, check=False, timeout=50, env=environment)
    assert done.returncode == 0, done.stderr
    assert b"??" in done.stdout


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_a_path_that_the_console_cannot_show_is_a_success_with_question_marks(
    encoding: str, run: Run, project: Path
) -> None:
    done = run(encoding, *MAKE, "--output-dir", str(project / NIGHT_VIEW))
    assert done.returncode == 0, done.stderr
    assert b"??" in done.stdout
    assert b"Traceback" not in done.stderr
    assert len(list((project / NIGHT_VIEW).glob("*.png"))) == 1


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8"])
def test_json_tells_every_path_whatever_the_console_can_show(encoding: str, run: Run, project: Path) -> None:
    done = run(encoding, *MAKE, "--output-dir", str(project / NIGHT_VIEW), "--json")
    assert done.returncode == 0, done.stderr
    (image,) = json.loads(done.stdout.decode(encoding))["images"]
    assert Path(image["file_path"]).is_file()


@pytest.mark.parametrize("command", [("history",), ("models",), ("estimate",), ("--help",)])
def test_other_commands_print_what_the_console_can_show(
    command: tuple[str, ...], run: Run, project: Path
) -> None:
    assert run("ascii", *MAKE, "--output-dir", str(project / NIGHT_VIEW)).returncode == 0
    done = run("ascii", *command)
    assert b"Traceback" not in done.stderr
    assert b"UnicodeEncodeError" not in done.stderr
    assert done.stdout


def test_a_failure_is_told_with_question_marks_too(run: Run, project: Path) -> None:
    done = run("cp1252", "edit", "night", str(project / f"{NIGHT_VIEW}.png"))
    assert done.returncode == 1
    assert b".png" in done.stderr
    assert b"Traceback" not in done.stderr
