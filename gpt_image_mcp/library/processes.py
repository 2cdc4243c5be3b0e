"""Telling whether the process that began something is still there, where that can be known."""

from __future__ import annotations

import os
import platform
from functools import cache
from pathlib import Path

_PID_NAMESPACE = Path("/proc/self/ns/pid")


@cache
def this_process() -> str:
    """What tells this process from every other: its machine, its number and when it began."""
    import psutil

    return f"{_machine()}|{os.getpid()}|{psutil.Process().create_time():.2f}"


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
        return abs(psutil.Process(int(number)).create_time() - float(began)) > 1
    except psutil.NoSuchProcess:
        return True
    except (psutil.Error, ValueError):
        return False


@cache
def _machine() -> str:
    """The machine and, on Linux, the container: each has process numbers of its own."""
    try:
        return f"{platform.node()} {_PID_NAMESPACE.readlink()}"
    except OSError:
        return platform.node()
