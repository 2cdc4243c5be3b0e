"""A database server that is restarted while calls run: its way back is waited for, a while."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

from gpt_image_mcp.errors import DatabaseInterrupted

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Dialect

_T = TypeVar("_T")
RESTART_SECONDS, _KNOCKS_EVERY_SECONDS = 10.0, 0.2


class Reconnecting:
    """Connects again to a server that is being restarted; of one that stays away each call learns at once."""

    def __init__(self) -> None:
        self._away_since: float | None = None

    def __call__(self, dialect: Dialect, _record: object, args: Any, options: dict[str, Any]) -> Any:
        """A connection of the driver; SQLAlchemy asks for it by its event ``do_connect``."""
        from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

        # Other threads connect at the same time, and say here when they could.
        away_since = self._away_since = self._away_since or monotonic()
        driver: Any = dialect.loaded_dbapi
        again = Retrying(
            retry=retry_if_exception_type(driver.OperationalError),
            stop=stop_after_delay(max(0.0, away_since + RESTART_SECONDS - monotonic())),
            wait=wait_fixed(_KNOCKS_EVERY_SECONDS),
            reraise=True,
        )
        connection = again(dialect.connect, *args, **options)
        self._away_since = None
        return connection


def once_more(transaction: Callable[[], _T]) -> _T:
    """What a transaction gives; it is done again if the server went away in the middle of it.

    For what was paid for and must be written down. To do it twice must have the effect of doing it once.

    Raises:
        StorageFailed: If it fails for another reason, or again.
    """
    try:
        return transaction()
    except DatabaseInterrupted:
        return transaction()
