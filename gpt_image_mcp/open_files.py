"""How many files this process may have open at once, of which connections and databases take some too."""

from __future__ import annotations

import errno
import sys
from typing import TYPE_CHECKING, TypeVar

from gpt_image_mcp.errors import InvalidSetting

if TYPE_CHECKING:
    from collections.abc import Callable

_T = TypeVar("_T")
# A server in the middle of 100 calls has about 30, and as many more as it makes requests at once.
_FEWEST = 64
_TOO_MANY = (errno.EMFILE, errno.ENFILE)
_PATIENCE_SECONDS, _SECONDS_BETWEEN_TRIES = 10, 0.05


def require_open_files() -> None:
    """Refuses to work where a paid picture could not be saved because too many files are open.

    Raises:
        InvalidSetting: If the system allows too few.
    """
    if (allowed := allow_open_files(_FEWEST)) < _FEWEST:
        message = f"This process may have no more than {allowed} files open, and needs {_FEWEST}."
        raise InvalidSetting(message, next_step="Raise the limit before it starts, as with: ulimit -n 1024")


def allow_open_files(wanted: int) -> int:
    """Raises the limit of this process to as many, if it may; gives what the limit is."""
    if sys.platform == "win32":  # where only memory limits them
        return wanted
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = max(soft, min(hard, wanted))
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return allowed


def when_one_is_free(opening: Callable[[], _T]) -> _T:
    """What opening a file gives; while too many are open, others are waited for, up to ten seconds.

    For what was paid for and must be saved.

    Raises:
        OSError: If it cannot be opened.
    """
    try:
        return opening()
    except OSError as error:
        if not _is_one_too_many(error):
            raise
        from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_fixed

        again = Retrying(
            retry=retry_if_exception(_is_one_too_many),
            stop=stop_after_delay(_PATIENCE_SECONDS),
            wait=wait_fixed(_SECONDS_BETWEEN_TRIES),
            reraise=True,
        )
        return again(opening)


def _is_one_too_many(error: BaseException) -> bool:
    return isinstance(error, OSError) and error.errno in _TOO_MANY
