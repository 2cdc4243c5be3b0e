"""The signals by which a process is asked to end: by Ctrl-C, a service manager, or a terminal that closes."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType


def ending_signals() -> tuple[signal.Signals, ...]:
    """Ctrl-C, SIGTERM and SIGHUP; not the last if the process was started to ignore it, as by ``nohup``."""
    asked = (signal.SIGINT, signal.SIGTERM)
    if sys.platform == "win32" or signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        return asked
    return (*asked, signal.SIGHUP)


def interrupt_on_all() -> None:
    """Has each of them do what Ctrl-C does, so that what is paid for is saved before the process ends."""
    for number in ending_signals():
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Passes on to whoever handles Ctrl-C now, such as an event loop."""
    del number, frame
    signal.raise_signal(signal.SIGINT)
