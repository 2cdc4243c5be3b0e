"""A served library: PostgreSQL, and replicas that share it."""

from __future__ import annotations

import itertools
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.object_stores import Bucket, bucket_on, s3_server
from tests.postgresql import find_postgresql, make_database, postgresql
from tests.programs import required
from tests.team.replicas import replicas

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.mcp_app.http_servers import Served

_NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """The address of a PostgreSQL server."""
    with postgresql(required(find_postgresql(), "PostgreSQL")) as address:
        yield address


@pytest.fixture
def database_url(postgresql_server: str) -> str:
    """The address of a new database."""
    return make_database(postgresql_server, f"team_{next(_NUMBERS)}")


@pytest.fixture(scope="session")
def store_server() -> Iterator[str]:
    """The address of an S3 server."""
    with s3_server() as address:
        yield address


@pytest.fixture
def bucket(store_server: str) -> Iterator[Bucket]:
    """A new bucket."""
    with bucket_on(store_server) as made:
        yield made


@pytest.fixture
def start_replicas(tmp_path: Path, database_url: str) -> Iterator[Callable[..., list[Served]]]:
    """Starts so many replicas on one database, with settings as arguments; ends them in the end."""
    with ExitStack() as running:

        def start(count: int, **settings: str) -> list[Served]:
            make = partial(replicas, tmp_path / f"replicas-{next(_NUMBERS)}", count)
            return running.enter_context(make(database_url=database_url, clocks=(), **settings))

        yield start
