"""Edit sessions in the library: who may work on one, and until when."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from gpt_image_mcp.errors import NotFound
from gpt_image_mcp.library.sessions import Sessions, Turn
from gpt_image_mcp.values.options import OutputOptions
from tests.library.conftest import EVERY_DATABASE
from tests.library.leases import let_pass

if TYPE_CHECKING:
    from gpt_image_mcp.library.database import Database

pytestmark = EVERY_DATABASE
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
LEASE = timedelta(seconds=20)


@pytest.fixture
def sessions(database: Database) -> Sessions:
    """Sessions with a short lease, of which one, "s", is there."""
    made = Sessions(database, lease=LEASE)
    first = Turn(turn=1, parent_turn=0, prompt="red", image_id="i", call_id="c", created_at=NOW)
    made.begin("s", options=OutputOptions(), sandbox=True, start_images=(), first=first)
    return made


def test_a_lease_holds_while_it_is_renewed_and_is_free_when_it_is_not(sessions: Sessions) -> None:
    assert sessions.take_lease("s", "first")
    let_pass(sessions.database, LEASE / 2)
    assert not sessions.take_lease("s", "second")
    assert sessions.take_lease("s", "first")
    let_pass(sessions.database, LEASE / 2)
    assert not sessions.take_lease("s", "second")
    let_pass(sessions.database, LEASE)
    assert sessions.take_lease("s", "second")


def test_only_the_holder_gives_a_lease_back(sessions: Sessions) -> None:
    assert sessions.take_lease("s", "second")
    sessions.give_lease_back("s", "first")
    assert not sessions.take_lease("s", "third")
    sessions.give_lease_back("s", "second")
    assert sessions.take_lease("s", "third")


def test_the_lease_of_a_session_that_is_gone_can_neither_be_taken_nor_renewed(sessions: Sessions) -> None:
    assert sessions.take_lease("s", "first")
    sessions.remove(["s"])
    for holder in ("first", "second"):
        with pytest.raises(NotFound) as caught:
            sessions.take_lease("s", holder)
        assert caught.value.code == "not_found"


def test_a_turn_whose_number_is_taken_gets_the_next_and_keeps_it(sessions: Sessions) -> None:
    second = Turn(turn=2, parent_turn=1, prompt="green", image_id="j", call_id="d", created_at=NOW)
    other = replace(second, image_id="k", call_id="e")
    assert [sessions.add_turn("s", turn) for turn in (second, other, second, other)] == [2, 3, 2, 3]
    found = sessions.find("s")
    assert found is not None
    assert [(turn.turn, turn.parent_turn, turn.image_id) for turn in found.turns[1:]] == [
        (2, 1, "j"),
        (3, 1, "k"),
    ]


def test_a_session_that_is_begun_again_is_the_same(sessions: Sessions) -> None:
    first = Turn(turn=1, parent_turn=0, prompt="red", image_id="i", call_id="c", created_at=NOW)
    begun = sessions.find("s")
    assert sessions.begin("s", options=OutputOptions(), sandbox=True, start_images=(), first=first) == 1
    assert sessions.find("s") == begun
