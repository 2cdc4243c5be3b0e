"""Edit sessions in the library: who may work on one, and until when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from gpt_image_mcp.errors import NotFound
from gpt_image_mcp.library.sessions import Sessions, Turn
from gpt_image_mcp.values.options import OutputOptions
from tests.library.conftest import EVERY_DATABASE

if TYPE_CHECKING:
    from gpt_image_mcp.library.database import Database

pytestmark = EVERY_DATABASE
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
LEASE = timedelta(seconds=2)


@pytest.fixture
def sessions(database: Database) -> Sessions:
    """Sessions with a short lease, of which one, "s", is there."""
    made = Sessions(database, lease=LEASE)
    first = Turn(turn=1, parent_turn=0, prompt="red", image_id="i", call_id="c", created_at=NOW)
    made.begin("s", options=OutputOptions(), sandbox=True, start_images=(), first=first)
    return made


def test_a_lease_holds_while_it_is_renewed_and_is_free_when_it_is_not(sessions: Sessions) -> None:
    assert sessions.take_lease("s", "first", NOW)
    assert not sessions.take_lease("s", "second", NOW + LEASE / 2)
    assert sessions.take_lease("s", "first", NOW + LEASE / 2)
    assert not sessions.take_lease("s", "second", NOW + LEASE)
    assert sessions.take_lease("s", "second", NOW + 2 * LEASE)


def test_who_asked_before_a_lease_was_taken_and_waited_for_the_database_does_not_get_it(
    sessions: Sessions,
) -> None:
    assert sessions.take_lease("s", "first", NOW + LEASE / 4)
    assert not sessions.take_lease("s", "second", NOW)
    assert sessions.take_lease("s", "second", NOW - 2 * LEASE)


def test_only_the_holder_gives_a_lease_back(sessions: Sessions) -> None:
    assert sessions.take_lease("s", "second", NOW)
    sessions.give_lease_back("s", "first")
    assert not sessions.take_lease("s", "third", NOW)
    sessions.give_lease_back("s", "second")
    assert sessions.take_lease("s", "third", NOW)


def test_the_lease_of_a_session_that_is_gone_can_neither_be_taken_nor_renewed(sessions: Sessions) -> None:
    assert sessions.take_lease("s", "first", NOW)
    sessions.remove(["s"])
    for holder in ("first", "second"):
        with pytest.raises(NotFound) as caught:
            sessions.take_lease("s", holder, NOW + LEASE / 2)
        assert caught.value.code == "not_found"
