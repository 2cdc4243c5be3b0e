"""The configuration of ``deploy/`` balances over replicas and repeats nothing that may have been paid for."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

import httpx2
import pytest
from fastmcp import Client

from gpt_image_mcp.library.call_totals import call_totals
from gpt_image_mcp.library.database import Database
from tests.mcp_app.http_servers import START_SECONDS, Served
from tests.team.haproxy import haproxy
from tests.team.pictures import make
from tests.team.replicas import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.object_stores import Bucket


async def _prompts(url: str) -> list[str]:
    async with Client(url) as client:
        found = await client.call_tool("find_images", {})
    assert found.structured_content is not None
    return sorted(image["prompt"] for image in found.structured_content["images"])


@pytest.mark.timeout(180)
async def test_calls_go_on_while_one_replica_leaves_and_another_is_killed(
    start_replicas: Callable[..., list[Served]],
) -> None:
    served = start_replicas(3)
    for one in served:
        await asyncio.to_thread(wait_until, one)
    with haproxy(served) as address:
        url, drawing = f"{address}/mcp", asyncio.Event()
        slow = asyncio.create_task(make(url, "[sandbox:delay=2] slow", drawing))
        await drawing.wait()
        for one in served[:2]:
            one.process.send_signal(signal.SIGTERM)
        assert await make(url, "meanwhile")
        assert await slow
        for one in served[:2]:
            assert await asyncio.to_thread(one.process.wait, START_SECONDS) == 0
        assert await make(url, "afterwards")
        assert await _prompts(url) == ["[sandbox:delay=2] slow", "afterwards", "meanwhile"]


@pytest.mark.timeout(180)
async def test_a_call_whose_replica_is_killed_is_not_made_by_another(
    start_replicas: Callable[..., list[Served]], database_url: str
) -> None:
    served = start_replicas(2)
    for one in served:
        await asyncio.to_thread(wait_until, one)
    with haproxy(served) as address:
        drawing = asyncio.Event()
        slow = asyncio.create_task(make(f"{address}/mcp", "[sandbox:delay=30] slow", drawing))
        await drawing.wait()
        (drawn_by,) = [one for one in served if _draws(one)]
        drawn_by.process.kill()
        with pytest.raises(Exception, match=r"."):
            await slow
        # Until it is gone, its socket takes a connection that nobody answers.
        await asyncio.to_thread(drawn_by.process.wait, START_SECONDS)
        assert await make(f"{address}/mcp", "another")
    database = Database(database_url)
    assert sum(total.count for total in call_totals(database)) == 2
    database.close()


def _draws(served: Served) -> bool:
    return 'gpt_image_jobs{stage="drawing"} 1' in httpx2.get(f"{served.root}/metrics").text


async def test_what_is_for_the_inside_stays_inside(
    start_replicas: Callable[..., list[Served]],
) -> None:
    served = start_replicas(2)
    with haproxy(served) as address:
        for path in ("/metrics", "/ready", "/health"):
            assert httpx2.get(f"{address}{path}").status_code == 404


async def test_whoever_hangs_up_and_asks_again_joins_the_call(
    start_replicas: Callable[..., list[Served]], database_url: str
) -> None:
    (served,) = start_replicas(1)
    with haproxy([served, served]) as address:
        drawing = asyncio.Event()
        slow = asyncio.create_task(make(f"{address}/mcp", "[sandbox:delay=5] slow", drawing))
        await drawing.wait()
        slow.cancel()
        await asyncio.wait({slow})
        assert await make(f"{address}/mcp", "[sandbox:delay=5] slow")
    database = Database(database_url)
    assert sum(total.count for total in call_totals(database)) == 1
    database.close()


async def test_while_the_store_is_away_callers_are_told_so(
    start_replicas: Callable[..., list[Served]], bucket: Bucket
) -> None:
    served = start_replicas(2, GPT_IMAGE_STORAGE=bucket.address, **bucket.environment)
    with haproxy(served) as address:
        bucket.fail(403)
        for one in served:
            await asyncio.to_thread(wait_until, one, "storage")
        for _ in range(20):  # until the balancer has heard of it, and after
            assert (await asyncio.to_thread(httpx2.get, f"{address}/mcp")).status_code != 503
            await asyncio.sleep(0.1)
        async with Client(f"{address}/mcp") as client:
            result = await client.call_tool("generate_image", {"prompt": "a boat"}, raise_on_error=False)
        assert "storage_failed: " in str(result.content)


def test_nobody_begins_to_sign_in_again_and_again(start_replicas: Callable[..., list[Served]]) -> None:
    with haproxy(start_replicas(2)) as address, httpx2.Client() as stranger:
        addresses = [f"{address}/{path}" for path in ("register", "authorize", "%72egister")]
        answers = [stranger.post(addresses[number % 3]).status_code for number in range(302)]
        assert answers == [404] * 300 + [429] * 2
        assert stranger.post(f"{address}/mcp").status_code == 415
