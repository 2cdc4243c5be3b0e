"""Replicas without state of their own: any goes on with what another began, was stopped in, or waits for."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from fastmcp import Client
from tenacity import retry, stop_after_delay, wait_fixed

from gpt_image_mcp.openai_api.sandbox.transport import SandboxTransport
from gpt_image_mcp.team.tokens import TokensFile
from tests.postgresql import find_postgresql, make_database, restartable_postgresql
from tests.programs import required
from tests.standin import Standin, serve_standin
from tests.team.replicas import replicas

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from tests.mcp_app.http_servers import Served
    from tests.object_stores import Bucket

    Start = Callable[..., AbstractAsyncContextManager["Team"]]

BOAT = {"prompt": "a boat", "size": "1024x1024", "quality": "low"}
DRAWS_SECONDS = 2.0


class Team:
    """Replicas with people, before a stand-in for the API."""

    def __init__(self, served: list[Served], standin: Standin, tokens: dict[str, str]) -> None:
        self.served = served
        self.standin = standin
        self._tokens = tokens

    async def call(self, replica: int, person: str, tool: str, **arguments: Any) -> Any:
        """The structured content of a call, or the error as text."""
        url, token = self.served[replica].url, self._tokens[person]
        async with Client(url, auth=token) as client:
            result = await client.call_tool(tool, arguments, raise_on_error=False)
        return result.structured_content or "".join(getattr(block, "text", "") for block in result.content)

    async def until_sent(self, count: int) -> None:
        """Waits until so many requests that cost money have come to the API."""

        @retry(stop=stop_after_delay(30), wait=wait_fixed(0.02), reraise=True)
        async def looked() -> None:
            assert len(self.standin.posts) >= count

        await looked()


@contextlib.asynccontextmanager
async def _team(
    folder: Path,
    database_url: str,
    count: int,
    *,
    clocks: Sequence[int] = (),
    draws_seconds: float = DRAWS_SECONDS,
    **settings: str,
) -> AsyncGenerator[Team]:
    tokens = TokensFile(folder / "tokens.toml")
    people = {person: tokens.add(person, groups=("art",))[0] for person in ("anna", "berta")}
    async with serve_standin(SandboxTransport(delay_seconds=draws_seconds)) as standin:
        common = {
            "GPT_IMAGE_SANDBOX": "0",
            "OPENAI_API_KEY": "sk-test",
            "OPENAI_BASE_URL": standin.base_url,
            "GPT_IMAGE_AUTH": "tokens",
            "GPT_IMAGE_AUTH_TOKENS_FILE": str(tokens.path),
            **settings,
        }
        starting = replicas(folder / "homes", count, database_url=database_url, clocks=clocks, **common)
        served = await asyncio.to_thread(starting.__enter__)
        try:
            yield Team(served, standin, people)
        finally:
            await asyncio.to_thread(starting.__exit__, None, None, None)


@pytest.fixture
def start_team(tmp_path: Path, database_url: str) -> Callable[..., AbstractAsyncContextManager[Team]]:
    """Starts so many replicas on a database of their own."""

    def start(count: int, **how: Any) -> AbstractAsyncContextManager[Team]:
        return _team(tmp_path, database_url, count, **how)

    return start


async def test_any_replica_has_the_job_and_the_session_of_another(start_team: Start, bucket: Bucket) -> None:
    async with start_team(2, GPT_IMAGE_STORAGE=bucket.address, **bucket.environment) as team:
        begun = await team.call(0, "anna", "generate_image", **BOAT, wait_seconds=0)
        assert begun["status"] == "running"
        assert "not_found" in await team.call(1, "berta", "get_image", ref=begun["job_id"])
        made = await team.call(1, "anna", "get_image", ref=begun["job_id"])
        assert made["status"] == "completed"
        image = made["images"][0]["id"]
        started = await team.call(1, "anna", "start_edit_session", prompt="add a sail", images=[image])
        turn = await team.call(
            0, "anna", "continue_edit_session", session_id=started["session_id"], prompt="at night"
        )
        assert turn["turn"] == 2
        assert len(team.standin.posts) == 3


async def test_a_replica_killed_in_the_middle_leaves_an_unknown_outcome_and_no_second_request(
    start_team: Start, database_url: str, tmp_path: Path
) -> None:
    async with start_team(2) as team:
        begun = await team.call(0, "anna", "generate_image", **BOAT, wait_seconds=0)
        await team.until_sent(1)
        team.served[0].process.kill()
        said = await team.call(1, "anna", "get_image", ref=begun["job_id"])
        assert said.startswith("outcome_unknown: ")
        assert len(team.standin.posts) == 1
        found = await team.call(1, "anna", "find_images")
        assert [call["status"] for call in found["open_calls"]] == ["outcome_unknown"]
        assert "open_calls" not in await team.call(1, "berta", "find_images")
        again = await team.call(1, "anna", "generate_image", **BOAT)
        assert again["status"] == "completed"
        assert len(team.standin.posts) == 2
    rows = _audit(tmp_path, database_url)
    assert [(row["person"], row["outcome"]) for row in rows] == [
        ("anna", "outcome_unknown"),
        ("anna", "completed"),
    ]


def _apart(start_team: Start, bucket: Bucket, **how: Any) -> AbstractAsyncContextManager[Team]:
    """Two replicas, one five minutes behind and one five minutes ahead of the database."""
    return start_team(2, clocks=(-300, 300), **how, GPT_IMAGE_STORAGE=bucket.address, **bucket.environment)


async def test_replicas_whose_clocks_differ_take_no_running_call_for_lost_and_pay_for_none_twice(
    start_team: Start, bucket: Bucket
) -> None:
    async with _apart(start_team, bucket, draws_seconds=5) as team:
        for one, other in ((0, 1), (1, 0)):
            boat = {**BOAT, "prompt": f"a boat of replica {one}"}
            begun = await team.call(one, "anna", "generate_image", **boat, wait_seconds=0)
            seen = await team.call(other, "anna", "get_image", ref=begun["job_id"], wait_seconds=0)
            assert seen["status"] == "running"
            joined = await team.call(other, "anna", "generate_image", **boat)
            assert joined["status"] == "completed"
            assert len(team.standin.posts) == one + 1


async def test_replicas_whose_clocks_differ_make_the_turns_of_a_session_one_after_the_other(
    start_team: Start, bucket: Bucket
) -> None:
    async with _apart(start_team, bucket) as team:
        image = (await team.call(0, "anna", "generate_image", **BOAT))["images"][0]["id"]
        started = await team.call(1, "anna", "start_edit_session", prompt="add a sail", images=[image])
        session = started["session_id"]
        turns = await asyncio.gather(
            *(
                team.call(
                    replica, "anna", "continue_edit_session", session_id=session, prompt=f"sail {replica}"
                )
                for replica in (0, 1)
            )
        )
        assert {turn["turn"] for turn in turns} == {2, 3}
        parents = {turn["turn"]: turn["parent_turn"] for turn in turns}
        assert parents[3] == 2


async def test_a_months_spending_adds_up_to_the_cent_wherever_one_asks(
    start_team: Start, database_url: str, tmp_path: Path
) -> None:
    async with start_team(3) as team:
        calls = [
            team.call(number % 3, person, "generate_image", **{**BOAT, "prompt": f"boat {number}"})
            for number, person in enumerate(["anna", "berta", "anna", "anna", "berta", "anna", "berta"])
        ]
        results = await asyncio.gather(*calls)
        spent = {
            person: (await team.call(replica, person, "find_images", limit=0))
            for replica, person in enumerate(("anna", "berta"))
        }
    paid = sum(Decimal(str(result["cost_usd_estimated"])) for result in results)
    sums = [Decimal(str(found["cost_usd_total"])) for found in spent.values()]
    assert sum(sums) == paid
    assert {Decimal(str(found["group_cost_usd_total"])) for found in spent.values()} == {paid}
    rows = _audit(tmp_path, database_url)
    assert sum(Decimal(row["cost_usd"]) for row in rows) == paid
    assert {row["outcome"] for row in rows} == {"completed"}
    assert len(rows) == len(results)


async def test_what_is_drawn_while_the_database_restarts_is_saved_and_settled(tmp_path: Path) -> None:
    with restartable_postgresql(required(find_postgresql(), "PostgreSQL")) as server:
        database_url = make_database(server.address, "library")
        async with _team(tmp_path, database_url, 2, GPT_IMAGE_INLINE="none") as team:
            drawing = [
                asyncio.create_task(
                    team.call(number % 2, "anna", "generate_image", **{**BOAT, "prompt": f"boat {number}"})
                )
                for number in range(6)
            ]
            await team.until_sent(6)
            await asyncio.to_thread(server.stop)
            await asyncio.sleep(DRAWS_SECONDS)  # the pictures come while there is no database
            await asyncio.to_thread(server.start)
            made = await asyncio.gather(*drawing)
            assert {result["status"] for result in made} == {"completed"}
            found = await team.call(1, "anna", "find_images")
            assert found["total"] == len(team.standin.posts) == 6
            paid = sum(Decimal(str(result["cost_usd_estimated"])) for result in made)
            assert Decimal(str(found["cost_usd_total"])) == paid
            assert "open_calls" not in found


async def test_without_its_database_a_call_is_refused_and_nothing_is_sent(tmp_path: Path) -> None:
    with restartable_postgresql(required(find_postgresql(), "PostgreSQL")) as server:
        async with _team(tmp_path, make_database(server.address, "library"), 1) as team:
            made = await team.call(0, "anna", "generate_image", **BOAT)
            await asyncio.to_thread(server.stop)
            for tool, arguments in (
                ("find_images", {}),
                ("generate_image", {**BOAT, "prompt": "another"}),
                ("get_image", {"ref": made["images"][0]["id"]}),
            ):
                said = await team.call(0, "anna", tool, **arguments)
                assert said.startswith("storage_failed: ")
                assert "Try again in a minute" in said
                assert "postgresql" not in said
            assert len(team.standin.posts) == 1
            await asyncio.to_thread(server.start)
            assert (await _found_again(team))["total"] == 1


@retry(stop=stop_after_delay(30), wait=wait_fixed(0.2), reraise=True)
async def _found_again(team: Team) -> Any:
    found = await team.call(0, "anna", "find_images")
    assert not isinstance(found, str), found
    return found


def _audit(folder: Path, database_url: str) -> list[dict[str, Any]]:
    """What the operator's command writes."""
    done = subprocess.run(
        [sys.executable, "-m", "gpt_image_mcp", "audit"],
        capture_output=True,
        text=True,
        check=True,
        env={"HOME": str(folder), "GPT_IMAGE_DATABASE_URL": database_url, "PATH": "/usr/bin:/bin"},
    )
    return [json.loads(line) for line in done.stdout.splitlines()]
