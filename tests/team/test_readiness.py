"""``/ready`` says whether a server can make images, so that a balancer sends nobody to one that cannot."""

from __future__ import annotations

import asyncio
import signal
import socket
from typing import TYPE_CHECKING

import httpx2
import psycopg
import pytest
from fastmcp import Client

from tests.mcp_app.http_servers import START_SECONDS, Served, serve
from tests.object_stores import bucket_on, s3_server
from tests.postgresql import find_postgresql, make_database, postgresql
from tests.programs import required
from tests.team.balancer import balancer
from tests.team.pictures import make
from tests.team.replicas import readiness, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_a_server_that_can_make_images_is_ready_and_says_no_more(tmp_path: Path) -> None:
    with serve(tmp_path) as served:
        wait_until(served)


def test_a_server_without_a_key_is_not_ready_but_healthy(tmp_path: Path) -> None:
    with serve(tmp_path, GPT_IMAGE_SANDBOX="0") as served:
        wait_until(served, "key")
        assert httpx2.get(f"{served.root}/health").status_code == 200


def test_a_database_that_cannot_be_opened_makes_a_server_not_ready(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "gpt-image-mcp").write_text("a file where the folder should be")
    with serve(tmp_path) as served:
        assert readiness(served) == (503, {"status": "not ready", "parts": ["database"]})


def test_a_database_that_never_answers_is_one_that_cannot_be_used(tmp_path: Path) -> None:
    """However many ask meanwhile, one connection is tried."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as silent:
        address = f"postgresql://somebody:hunter22@127.0.0.1:{silent.getsockname()[1]}/library"
        with serve(tmp_path, GPT_IMAGE_DATABASE_URL=address) as served:
            for _ in range(3):
                assert readiness(served) == (503, {"status": "not ready", "parts": ["database"]})
            silent.settimeout(0)
            connection, _ = silent.accept()
            with connection, pytest.raises(BlockingIOError):
                silent.accept()
            served.process.send_signal(signal.SIGTERM)
            assert served.process.wait(START_SECONDS) == 0


def test_a_database_that_comes_back_makes_a_server_ready_again(tmp_path: Path) -> None:
    programs = required(find_postgresql(), "PostgreSQL")
    with postgresql(programs) as address:
        url = make_database(address, "library")
        with serve(tmp_path, GPT_IMAGE_DATABASE_URL=url) as served:
            wait_until(served)
            _close_for_a_moment(served, address)
            wait_until(served)


def _close_for_a_moment(served: Served, address: str) -> None:
    with psycopg.connect(f"{address}/postgres", autocommit=True) as connection:
        connection.execute("ALTER DATABASE library WITH ALLOW_CONNECTIONS false")
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'library'")
        wait_until(served, "database")
        connection.execute("ALTER DATABASE library WITH ALLOW_CONNECTIONS true")


@pytest.mark.parametrize("status", [500, 0], ids=["failing", "silent"])
def test_a_store_that_takes_nothing_makes_a_server_not_ready(tmp_path: Path, status: int) -> None:
    with s3_server() as address, bucket_on(address) as bucket:
        bucket.fail(status)
        with serve(tmp_path, GPT_IMAGE_STORAGE=bucket.address, **bucket.environment) as served:
            wait_until(served, "storage")
            bucket.work()
            wait_until(served)


def test_a_store_that_works_is_not_asked_each_time(tmp_path: Path) -> None:
    """It charges for that, and a balancer asks every second."""
    with s3_server() as address, bucket_on(address) as bucket:
        with serve(tmp_path, GPT_IMAGE_STORAGE=bucket.address, **bucket.environment) as served:
            wait_until(served)
            asked = len(bucket.requests)
            for _ in range(5):
                wait_until(served)
        assert asked == len(bucket.requests) == 1, "nothing is written"


async def test_a_server_that_leaves_says_so_while_it_finishes_what_was_sent(tmp_path: Path) -> None:
    drawing = asyncio.Event()
    with serve(tmp_path) as served:
        async with asyncio.timeout(START_SECONDS):
            slow = asyncio.create_task(make(served.url, "[sandbox:delay=3] a boat", drawing))
            await drawing.wait()
            served.process.send_signal(signal.SIGTERM)
            await asyncio.to_thread(wait_until, served, "server")
            assert await slow
        assert await asyncio.to_thread(served.process.wait, START_SECONDS) == 0


async def test_replicas_behind_a_balancer_make_images_for_each_other_while_some_leave(
    start_replicas: Callable[..., list[Served]],
) -> None:
    served = start_replicas(3)
    async with asyncio.timeout(START_SECONDS), balancer([one.url for one in served]) as balanced:
        await balanced.ready(3)
        made = [await make(balanced.url, f"boat {number}") for number in range(3)]
        served[0].process.send_signal(signal.SIGTERM)
        await balanced.ready(2)
        served[1].process.kill()
        # Until it is gone, its socket takes a connection that nobody answers.
        await asyncio.to_thread(served[1].process.wait, START_SECONDS)
        made.append(await make(balanced.url, "one more"))
        async with Client(balanced.url) as client:
            found = await client.call_tool("find_images", {})
    assert found.structured_content is not None
    assert {image["id"] for image in found.structured_content["images"]} == set(made)
    assert all(replica.requests for replica in balanced.replicas)
    assert not balanced.unsent
