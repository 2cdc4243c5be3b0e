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


def test_what_waits_at_the_end_is_tried_once_more() -> None:
    postponed, done = Postponed(), threading.Event()
    postponed.add(done.set, AWAY)
    postponed.close()
    assert done.is_set()


def test_what_fails_at_the_end_is_dropped_and_what_comes_later_is_done() -> None:
    tries: list[int] = []
    postponed, done = Postponed(), threading.Event()

    def fail() -> None:
        tries.append(len(tries))
        raise AWAY

    postponed.add(fail, AWAY)
    postponed.close()
    postponed.add(done.set, AWAY)
    assert done.wait(30)
    postponed.close()
    assert len(tries) == 1


def test_a_write_that_hangs_holds_the_end_up_no_longer_than_a_moment() -> None:
    postponed, released, started = Postponed(), threading.Event(), threading.Event()

    def hang() -> None:
        started.set()
        assert released.wait(30)

    postponed.add(hang, AWAY)
    postponed.close()
    assert started.is_set()
    assert not released.is_set()
    released.set()
