"""Editing over real pipes and real HTTP, with a client we did not write and servers that are killed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import sys
from typing import TYPE_CHECKING, Any

import pytest
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from PIL import Image

from gpt_image_mcp.openai_api.sandbox.transport import EDITS, RESPONSES, SandboxTransport
from tests.faults.observed import database_file
from tests.faults.processes import serve_process
from tests.standin import serve_standin

if TYPE_CHECKING:
    from pathlib import Path

QUICK: dict[str, Any] = {"quality": "low", "size": "816x816"}


@pytest.fixture
def photo(project: Path) -> str:
    """A picture of the user's."""
    Image.linear_gradient("L").resize((512, 512)).convert("RGB").save(project / "photo.png")
    return str(project / "photo.png")


def _environment(base_url: str) -> dict[str, str]:
    return {**os.environ, "OPENAI_API_KEY": "sk-test", "OPENAI_BASE_URL": base_url}


@pytest.mark.parametrize("rejects_edits", [False, True])
async def test_edits_batches_and_sessions_work_over_both_routes(photo: str, *, rejects_edits: bool) -> None:
    async with serve_standin(SandboxTransport(rejects_edits=rejects_edits)) as standin:
        server = StdioServerParameters(
            command=sys.executable, args=["-m", "gpt_image_mcp"], env=_environment(standin.base_url)
        )
        async with stdio_client(server) as (read, write), ClientSession(read, write) as session:
            await session.initialize()

            async def call(tool: str, **arguments: Any) -> dict[str, Any]:
                result = await session.call_tool(tool, arguments)
                assert not result.is_error, result.content
                assert result.structured_content is not None
                answer: dict[str, Any] = result.structured_content
                return answer

            region = {"shape": "rectangle", "box": [0, 0, 0.5, 0.5]}
            edited = await call("edit_image", prompt="night", images=[photo], regions=[region], quality="low")
            batch = await call("batch_edit_images", prompt="warmer", images=[photo, photo], **QUICK)
            started = await call("start_edit_session", prompt="red", images=[photo], **QUICK)
            continued = await call("continue_edit_session", session_id=started["session_id"], prompt="bird")
            ended = await call("end_edit_session", session_id=started["session_id"])
        kept = dict(standin.transport.uploads.kept)
        paths = [request.path for request in standin.posts]
    route = "responses" if rejects_edits else "images"
    assert {edited["route"], started["route"], continued["route"]} == {route}
    assert [item["status"] for item in batch["items"]] == ["completed", "completed"]
    assert (continued["turn"], ended["ended"]) == (2, True)
    assert kept == {}
    if rejects_edits:
        assert paths.count(EDITS) == 1
        assert paths.count(RESPONSES) == 5
    else:
        assert paths.count(EDITS) == 5


async def test_a_session_goes_on_after_its_server_was_killed(photo: str) -> None:
    async with serve_standin() as standin:
        async with serve_process(standin) as server:
            started = await server.call("start_edit_session", prompt="red", images=[photo], **QUICK)
            await server.kill()
        async with serve_process(standin) as server:
            continued = await server.call(
                "continue_edit_session", session_id=started["session_id"], prompt="add a bird"
            )
    assert (continued["turn"], continued["parent_turn"]) == (2, 1)


async def test_a_server_killed_in_the_middle_of_a_turn_does_not_block_the_session(photo: str) -> None:
    async with serve_standin() as standin:
        async with serve_process(standin) as server:
            started = await server.call("start_edit_session", prompt="red", images=[photo], **QUICK)
            session_id = started["session_id"]
            arguments = {"session_id": session_id, "prompt": "slow [sandbox:delay=30]"}
            await server.start("continue_edit_session", **arguments)
            async with asyncio.timeout(20):
                while len(standin.posts) < 2:  # noqa: ASYNC110 - the stand-in has no event for it
                    await asyncio.sleep(0.05)
            await server.kill()
        _let_leases_run_out()
        async with serve_process(standin) as server:
            continued = await server.call("continue_edit_session", session_id=session_id, prompt="a bird")
    assert (continued["turn"], continued["parent_turn"]) == (2, 1)


def _let_leases_run_out() -> None:
    """All but a second of the lease of a killed server passes."""
    with contextlib.closing(sqlite3.connect(database_file())) as connection, connection:
        left = "UPDATE sessions SET lease_until = strftime('%s', 'now') + 1 WHERE lease_holder > ''"
        assert connection.execute(left).rowcount == 1


async def test_two_servers_take_turns_on_one_session(photo: str) -> None:
    async with (
        serve_standin() as standin,
        serve_process(standin) as first,
        serve_process(standin) as second,
    ):
        session_id = (await first.call("start_edit_session", prompt="red", images=[photo], **QUICK))[
            "session_id"
        ]
        answers = await asyncio.gather(
            *(
                server.call(
                    "continue_edit_session", session_id=session_id, prompt=f"{name} [sandbox:delay=0.3]"
                )
                for server, name in ((first, "a bird"), (second, "a cat"))
            )
        )
        listed = await second.call("list_edit_sessions")
    assert sorted((answer["turn"], answer["parent_turn"]) for answer in answers) == [(2, 1), (3, 2)]
    assert listed["sessions"][0]["turns"] == 3
