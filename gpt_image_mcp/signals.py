"""How a process is asked to end, by Ctrl-C, a service manager or a terminal that closes, and ends in time."""

from __future__ import annotations

import _thread
import asyncio
import os
import signal
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator
    from types import FrameType

_T = TypeVar("_T")
# Nobody presses Ctrl-C again so soon; what passes a signal on takes milliseconds.
_ECHO_SECONDS = 0.3


class Ending:
    """What signals to end mean to a process: the first begins the end, and Ctrl-C after that insists on it.

    All others repeat the first. A shell, ``timeout`` or a service manager tells a whole group of processes,
    and those of it that started this one, such as ``uvx``, pass on what they were told.

    Args:
        begin: Is called at the first signal.
        insist: Is called when a person insists, once or more often.
        clock: Seconds from anywhere.
    """

    def __init__(
        self,
        begin: Callable[[], object],
        insist: Callable[[], object],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._begin, self._insist, self._clock = begin, insist, clock
        self._began_at: float | None = None

    def __call__(self, number: int, frame: FrameType | None = None) -> None:
        """Handles one signal."""
        del frame
        if self._began_at is None:
            self._began_at = self._clock()
            self._begin()
        elif number == signal.SIGINT and self._clock() - self._began_at > _ECHO_SECONDS:
            self._insist()


def ending_signals() -> tuple[signal.Signals, ...]:
    """Ctrl-C, SIGTERM and SIGHUP; not the last if the process was started to ignore it, as by ``nohup``."""
    asked = (signal.SIGINT, signal.SIGTERM)
    if sys.platform == "win32" or signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        return asked
    return (*asked, signal.SIGHUP)


def interrupt_on_all() -> None:
    """Has each of them do what Ctrl-C does, so that what is paid for is saved before the process ends."""
    for number in ending_signals():
        signal.signal(number, signal.default_int_handler)


def run_until_told(work: Coroutine[Any, Any, _T], *, grace_seconds: float, exit_code: int) -> _T:
    """Runs work in a loop of its own, and cancels it at the first signal.

    Args:
        work: What to run.
        grace_seconds: How long it may take to end then.
        exit_code: Of the process, should it take five seconds more than that.

    Raises:
        KeyboardInterrupt: If it was cancelled, or a person insists.
    """
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        task = loop.create_task(work)

        def begin() -> None:
            leave_within(grace_seconds, exit_code)
            task.cancel()
            loop.call_soon_threadsafe(lambda: None)  # wakes it

        def insist() -> None:
            leave_within(0, exit_code)
            raise KeyboardInterrupt

        with _handled_by(Ending(begin, insist)):
            try:
                return loop.run_until_complete(task)
            except asyncio.CancelledError:
                raise KeyboardInterrupt from None


@contextmanager
def _handled_by(ending: Ending) -> Generator[None]:
    """Has signals to end handled for the time of a block; only the main thread may."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, ending) for number in ending_signals()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def leave_within(grace_seconds: float, exit_code: int = 0) -> None:
    """Ends the process five seconds after the grace period, if threads, which nothing can stop, work on.

    A handler of signals may call it: it takes no lock of ``threading``, which what was interrupted may hold.
    """
    _thread.start_new_thread(_leave_after, (min(grace_seconds + 5, threading.TIMEOUT_MAX), exit_code))


def _leave_after(seconds: float, exit_code: int) -> None:
    time.sleep(seconds)
    os._exit(exit_code)


def leave_interrupted(exit_code: int) -> None:
    """Gives threads five seconds, in which the next of those signals ends the process at once."""
    for number in ending_signals():
        signal.signal(number, signal.SIG_DFL)
    leave_within(0, exit_code)
