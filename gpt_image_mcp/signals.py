"""How a process is asked to end, by Ctrl-C, a service manager or a terminal that closes, and ends in time."""

from __future__ import annotations

import os
import signal
import sys
import threading
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


def leave_within(grace_seconds: float, exit_code: int = 0) -> None:
    """Ends the process five seconds after the grace period, if threads, which nothing can stop, work on."""
    last_resort = threading.Timer(min(grace_seconds + 5, threading.TIMEOUT_MAX), os._exit, (exit_code,))
    last_resort.daemon = True
    last_resort.start()


def leave_interrupted(exit_code: int) -> None:
    """Gives threads five seconds, in which the next of those signals ends the process at once."""
    for number in ending_signals():
        signal.signal(number, signal.SIG_DFL)
    leave_within(0, exit_code)


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Passes on to whoever handles Ctrl-C now, such as an event loop."""
    del number, frame
    signal.raise_signal(signal.SIGINT)
