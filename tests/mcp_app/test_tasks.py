"""The tasks extension: a client that speaks it gets a task for what takes long, another waits as before."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Literal

import mcp_types
import pytest
from fastmcp import Client
from mcp.client.extension import ClaimContext, ClientExtension, ResultClaim
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ConfigDict, Field

from gpt_image_mcp.mcp_app.tasks import SPENDING
from gpt_image_mcp.server import mcp
from tests.standin import serve_standin

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

TASKS = "io.modelcontextprotocol/tasks"


class Fields(mcp_types.Result):
    """What is said of a task wherever one is."""

    task_id: str = Field(alias="taskId")
    status: str
    created_at: str = Field(alias="createdAt")
    ttl_ms: int = Field(alias="ttlMs")
    poll_interval_ms: int = Field(alias="pollIntervalMs")
    status_message: str = Field(default="", alias="statusMessage")


class Task(Fields):
    """How far a task is."""

    result_type: Literal["complete"] = Field(alias="resultType")
    result: dict[str, Any] | None = None


class Created(Fields):
    """The answer to a tool call that became a task."""

    result_type: Literal["task"] = Field(alias="resultType")


class Params(mcp_types.RequestParams):
    """Which task is meant."""

    model_config = ConfigDict(populate_by_name=True)

    task_id: str = Field(serialization_alias="taskId")


class Ask(mcp_types.Request[Params, str]):
    """A question about a task."""

    method: str
    params: Params


class Speaker(ClientExtension):
    """A client that speaks tasks, and keeps those it was given."""

    identifier = TASKS

    def __init__(self) -> None:
        self.given: list[str] = []
        self.created: list[str] = []

    def claims(self) -> Sequence[ResultClaim[Any]]:
        """Results that are tasks."""
        versions = frozenset(MODERN_PROTOCOL_VERSIONS)
        return (
            ResultClaim(result_type="task", model=Created, resolve=self.resolve, protocol_versions=versions),
        )

    async def resolve(self, created: Created, _context: ClaimContext) -> mcp_types.CallToolResult:
        """Hands the id out instead of waiting."""
        self.given.append(created.task_id)
        self.created.append(created.created_at)
        text = mcp_types.TextContent(type="text", text=created.status)
        return mcp_types.CallToolResult(content=[text], structured_content={}, is_error=True)


@pytest.fixture
async def speaker(
    sandbox: None, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Client[Any], Speaker]]:
    """A client of the newest protocol that speaks tasks, and is given one without a wait."""
    del sandbox
    monkeypatch.setenv("GPT_IMAGE_TASK_AFTER_SECONDS", "0")
    extension = Speaker()
    async with Client(mcp, extensions=[extension]) as client:
        yield client, extension


async def _ask(client: Client[Any], task_id: str, method: str = "tasks/get") -> Task:
    return await client.session.send_request(Ask(method=method, params=Params(task_id=task_id)), Task)


async def _finished(client: Client[Any], task_id: str) -> mcp_types.CallToolResult:
    async with asyncio.timeout(30):
        while (task := await _ask(client, task_id)).status == "working":  # noqa: ASYNC110 - tasks are polled
            await asyncio.sleep(0.02)
    assert task.result is not None
    return mcp_types.CallToolResult.model_validate(task.result)


async def _start(client: Client[Any], prompt: str, **arguments: Any) -> Any:
    arguments = {"prompt": prompt, "size": "816x816", "quality": "low", **arguments}
    return await client.call_tool("generate_image", arguments, raise_on_error=False)


async def test_a_call_becomes_a_task_that_ends_with_the_result(
    speaker: tuple[Client[Any], Speaker],
) -> None:
    client, extension = speaker
    await _start(client, "a fox [sandbox:delay=0.3]")
    (task_id,) = extension.given
    first = await _ask(client, task_id)
    assert (first.status, first.result_type) == ("working", "complete")
    assert first.poll_interval_ms > 0
    result = await _finished(client, task_id)
    assert result.structured_content is not None
    assert result.structured_content["status"] == "completed"
    assert {block.type for block in result.content} == {"image", "text"}


async def test_a_call_that_is_done_within_the_wait_comes_back_as_its_result(sandbox: None) -> None:
    del sandbox
    extension = Speaker()
    async with Client(mcp, extensions=[extension]) as client:
        result = await _start(client, "a fox [sandbox:delay=0.3]")
    assert result.structured_content["status"] == "completed"
    assert {block.type for block in result.content} == {"image", "text"}
    assert extension.given == []


async def test_a_call_that_outlasts_the_wait_becomes_a_task(
    sandbox: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    del sandbox
    monkeypatch.setenv("GPT_IMAGE_TASK_AFTER_SECONDS", "0.2")
    extension = Speaker()
    async with Client(mcp, extensions=[extension]) as client:
        await _start(client, "a fox [sandbox:delay=2]")
        (task_id,) = extension.given
        assert not (await _finished(client, task_id)).is_error


async def test_a_task_is_a_job_that_get_image_collects_too(speaker: tuple[Client[Any], Speaker]) -> None:
    client, extension = speaker
    await _start(client, "a fox [sandbox:delay=0.2]")
    collected = await client.call_tool("get_image", {"ref": extension.given[0]})
    assert collected.structured_content is not None
    assert collected.structured_content["status"] == "completed"


async def test_a_failure_is_a_result_with_its_code_and_next_step(
    speaker: tuple[Client[Any], Speaker],
) -> None:
    client, extension = speaker
    await _start(client, "a fox [sandbox:delay=0.2] [sandbox:moderation_blocked]")
    result = await _finished(client, extension.given[0])
    assert result.is_error
    (block,) = result.content
    assert isinstance(block, mcp_types.TextContent)
    assert block.text.startswith("moderation_blocked: ")
    assert "Next: " in block.text


async def test_what_is_refused_at_once_is_no_task(speaker: tuple[Client[Any], Speaker]) -> None:
    client, extension = speaker
    refused = await _start(client, "a fox", n=99)
    assert refused.is_error
    assert refused.content[0].text.startswith("invalid_argument")
    assert extension.given == []


async def test_free_tools_answer_as_ever(speaker: tuple[Client[Any], Speaker]) -> None:
    client, extension = speaker
    quoted = await client.call_tool("estimate_cost", {})
    assert quoted.structured_content is not None
    assert extension.given == []


async def test_a_caller_that_says_how_long_to_wait_is_obeyed(speaker: tuple[Client[Any], Speaker]) -> None:
    client, extension = speaker
    result = await _start(client, "a fox", wait_seconds=30)
    assert result.structured_content["status"] == "completed"
    assert extension.given == []


async def test_a_cancelled_task_whose_request_was_sent_is_finished_and_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    extension = Speaker()
    async with serve_standin() as standin:
        monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
        monkeypatch.setenv("OPENAI_BASE_URL", standin.base_url)
        monkeypatch.setenv("GPT_IMAGE_TASK_AFTER_SECONDS", "0")
        async with Client(mcp, extensions=[extension]) as client:
            await _start(client, "a fox [sandbox:delay=0.3]")
            async with asyncio.timeout(30):
                while not standin.posts:  # noqa: ASYNC110 - the stand-in tells by a list
                    await asyncio.sleep(0.01)
            cancel = Ask(method="tasks/cancel", params=Params(task_id=extension.given[0]))
            await client.session.send_request(cancel, mcp_types.Result)
            assert not (await _finished(client, extension.given[0])).is_error


async def test_an_unknown_task_is_said_to_be_unknown(speaker: tuple[Client[Any], Speaker]) -> None:
    client, _ = speaker
    with pytest.raises(MCPError) as caught:
        await _ask(client, "job-20260101-000000-abcdef")
    assert caught.value.error.code == mcp_types.INVALID_PARAMS


@pytest.mark.parametrize("method", ["tasks/get", "tasks/cancel"])
@pytest.mark.parametrize(
    "other", ["photo.png", "https://example.invalid/a.png", "20260101-000000-abcdef", ""]
)
async def test_only_a_job_is_a_task(speaker: tuple[Client[Any], Speaker], other: str, method: str) -> None:
    client, _ = speaker
    with pytest.raises(MCPError) as caught:
        await _ask(client, other, method)
    assert caught.value.error.code == mcp_types.INVALID_PARAMS


async def test_a_task_began_when_its_call_did_however_often_it_is_asked(
    speaker: tuple[Client[Any], Speaker],
) -> None:
    client, extension = speaker
    await _start(client, "a fox [sandbox:delay=1.2]")
    (task_id,) = extension.given
    working = await _ask(client, task_id)
    assert working.status_message == "not finished after 0 s"
    await _finished(client, task_id)
    done = await _ask(client, task_id)
    assert working.created_at == done.created_at == extension.created[0]


async def test_a_client_without_the_extension_cannot_ask_and_waits_as_before(sandbox: None) -> None:
    del sandbox
    async with Client(mcp) as client:
        result = await _start(client, "a fox [sandbox:delay=0.2]")
        assert result.structured_content["status"] == "completed"
        with pytest.raises(MCPError, match=TASKS):
            await _ask(client, "job-20260101-000000-abcdef")


async def test_every_tool_that_spends_can_be_a_task(client: Client[Any]) -> None:
    spending = {
        tool.name
        for tool in await client.list_tools()
        if tool.annotations and tool.annotations.open_world_hint is not False
    }
    assert spending == SPENDING
