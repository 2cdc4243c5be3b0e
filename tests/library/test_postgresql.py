"""The library in PostgreSQL: tests of the other modules over a real server."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest

from gpt_image_mcp import Settings, Studio
from tests.library.test_images import (
    test_a_moved_image_is_found_at_its_new_path_only as test_a_moved_image,
)
from tests.library.test_images import test_an_image_added_again_is_renewed as test_a_renewed_image
from tests.library.test_ledger import (
    test_a_call_that_was_given_up_and_still_runs_is_taken_back as test_a_call_taken_back,
)
from tests.library.test_ledger import (
    test_processes_that_share_a_budget_never_overshoot_it as test_a_shared_budget,
)
from tests.library.test_ledger import (
    test_the_same_call_that_comes_second_is_told_of_the_first_and_reserves_nothing as test_the_same_call,
)
from tests.library.test_search import (
    test_a_removed_image_is_neither_found_nor_summed as test_a_removed_image,
)
from tests.library.test_search import (
    test_reindexing_orders_by_time_what_came_in_another_order as test_reindexing,
)
from tests.library.test_search import (
    test_what_searches_go_by_is_made_anew_for_an_older_version as test_an_older_schema,
)
from tests.library.test_spending import (
    test_the_same_is_found_and_summed_whichever_way_is_the_shortest as test_searches,
)
from tests.postgresql import find_postgresql, make_database, postgresql
from tests.programs import required

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "test_a_call_taken_back",
    "test_a_moved_image",
    "test_a_removed_image",
    "test_a_renewed_image",
    "test_a_shared_budget",
    "test_an_older_schema",
    "test_reindexing",
    "test_searches",
    "test_the_same_call",
]
NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of a server."""
    with postgresql(required(find_postgresql(), "PostgreSQL")) as address:
        yield address


@pytest.fixture
def database_url(server: str) -> str:
    """A new database of the server."""
    return make_database(server, f"library_{next(NUMBERS)}")


async def test_a_session_goes_on_in_another_server_of_the_same_database(database_url: str) -> None:
    settings = Settings(sandbox=True, database_url=database_url)  # type: ignore[arg-type]
    quick: dict[str, Any] = {"size": "816x816", "quality": "low"}
    async with Studio(settings) as studio:
        boat = (await studio.generate("a boat", **quick)).images[0]
        started = await studio.start_session("make it red", [boat.id], **quick)
        assert started.session is not None
    async with Studio(settings) as studio:
        turn = await studio.continue_session(started.session.session_id, "and larger")
        assert turn.session is not None
        assert (turn.session.turn, turn.session.parent_turn) == (2, 1)
        found = await studio.history.find(query="LARGER and", limit=5)
        other = await studio.history.find(query="larger boat", limit=5)
    assert [hit.image.id for hit in found.images] == [turn.images[0].id]
    assert other.total == 0
