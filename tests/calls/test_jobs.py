"""Jobs: work that outlives its waiter."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from typing import TYPE_CHECKING

import pytest

from gpt_image_mcp.calls.jobs import Job, Jobs
from gpt_image_mcp.errors import Cancelled, ModerationBlocked, OutcomeUnknown
from gpt_image_mcp.threads import to_the_end

if TYPE_CHECKING:
    from collections.abc import Callable

RESULT, RUNNING = "the result", "still running"


class Work(Job[str]):
    """A job that is a text when it is done."""

    def report(self) -> str:
        """That it is not."""
        return RUNNING


def _job(expected_seconds: float | None = None, call_id: str = "job-1") -> Job[str]:
    return Work(id=call_id, expected_seconds=expected_seconds)


def _waiter(jobs: Jobs, job: Job[str]) -> asyncio.Task[str | None]:
    waiting = jobs.wait(job, seconds=None)
    return asyncio.create_task(waiting)


async def _endless(*steps: Callable[[], object]) -> str:
    """Takes these steps and then goes on until it is stopped."""
    for step in steps:
        step()
    await asyncio.Event().wait()
    return RESULT


async def test_a_finished_job_gives_its_result_and_is_forgotten() -> None:
    jobs, job = Jobs(), _job()

    async def work() -> str:
        return RESULT

    jobs.start(job, work())
    outcome = await jobs.wait(job, seconds=None)
    assert outcome is RESULT
    await asyncio.sleep(0)
    assert jobs.find("job-1") is None


async def test_waiting_ends_in_time_and_the_job_goes_on() -> None:
    jobs, job, gate = Jobs(), _job(), asyncio.Event()
    job.advance("checked")

    async def work() -> str:
        await gate.wait()
        return RESULT

    jobs.start(job, work())
    outcome = await jobs.wait(job, seconds=0)
    assert outcome is None
    outcome = await jobs.wait(job, seconds=0.01)
    assert outcome is None
    assert jobs.find("job-1") is job
    gate.set()
    waiters = [_waiter(jobs, job) for _ in range(3)]
    outcomes = await asyncio.gather(*waiters)
    assert outcomes == [RESULT] * 3


async def test_a_failure_reaches_every_waiter() -> None:
    jobs, job, gate = Jobs(), _job(), asyncio.Event()

    async def work() -> str:
        await gate.wait()
        raise ModerationBlocked("no", next_step="rephrase")

    jobs.start(job, work())
    waiters = [_waiter(jobs, job) for _ in range(2)]
    await asyncio.sleep(0)
    gate.set()
    outcomes = await asyncio.gather(*waiters, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [ModerationBlocked, ModerationBlocked]


async def test_a_cancelled_waiter_leaves_a_sent_request_running() -> None:
    jobs, job, gate, sent = Jobs(), _job(), asyncio.Event(), asyncio.Event()

    async def work() -> str:
        job.mark_sent()
        sent.set()
        await gate.wait()
        return RESULT

    jobs.start(job, work())
    waiter = _waiter(jobs, job)
    await sent.wait()
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    gate.set()
    outcome = await jobs.wait(job, seconds=None)
    assert outcome is RESULT


async def test_a_cancelled_waiter_takes_an_unsent_request_with_it() -> None:
    jobs, job, stopped = Jobs(), _job(), asyncio.Event()

    async def work() -> str:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()
        return RESULT

    jobs.start(job, work())
    waiter = _waiter(jobs, job)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    await asyncio.wait_for(stopped.wait(), 5)


async def test_closing_waits_for_sent_requests_and_stops_the_others() -> None:
    jobs, first, queued, gate = Jobs(), _job(), _job(call_id="job-2"), asyncio.Event()
    sent = asyncio.Event()
    finished: list[str] = []

    async def work(started: Job[str]) -> str:
        if started is first:
            started.mark_sent()
            sent.set()
        await gate.wait()
        finished.append(started.id)
        return RESULT

    jobs.start(first, work(first))
    jobs.start(queued, work(queued))
    waiter = _waiter(jobs, queued)
    await sent.wait()
    asyncio.get_running_loop().call_soon(gate.set)
    closing = asyncio.create_task(jobs.close(grace_seconds=5))
    await closing
    assert finished == ["job-1"]
    with pytest.raises(Cancelled):
        await waiter


async def test_closing_does_not_wait_longer_than_the_grace() -> None:
    jobs, job, sent = Jobs(), _job(), asyncio.Event()

    jobs.start(job, _endless(job.mark_sent, sent.set))
    await sent.wait()
    await jobs.close(grace_seconds=0.01)
    assert jobs.find("job-1") is None
    await jobs.close(grace_seconds=0)


async def test_a_caller_who_will_not_wait_still_hears_of_a_refusal() -> None:
    jobs, job = Jobs(), _job()

    async def work() -> str:
        await asyncio.sleep(0.05)
        raise ModerationBlocked("no", next_step="rephrase")

    jobs.start(job, work())
    with pytest.raises(ModerationBlocked):
        await jobs.wait(job, seconds=0)


async def test_work_that_must_end_is_finished_before_a_cancellation_comes_through() -> None:
    done: list[str] = []

    async def work() -> None:
        await asyncio.sleep(0.02)
        done.append("done")

    task = asyncio.create_task(to_the_end(work()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done == ["done"]


async def test_a_job_whose_id_was_handed_out_outlives_who_stops_waiting_for_it() -> None:
    jobs, job, gate = Jobs(), _job(), asyncio.Event()
    job.is_handed_out = True

    async def work() -> str:
        await gate.wait()
        return RESULT

    jobs.start(job, work())
    waiter = _waiter(jobs, job)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    gate.set()
    assert await jobs.wait(job, seconds=None) is RESULT


async def test_who_has_the_id_already_does_not_wait_for_the_checks() -> None:
    jobs, job = Jobs(checking_seconds=60), _job()
    job.is_handed_out = True

    jobs.start(job, _endless())
    async with asyncio.timeout(20):
        assert await jobs.wait(job, seconds=0) is None
    await jobs.close(grace_seconds=0)


async def test_a_request_that_came_back_unmade_is_stopped_at_the_end_like_one_that_never_left() -> None:
    jobs, job, back = Jobs(), _job(), asyncio.Event()

    jobs.start(job, _endless(job.mark_sent, job.mark_unsent, back.set))
    waiter = _waiter(jobs, job)
    await back.wait()
    async with asyncio.timeout(10):
        await jobs.close(grace_seconds=60)
    with pytest.raises(Cancelled):
        await waiter


async def test_a_request_that_comes_back_unmade_while_the_process_ends_does_not_leave_again() -> None:
    jobs, job, sent, refused = Jobs(), _job(), asyncio.Event(), asyncio.Event()

    async def work() -> str:
        job.mark_sent()
        sent.set()
        await refused.wait()
        return await _endless(job.mark_unsent)

    jobs.start(job, work())
    waiter = _waiter(jobs, job)
    await sent.wait()
    async with asyncio.timeout(10):
        closing = asyncio.create_task(jobs.close(grace_seconds=60))
        asyncio.get_running_loop().call_soon(refused.set)
        await closing
    with pytest.raises(Cancelled):
        await waiter


async def test_closing_does_not_wait_for_ever_for_what_must_be_finished() -> None:
    jobs, job, begun, gate = Jobs(), _job(), asyncio.Event(), asyncio.Event()

    async def stubborn() -> None:
        begun.set()
        await gate.wait()

    async def work() -> str:
        await to_the_end(stubborn())
        return RESULT

    jobs.start(job, work())
    await begun.wait()
    await jobs.close(grace_seconds=0, ending_seconds=0)
    assert jobs.find("job-1") is job
    gate.set()
    await jobs.close(grace_seconds=0)
    assert jobs.find("job-1") is None


async def test_a_job_that_is_being_stopped_is_over_before_the_same_begins_anew() -> None:
    jobs, begun, gate = Jobs(), asyncio.Event(), asyncio.Event()
    job = Work(id="job-1", idempotency_key="same", is_joinable=True)

    async def stubborn() -> None:
        begun.set()
        await gate.wait()

    async def work() -> str:
        await to_the_end(stubborn())
        return RESULT

    async def begin() -> Job[str] | None:
        async with jobs.beginning("same"):
            return jobs.find_same("same")

    jobs.start(job, work())
    await begun.wait()
    assert await begin() is job
    jobs.abandon("job-1")
    asyncio.get_running_loop().call_soon(gate.set)
    assert await begin() is None


@pytest.mark.parametrize("is_refused", [True, False])
async def test_what_was_put_off_is_done_once_when_the_work_has_ended(*, is_refused: bool) -> None:
    jobs, job, done = Jobs(), _job(), list[str]()

    async def clean() -> tuple[str, ...]:
        done.append("cleaned")
        return ("a note",)

    async def work() -> str:
        job.cleanups.append(clean)
        done.append("worked")
        if is_refused:
            raise ModerationBlocked("no", next_step="rephrase")
        assert await job.clean_up() == ("a note",)
        return RESULT

    jobs.start(job, work())
    with pytest.raises(ModerationBlocked) if is_refused else nullcontext():
        await jobs.wait(job, seconds=None)
    assert done == ["worked", "cleaned"]


async def test_who_waits_for_a_request_that_is_cut_off_is_not_told_that_it_was_never_sent() -> None:
    jobs, job, sent = Jobs(), _job(), asyncio.Event()

    jobs.start(job, _endless(job.mark_sent, sent.set))
    waiter = _waiter(jobs, job)
    await sent.wait()
    await jobs.close(grace_seconds=0)
    with pytest.raises(OutcomeUnknown):
        await waiter


async def test_jobs_without_a_key_are_never_the_same() -> None:
    jobs, job = Jobs(), _job()
    jobs.start(job, _endless())
    assert jobs.find_same("") is None
    async with jobs.beginning(""), jobs.beginning(""):
        pass
    await jobs.close(grace_seconds=0)
