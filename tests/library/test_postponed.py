"""What could not be written down is tried again, whatever becomes of the others."""

from __future__ import annotations

import threading

from gpt_image_mcp.errors import StorageFailed
from gpt_image_mcp.library.postponed import Postponed

AWAY = StorageFailed("The database is away.", next_step="Start it.")


def test_a_write_that_no_database_takes_stops_no_other() -> None:
    postponed, is_written = Postponed(), threading.Event()

    def refuse() -> None:
        message = "surrogates not allowed"
        raise ValueError(message)

    postponed.add(refuse, AWAY)
    postponed.add(is_written.set, AWAY)
    assert is_written.wait(30)
    postponed.close()


def test_what_is_added_after_the_end_is_done_and_what_was_before_is_not() -> None:
    postponed, dropped, done = Postponed(), threading.Event(), threading.Event()
    postponed.add(dropped.set, AWAY)
    postponed.close()
    postponed.add(done.set, AWAY)
    assert done.wait(30)
    assert not dropped.is_set()
    postponed.close()
