"""Steps of long work in threads, so that whoever waits for it can count them, and end it by an exception."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

on_step: ContextVar[Callable[[], None]] = ContextVar("on_step", default=lambda: None)


def step() -> None:
    """Is called by long work before each of its steps."""
    on_step.get()()
