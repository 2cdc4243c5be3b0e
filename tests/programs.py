"""Programs of the machine that some tests use: without one they are skipped, but in CI they fail."""

from __future__ import annotations

import os
from typing import TypeVar

import pytest

_Program = TypeVar("_Program")


def required(found: _Program | None, name: str) -> _Program:
    """What was found.

    Args:
        found: The program; None if this machine has none.
        name: What it is called.
    """
    if found is not None:
        return found
    message = f"no {name} on this machine"
    if os.environ.get("CI"):
        pytest.fail(f"{message}; .ci/run should have installed it")
    pytest.skip(message)
