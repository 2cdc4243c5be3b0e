"""Connecting to a database server that may be away: from many threads, and again for a while."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from gpt_image_mcp.errors import DatabaseFailed, DatabaseInterrupted, StorageFailed
from gpt_image_mcp.library.database import Database
from gpt_image_mcp.library.database_of_people import DatabaseOfPeople
from gpt_image_mcp.library.reconnecting import Reconnecting, once_more
from tests.library.conftest import POSTGRESQL

if TYPE_CHECKING:
    from collections.abc import Iterator


# Nobody listens there.
AWAY = "postgresql://images:hidden@127.0.0.1:1/images"


class AwayError(Exception):
    """What a driver raises while there is no server."""


def _dialect(*, refusals: int = 0) -> Any:
    left = iter(range(refusals))

    def connect() -> str:
        if next(left, None) is not None:
            raise AwayError
        return "connected"

    return SimpleNamespace(loaded_dbapi=SimpleNamespace(OperationalError=AwayError), connect=connect)


@pytest.fixture
def eager_switches() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("eager_switches")
def test_many_threads_connect_at_the_same_time() -> None:
    reconnecting, dialect = Reconnecting(), _dialect()
    with ThreadPoolExecutor(16) as threads:
        connecting = [threads.submit(reconnecting, dialect, None, (), {}) for _ in range(20_000)]
    assert {each.result() for each in connecting} == {"connected"}


def test_a_server_that_comes_back_is_waited_for() -> None:
    assert Reconnecting()(_dialect(refusals=2), None, (), {}) == "connected"


def test_a_transaction_that_was_interrupted_is_done_once_more() -> None:
    failures: list[StorageFailed] = [DatabaseInterrupted("it went away", next_step="wait")]

    def write() -> str:
        if failures:
            raise failures.pop()
        return "written"

    assert once_more(write) == "written"
    failures[:] = [DatabaseInterrupted("again", next_step="wait"), DatabaseInterrupted("a", next_step="w")]
    with pytest.raises(DatabaseInterrupted, match="again"):
        once_more(write)
    failures[:] = [StorageFailed("the disk is full", next_step="free some")]
    with pytest.raises(StorageFailed, match="full"):
        once_more(write)
    assert not failures


def test_a_server_that_is_away_may_be_back_later() -> None:
    with pytest.raises(DatabaseFailed, match=r"postgresql://images:\*\*\*@127.0.0.1:1/images") as caught:
        Database(AWAY).ping()
    assert caught.value.retryable


def test_people_who_signed_in_learn_what_to_do_and_the_log_learns_where(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with pytest.raises(DatabaseFailed) as caught, DatabaseOfPeople(Database(AWAY)).writing():
        pass
    said = str(caught.value)
    assert "The same call can succeed later. Next: Try again in a minute" in said
    assert "whoever runs the server" in said
    assert not [word for word in ("127.0.0.1", "images", "GPT_IMAGE", "unset") if word in said]
    assert "127.0.0.1" in caplog.text
    assert "hidden" not in caplog.text


@POSTGRESQL
def test_a_database_that_a_server_does_not_have_is_not_there_later_either(database_url: str) -> None:
    with pytest.raises(DatabaseFailed, match="does not exist") as caught:
        Database(f"{database_url}_missing").ping()
    assert not caught.value.retryable
