"""The database of a server to which people sign in: what fails is for its log, and not for them."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

from gpt_image_mcp.errors import DatabaseFailed
from gpt_image_mcp.library.database import Database

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from sqlalchemy import Connection

_log = logging.getLogger(__name__)


class DatabaseOfPeople(Database):
    """A database as people use it who signed in to a server: failures tell the log what, and them what to do.

    Args:
        whole: The one that all use; it is closed by whoever opened it.
    """

    def __init__(self, whole: Database) -> None:
        super().__init__()
        self._whole = whole

    @contextlib.contextmanager
    def reading(self) -> Generator[Connection]:
        """As the whole one's."""
        with self._told(), self._whole.reading() as connection:
            yield connection

    @contextlib.contextmanager
    def writing(self) -> Generator[Connection]:
        """As the whole one's."""
        with self._told(), self._whole.writing() as connection:
            yield connection

    def write_eventually(self, write: Callable[[], object]) -> None:
        """As the whole one's."""
        with self._told():
            self._whole.write_eventually(write)

    @contextlib.contextmanager
    def _told(self) -> Generator[None]:
        try:
            yield
        except DatabaseFailed as error:
            _log.error("%s", error.message)
            step = "Tell whoever runs the server."
            if error.retryable:
                step = "Try again in a minute; if that does not help, tell whoever runs the server."
            message = "The database of this server cannot be used now."
            raise type(error)(message, next_step=step, retryable=error.retryable) from error
