"""Processes are known to be gone where that can be known, and nowhere else."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from gpt_image_mcp.library.processes import is_gone, this_process

NAME = "from gpt_image_mcp.library.processes import this_process; print(this_process())"


def test_this_process_is_there() -> None:
    assert not is_gone(this_process())


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system keeps the time itself")
def test_a_process_is_there_after_the_clock_of_the_machine_was_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, number = this_process(), os.getpid()
    said = Path("/proc/stat").read_text()
    (tmp_path / "stat").write_text(re.sub(r"(?<=btime )\d+", lambda then: str(int(then[0]) + 7200), said))
    (tmp_path / str(number)).symlink_to(f"/proc/{number}")
    monkeypatch.setattr(psutil, "PROCFS_PATH", str(tmp_path))
    assert not is_gone(name)


def test_a_process_that_ended_is_gone() -> None:
    done = subprocess.run([sys.executable, "-c", NAME], capture_output=True, text=True, check=True)
    assert is_gone(done.stdout.strip())


FORKED = f"""
import os, sys
{NAME}
sys.stdout.flush()
if os.fork() == 0:
    print(this_process())
    sys.exit()
os.wait()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows forks no process")
def test_a_process_that_was_forked_is_not_the_one_that_forked_it() -> None:
    done = subprocess.run([sys.executable, "-c", FORKED], capture_output=True, text=True, check=True)
    parent, child = done.stdout.splitlines()
    assert parent != child


def test_a_number_that_another_process_has_now_is_not_the_process_that_had_it() -> None:
    machine, number, began = this_process().rsplit("|", 2)
    assert is_gone(f"{machine}|{number}|{float(began) - 3600}")


def test_nothing_is_known_of_processes_elsewhere() -> None:
    _, number, began = this_process().rsplit("|", 2)
    assert not is_gone(f"another machine|{number}|{began}")
    assert not is_gone("")
