"""What who waits for a job is told of its progress."""

from __future__ import annotations

import asyncio
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

from gpt_image_mcp.calls.jobs import Job, Jobs
from gpt_image_mcp.values.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable

RESULT, RUNNING = "the result", "still running"


class Work(Job[str]):
    """A job that is a text when it is done."""

    def report(self) -> str:
        """That it is not."""
        return RUNNING


def _job(expected_seconds: float | None = None) -> Job[str]:
    return Work(id="job-1", expected_seconds=expected_seconds)


async def test_progress_names_each_stage_and_never_goes_back() -> None:
    jobs, job, seen = Jobs(), _job(expected_seconds=5), list[Progress]()

    async def watch(progress: Progress) -> None:
        seen.append(progress)

    async def work() -> str:
        steps: list[Callable[[], None]] = [
            partial(job.advance, "checked"),
            job.mark_sent,
            partial(job.receive_partial, lambda: b"x"),
            partial(job.advance, "saved"),
        ]
        for step in steps:
            await asyncio.sleep(0.01)
            step()
        return RESULT

    jobs.start(job, work())
    await jobs.wait(job, seconds=None, watch=watch)
    fractions = [progress.fraction for progress in seen]
    assert fractions == sorted(fractions)
    assert [seen[0].stage, seen[-1].stage] == ["checked", "saved"]
    assert seen[-1].fraction == 1
    messages = " ".join(progress.message for progress in seen)
    assert "usually about 5 s" in messages
    assert "a partial image has arrived" in messages


async def test_stages_entered_at_once_are_each_reported() -> None:
    jobs, job, seen = Jobs(), _job(), list[Progress]()

    async def watch(progress: Progress) -> None:
        seen.append(progress)

    async def work() -> str:
        for stage in ("checked", "uploading", "queued"):
            job.advance(stage)
        job.mark_sent()
        job.advance("saved")
        return RESULT

    jobs.start(job, work())
    await jobs.wait(job, seconds=None, watch=watch)
    assert [progress.stage for progress in seen] == ["checked", "uploading", "queued", "drawing", "saved"]


async def test_a_stage_entered_while_another_is_reported_is_not_lost() -> None:
    jobs, job, seen = Jobs(), _job(), list[str]()
    reporting, entered = asyncio.Event(), asyncio.Event()

    async def watch(progress: Progress) -> None:
        seen.append(progress.stage)
        reporting.set()
        await entered.wait()

    async def work() -> str:
        job.advance("checked")
        await reporting.wait()
        job.mark_sent()
        job.advance("saved")
        entered.set()
        return RESULT

    jobs.start(job, work())
    await jobs.wait(job, seconds=None, watch=watch)
    assert seen == ["checked", "drawing", "saved"]


async def test_a_watcher_hears_only_of_what_is_ahead_of_the_last_report() -> None:
    jobs, job, seen, gate = Jobs(), _job(), list[Progress](), asyncio.Event()

    async def watch(progress: Progress) -> None:
        seen.append(progress)
        asyncio.get_running_loop().call_soon(job.changed.set)
        if len(seen) == 6:
            job.mark_sent()
        if len(seen) == 12:
            job.mark_unsent()
        if len(seen) == 18:
            job.advance("saved")
            gate.set()

    async def work() -> str:
        job.advance("queued")
        await gate.wait()
        return RESULT

    jobs.start(job, work())
    await jobs.wait(job, seconds=None, watch=watch)
    fractions = [progress.fraction for progress in seen]
    assert [progress.stage for progress in seen] == [
        *["queued"] * 6,
        *["drawing"] * 6,
        *["queued"] * 6,
        "saved",
    ]
    assert all(before < after for before, after in pairwise(fractions))
    assert fractions[-1] == 1
