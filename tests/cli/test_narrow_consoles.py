"""Consoles that lack the characters of a path or prompt: what succeeded is printed as a success."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

NIGHT_VIEW = "夜景"
MAKE = ("generate", NIGHT_VIEW, "--size", "816x816", "--quality", "low")


def _run(encoding: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """A command in a process whose console has this encoding."""
    return subprocess.run(
        [sys.executable, "-m", "gpt_image_mcp", *arguments],
        capture_output=True,
        check=False,
        timeout=50,
        env={**os.environ, "PYTHONIOENCODING": encoding, "GPT_IMAGE_SANDBOX": "1"},
    )


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_a_path_that_the_console_cannot_show_is_a_success_with_question_marks(
    encoding: str, project: Path
) -> None:
    done = _run(encoding, *MAKE, "--output-dir", str(project / NIGHT_VIEW))
    assert done.returncode == 0, done.stderr
    assert b"??" in done.stdout
    assert b"Traceback" not in done.stderr
    assert len(list((project / NIGHT_VIEW).glob("*.png"))) == 1


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8"])
def test_json_tells_every_path_whatever_the_console_can_show(encoding: str, project: Path) -> None:
    done = _run(encoding, *MAKE, "--output-dir", str(project / NIGHT_VIEW), "--json")
    assert done.returncode == 0, done.stderr
    (image,) = json.loads(done.stdout.decode(encoding))["images"]
    assert Path(image["file_path"]).is_file()


@pytest.mark.parametrize("command", [("history",), ("models",), ("estimate",), ("--help",)])
def test_other_commands_print_what_the_console_can_show(command: tuple[str, ...], project: Path) -> None:
    assert _run("ascii", *MAKE, "--output-dir", str(project / NIGHT_VIEW)).returncode == 0
    done = _run("ascii", *command)
    assert b"Traceback" not in done.stderr
    assert b"UnicodeEncodeError" not in done.stderr
    assert done.stdout


def test_a_failure_is_told_with_question_marks_too(project: Path) -> None:
    done = _run("cp1252", "edit", "night", str(project / f"{NIGHT_VIEW}.png"))
    assert done.returncode == 1
    assert b".png" in done.stderr
    assert b"Traceback" not in done.stderr
