"""Telling whether the process that began something is still there, where that can be known."""

from __future__ import annotations

import os
import platform
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psutil

_PID_NAMESPACE = Path("/proc/self/ns/pid")
# Linux tells when it was started in whole seconds.
_TOLERANCE_SECONDS = 2


def this_process() -> str:
    """What tells this process from every other: its machine, its number and when it began."""
    return _named(os.getpid())  # one that was forked is another


def is_gone(process: str) -> bool:
    """Whether a process, as ``this_process`` named it, has certainly ended.

    Of a process on another machine, or in another container, nothing is known.
    """
    import psutil

    machine, _, began = process.rpartition("|")
    machine, _, number = machine.rpartition("|")
    if machine != _machine():
        return False
    try:
        return abs(_began(psutil.Process(int(number))) - float(began)) > _TOLERANCE_SECONDS
    except psutil.NoSuchProcess:
        return True
    except (psutil.Error, ValueError):
        return False


@cache
def _named(number: int) -> str:
    import psutil

    return f"{_machine()}|{number}|{_began(psutil.Process(number)):.2f}"


def _began(process: psutil.Process) -> float:
    """When a process began, in seconds; on Linux since the start of the machine, whose clock may be set."""
    import psutil

    return process.create_time() - (psutil.boot_time() if sys.platform == "linux" else 0)


@cache
def _machine() -> str:
    """The machine and, on Linux, the container: each has process numbers of its own."""
    try:
        return f"{platform.node()} {_PID_NAMESPACE.readlink()}"
    except OSError:
        return platform.node()
