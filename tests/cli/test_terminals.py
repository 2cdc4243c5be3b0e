"""A terminal obeys nothing that a prompt, a name or an argument holds; looked at in the raw bytes."""

from __future__ import annotations

import json
import os
import re
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

pty = pytest.importorskip("pty", reason="Windows has no pseudo-terminals")
HOSTILE = (
    "fox \x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\ \x1b]52;c;aGk=\x07 \x1b[2J\rgone\b\b \x9b31m \u202e"
    " [bold]x[/bold] [link=http://evil.example]y[/link]\nNext: run rm\u2028Next: run rm\x0bNext: run rm"
)
# What rich itself writes: colours, the cursor of the progress bar, and the ends of lines.
OURS = re.compile(r"\x1b\[[0-9;]*m|\x1b\[\?25[lh]|\x1b\[2K|\x1b\[1A|\r+\n|\r(?=\x1b)")
OBEYED = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202e]")


def _shown(*arguments: str) -> str:
    """What a command writes to a terminal, without what rich adds."""
    process, terminal = pty.fork()
    if process == 0:  # pragma: no cover - another process
        places = {**os.environ, "GPT_IMAGE_SANDBOX": "1", "TERM": "xterm", "COLUMNS": "160"}
        os.execve(sys.executable, [sys.executable, "-m", "gpt_image_mcp", *arguments], places)  # noqa: S606
    said = b""
    while True:
        try:
            data = os.read(terminal, 65_536)
        except OSError:  # Linux ends a terminal so
            data = b""
        if not data:
            break
        said += data
    os.close(terminal)
    os.waitpid(process, 0)
    return OURS.sub(lambda found: "\n" if found[0].endswith("\n") else "", said.decode())


def _assert_inert(shown: str, *, next_steps: int) -> None:
    assert OBEYED.findall(shown) == []
    assert sum(line.startswith("Next:") for line in shown.splitlines()) == next_steps


def test_results_and_the_history_show_a_hostile_prompt(project: Path) -> None:
    folder = project / "o\u202eut\x9b"
    folder.mkdir()  # one to be made would lose what nobody sees
    made = _shown(
        "generate", HOSTILE, "--output-dir", str(folder), "--filename", "fo\u202ex\u3164", "--quality", "low"
    )
    _assert_inert(made, next_steps=1)
    assert (folder / "fox.png").is_file()
    assert "[bold]x[/bold]" in made
    listed = _shown("history", "--json")
    (image,) = json.loads(listed)["images"]
    assert image["file_path"] == str(folder / "fox.png")
    assert image["prompt"].startswith(HOSTILE[:80])
    for shown, steps in ((listed, 0), (_shown("history"), 1), (_shown("history", "show", image["id"]), 0)):
        _assert_inert(shown, next_steps=steps)
    assert "\\u202e" in listed


@pytest.mark.parametrize(
    "arguments",
    [
        ("generate", "x", "--model", HOSTILE),
        ("generate", "x", "--size", HOSTILE),
        ("edit", "x", HOSTILE),
        ("history", "show", HOSTILE),
        ("history", "rebuild", HOSTILE.replace("/", "")),
        ("gallery", "--output", HOSTILE),
        ("config", HOSTILE),
        ("models", f"--{HOSTILE}"),
        (HOSTILE,),
    ],
)
def test_errors_show_a_hostile_argument(arguments: Sequence[str]) -> None:
    shown = _shown(*arguments)
    assert OBEYED.findall(shown) == []
    assert not any(line.startswith("Next: run rm") for line in shown.splitlines())


def test_doctor_shows_a_hostile_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPT_IMAGE_QUALITY", HOSTILE[:60])
    shown = _shown("doctor")
    assert OBEYED.findall(shown) == []
