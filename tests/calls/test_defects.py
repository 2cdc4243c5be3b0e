"""Defects of this program: a job is settled and told of all the same, and closing goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gpt_image_mcp import Settings
from gpt_image_mcp.calls.generation import Generation
from gpt_image_mcp.errors import InternalError
from gpt_image_mcp.openai_api import OpenAIApi
from gpt_image_mcp.services.container import Container
from gpt_image_mcp.values.options import OutputOptions
from tests.faults.observed import calls

if TYPE_CHECKING:
    from gpt_image_mcp.calls.paid_call import PaidJob
    from gpt_image_mcp.values.responses import GeneratedImages

SANDBOX = Settings(sandbox=True)


class Defective(Generation):
    """A call that comes upon a defect when its request is out."""

    async def send(self, job: PaidJob) -> GeneratedImages:
        """Sends nothing, says that it did, and breaks."""
        job.mark_sent()
        raise ZeroDivisionError


class Unprepared(Generation):
    """A call that comes upon a defect before its request leaves."""

    async def send(self, job: PaidJob) -> GeneratedImages:
        """Breaks."""
        del job
        raise ZeroDivisionError


class Closing(OpenAIApi):
    """A connection that says whether it was closed."""

    is_closed = False

    async def aclose(self) -> None:
        """Closes."""
        self.is_closed = True


class Stuck(Closing):
    """A connection that cannot be closed."""

    async def aclose(self) -> None:
        """Fails."""
        raise ConnectionAbortedError


async def test_a_defect_in_a_job_is_logged_and_reported_as_internal_to_all_who_ask(
    caplog: pytest.LogCaptureFixture,
) -> None:
    container = Container(SANDBOX)
    runner = await container.runner()
    call = Defective(
        prompt="a fox",
        output=OutputOptions(),
        moderation="auto",
        settings=SANDBOX,
        connections=container.connections,
    )
    with pytest.raises(InternalError) as raised:
        await runner.run(call, idempotency_key="", wait_seconds=None, watch=None)
    (row,) = calls()
    with pytest.raises(InternalError) as collected:
        await runner.collect(row.id, wait_seconds=None, watch=None)
    await container.aclose()
    assert raised.value.code == "internal"
    assert collected.value.message == raised.value.message
    assert row.status == "outcome_unknown"
    assert "ZeroDivisionError" in caplog.text


async def test_a_defect_before_anything_was_sent_costs_nothing() -> None:
    container = Container(SANDBOX)
    runner = await container.runner()
    call = Unprepared(
        prompt="a fox",
        output=OutputOptions(),
        moderation="auto",
        settings=SANDBOX,
        connections=container.connections,
    )
    with pytest.raises(InternalError) as raised:
        await runner.run(call, idempotency_key="", wait_seconds=None, watch=None)
    (row,) = calls()
    await container.aclose()
    assert row.status == "failed"
    assert "nothing is billed" in raised.value.message


async def test_closing_goes_on_when_one_part_fails_to_close() -> None:
    container = Container(SANDBOX)
    other, stuck = Closing(SANDBOX), Stuck(SANDBOX)
    container.connections._apis.update({False: other, True: stuck})  # pyright: ignore[reportPrivateUsage]
    with pytest.raises(ConnectionAbortedError):
        await container.aclose()
    assert other.is_closed
