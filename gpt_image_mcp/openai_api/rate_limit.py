"""The rate limit that all requests of one connection share: a 429 to one of them holds all of them back."""

from __future__ import annotations

import logging
import random
from collections.abc import Awaitable, Callable
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol, TypeAlias

from gpt_image_mcp.errors import ImageError, RateLimited, StorageFailed, UpstreamError, UpstreamUnavailable
from gpt_image_mcp.openai_api.retry_after import LONGEST_RETRY_AFTER_SECONDS
from gpt_image_mcp.threads import in_database

if TYPE_CHECKING:
    from collections.abc import Generator

    from tenacity import RetryCallState

_BACKOFF_SECONDS, _LONGEST_BACKOFF_SECONDS = 0.5, 8.0
_SPREAD_SECONDS = 1.0
# After that the API is asked again: its words may have been misunderstood.
_LONGEST_SHARED_PAUSE_SECONDS = 3600.0

Sleep = Callable[[float], Awaitable[None]]
Clock = Callable[[], float]


class PauseMemory(Protocol):
    """The memory of pauses; several processes share it."""

    def seconds_left(self, endpoint: str) -> float:
        """How long callers are still to wait; not positive if they are not."""
        ...

    def pause(self, endpoint: str, seconds: float) -> None:
        """Notes that callers are to wait so long."""
        ...


SharedPauses: TypeAlias = Callable[[], PauseMemory]
_log = logging.getLogger(__name__)


class RateLimit:
    """When the next request may leave.

    Args:
        sleep: Waits so many seconds.
        clock: Seconds that only ever grow.
        endpoint: The address of the API, by which others know it.
        shared: Makes, in a worker thread, the memory of pauses that processes share; None without one.
    """

    def __init__(
        self, sleep: Sleep, clock: Clock, *, endpoint: str = "", shared: SharedPauses | None = None
    ) -> None:
        self._sleep = sleep
        self._clock = clock
        self._endpoint = endpoint
        self._shared = shared
        self._paused_until = 0.0

    async def heed_others(self) -> None:
        """Learns of the pause that another process was asked for, where one shares that."""
        if self._shared is not None:
            with _others_may_be_unknown():
                self._hold(await in_database(_seconds_left, self._shared, self._endpoint))

    async def wait(self) -> None:
        """Waits until the pause is over; callers go on spread over a second, not all at once.

        Raises:
            RateLimited: If the API asked for a pause that is too long to wait for; nothing is sent.
        """
        # Meanwhile another caller may have been asked for a further pause.
        while (seconds := self._paused_until - self._clock()) > 0:
            if seconds > LONGEST_RETRY_AFTER_SECONDS:
                raise _still_limited(seconds)
            await self._sleep(seconds + _random(min(seconds, _SPREAD_SECONDS)))

    async def pause_after(self, error: ImageError) -> None:
        """Holds all callers back for as long as an answer asked for, also those of other processes."""
        if not isinstance(error, RateLimited) or not error.retry_after_seconds:
            return
        seconds = min(error.retry_after_seconds, _LONGEST_SHARED_PAUSE_SECONDS)
        self._hold(seconds)
        if self._shared is not None:
            with _others_may_be_unknown():
                await in_database(_share, self._shared, self._endpoint, seconds)

    def pause_for_retry(self, state: RetryCallState) -> None:
        """Holds all callers back while one of them waits to send again after a rate limit."""
        if state.next_action and state.outcome and isinstance(state.outcome.exception(), RateLimited):
            self._hold(state.next_action.sleep)

    def _hold(self, seconds: float) -> None:
        until = self._clock() + min(seconds, _LONGEST_SHARED_PAUSE_SECONDS)
        self._paused_until = max(self._paused_until, until)


def _seconds_left(shared: SharedPauses, endpoint: str) -> float:
    return shared().seconds_left(endpoint)


def _share(shared: SharedPauses, endpoint: str, seconds: float) -> None:
    shared().pause(endpoint, seconds)


@contextmanager
def _others_may_be_unknown() -> Generator[None]:
    """A call is made also when nobody can tell what other processes were asked for."""
    try:
        yield
    except StorageFailed as error:
        _log.warning("rate limits are not shared between processes now: %s", error.message)


def is_retryable(error: BaseException) -> bool:
    """Whether a request certainly made no picture, and the API does not ask for a long pause."""
    if not isinstance(error, RateLimited | UpstreamUnavailable):
        return False
    return (error.retry_after_seconds or 0) <= LONGEST_RETRY_AFTER_SECONDS


def backoff_seconds(state: RetryCallState) -> float:
    """Full jitter over an exponential back-off, and never less than ``Retry-After``."""
    ceiling = min(_LONGEST_BACKOFF_SECONDS, _BACKOFF_SECONDS * 2 ** (state.attempt_number - 1))
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_after_seconds if isinstance(error, UpstreamError) else None
    return (asked or 0.0) + _random(ceiling)


def _random(ceiling: float) -> float:
    return random.uniform(0, ceiling)  # noqa: S311 - jitter, not cryptography


def _still_limited(seconds: float) -> RateLimited:
    when = datetime.now().astimezone() + timedelta(seconds=seconds)
    message = (
        f"The API asked an earlier call to wait until {when:%H:%M:%S} (in {seconds:.0f} s), so this one "
        "was not sent."
    )
    return RateLimited(
        message,
        next_step="Call again after that time; nothing is billed.",
        retry_after_seconds=seconds,
    )
