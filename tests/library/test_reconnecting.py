"""Connecting to a database server that may be away: from many threads, and again for a while."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from gpt_image_mcp.errors import DatabaseInterrupted, StorageFailed
from gpt_image_mcp.library.reconnecting import Reconnecting, once_more

if TYPE_CHECKING:
    from collections.abc import Iterator


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
