"""The same call again: joined while it runs and until its result was collected, so that nobody pays twice."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from PIL import Image

from gpt_image_mcp import Settings, Studio
from gpt_image_mcp.calls.acknowledgements import held_back
from gpt_image_mcp.errors import ModerationBlocked, OutcomeUnknown, StorageFailed
from gpt_image_mcp.library.store import Library
from gpt_image_mcp.values.results import BatchResult, ImageResult
from tests.standin import serve_standin

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from pathlib import Path

    from gpt_image_mcp.values.progress import Progress
    from tests.standin import Standin

_Result = TypeVar("_Result", ImageResult, BatchResult)
QUICK: dict[str, Any] = {"size": "816x816", "quality": "low"}


@pytest.fixture
def photo(project: Path) -> Path:
    """A picture of the user's."""
    path = project / "photo.png"
    Image.linear_gradient("L").resize((256, 256)).convert("RGB").save(path)
    return path


def _studio(standin: Standin, **settings: Any) -> Studio:
    return Studio(Settings(api_key="sk-test", base_url=standin.base_url, **settings))  # type: ignore[arg-type]


async def _received(standin: Standin, *, posts: int) -> None:
    async with asyncio.timeout(20):
        while len(standin.posts) < posts:  # noqa: ASYNC110 - the stand-in has no event for it
            await asyncio.sleep(0.01)


def _is_joined(result: ImageResult | BatchResult) -> bool:
    return any("nothing was paid again" in note for note in result.notes)


async def test_equal_calls_whose_callers_all_wait_are_a_picture_each() -> None:
    async with serve_standin() as standin, _studio(standin) as studio:
        results = await asyncio.gather(
            *(studio.generate("a fox [sandbox:delay=0.3]", **QUICK) for _ in range(4))
        )
    assert len(standin.posts) == 4
    assert len({result.images for result in results}) == 4
    assert not any(_is_joined(result) for result in results)


async def test_equal_calls_that_do_not_wait_are_made_once() -> None:
    async with serve_standin() as standin, _studio(standin) as studio:
        results = await asyncio.gather(
            *(studio.generate("a fox [sandbox:delay=0.3]", wait_seconds=0, **QUICK) for _ in range(3))
        )
        assert len({result.call_id for result in results}) == 1
        await studio.get(results[0].call_id)
    assert len(standin.posts) == 1


async def test_a_call_is_joined_once_its_caller_was_given_a_job_id() -> None:
    async with serve_standin() as standin, _studio(standin) as studio:
        prompt = "a fox [sandbox:delay=0.6]"
        patient = asyncio.create_task(studio.generate(prompt, **QUICK))
        await _received(standin, posts=1)
        handed_out = await studio.generate(prompt, wait_seconds=0.01, **QUICK)
        assert handed_out.status == "running"
        joined = await studio.generate(prompt, **QUICK)
        assert joined.call_id == handed_out.call_id
        assert any("another picture" in note for note in joined.notes)
        assert (await patient).call_id != joined.call_id
    assert len(standin.posts) == 2


async def test_another_argument_makes_another_call() -> None:
    async with serve_standin() as standin, _studio(standin) as studio:
        slow = "a fox [sandbox:delay=0.2]"
        await asyncio.gather(
            studio.generate(slow, **QUICK),
            studio.generate(slow, size="816x816", quality="medium"),
            studio.generate(slow, filename_prefix="x", **QUICK),
            studio.generate(slow, moderation="low", **QUICK),
        )
    assert len(standin.posts) == 4


async def test_a_result_that_was_delivered_is_made_anew_when_asked_again() -> None:
    async with serve_standin() as standin, _studio(standin) as studio:
        first = await studio.generate("a fox", **QUICK)
        second = await studio.generate("a fox", **QUICK)
    assert len(standin.posts) == 2
    assert first.images != second.images


async def test_a_result_nobody_collected_is_given_to_the_same_call_and_then_no_more() -> None:
    async with serve_standin() as standin:
        async with _studio(standin) as studio:
            started = await studio.generate("a fox [sandbox:delay=0.2]", wait_seconds=0, **QUICK)
            await _received(standin, posts=1)
        # The server stopped, which let the request finish; another one is asked the same.
        async with _studio(standin) as studio:
            again = await studio.generate("a fox [sandbox:delay=0.2]", **QUICK)
            assert again.call_id == started.call_id
            assert _is_joined(again)
            assert len(standin.posts) == 1
            fresh = await studio.generate("a fox [sandbox:delay=0.2]", **QUICK)
    assert not _is_joined(fresh)
    assert len(standin.posts) == 2


async def test_a_cancelled_call_that_is_repeated_is_joined() -> None:
    sent = asyncio.Event()

    async def watch(progress: Progress) -> None:
        if progress.stage == "drawing":
            sent.set()

    async with serve_standin() as standin, _studio(standin) as studio:
        call = asyncio.create_task(studio.generate("a fox [sandbox:delay=0.4]", watch=watch, **QUICK))
        await asyncio.wait_for(sent.wait(), 20)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        again = await studio.generate("a fox [sandbox:delay=0.4]", **QUICK)
    assert _is_joined(again)
    assert len(standin.posts) == 1


async def test_the_same_call_in_another_server_waits_for_the_first() -> None:
    async with serve_standin() as standin, _studio(standin) as first, _studio(standin) as second:
        prompt = "a fox [sandbox:delay=0.6]"
        started = await first.generate(prompt, wait_seconds=0, **QUICK)
        again = await second.generate(prompt, **QUICK)
        assert again.call_id == started.call_id
        assert again.status == "completed"
    assert len(standin.posts) == 1


async def test_a_failure_reaches_everyone_who_joined_and_is_not_joined_later() -> None:
    async with serve_standin() as standin, _studio(standin) as studio:
        prompt = "a fox [sandbox:delay=0.2] [sandbox:moderation_blocked*1]"
        started = await studio.generate(prompt, wait_seconds=0, **QUICK)
        for again in (studio.generate(prompt, **QUICK), studio.get(started.call_id)):
            with pytest.raises(ModerationBlocked):
                await again
        assert (await studio.generate(prompt, **QUICK)).images
    assert len(standin.posts) == 2


async def test_an_edit_is_the_same_only_if_its_inputs_are(photo: Path) -> None:
    async with serve_standin() as standin, _studio(standin) as studio:
        prompt = "night [sandbox:delay=0.3]"
        first = await studio.edit(prompt, [str(photo)], wait_seconds=0, **QUICK)
        same = await studio.edit(prompt, ["photo.png"], **QUICK)
        assert same.call_id == first.call_id
        Image.new("RGB", (256, 256), "red").save(photo)
        changed = await studio.edit(prompt, [str(photo)], **QUICK)
        assert changed.call_id != first.call_id


async def test_a_batch_that_is_repeated_while_it_runs_is_joined(photo: Path) -> None:
    async with serve_standin() as standin, _studio(standin) as studio:
        prompt, photos = "warm [sandbox:delay=0.3]", [str(photo)] * 2
        started = await studio.batch_edit(prompt, photos, wait_seconds=0, **QUICK)
        again = await studio.batch_edit(prompt, photos, **QUICK)
    assert len(standin.posts) == 2
    assert again.call_id == started.call_id
    assert _is_joined(again)


async def test_equal_batches_whose_callers_wait_are_made_each(photo: Path) -> None:
    async with serve_standin() as standin, _studio(standin) as studio:
        results = await asyncio.gather(
            *(studio.batch_edit("warm [sandbox:delay=0.3]", [str(photo)] * 2, **QUICK) for _ in range(2))
        )
    assert len(standin.posts) == 4
    assert not any(_is_joined(result) for result in results)


def _leave_behind(database: Path, call_id: str, *, seconds_ago: float) -> None:
    """Makes a call look as if its process had been killed: running, its last sign of life so long ago."""
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(
            "UPDATE calls SET status = 'running', finished_at = NULL, result = NULL, "
            "cost_nanodollars = NULL, acknowledged_at = NULL, alive_until = ? WHERE id = ?",
            (time.monotonic() - seconds_ago, call_id),
        )


async def test_what_a_crash_cut_off_has_an_unknown_outcome_and_keeps_its_reservation(tmp_path: Path) -> None:
    database = tmp_path / "library.db"
    url = f"sqlite:///{database}"
    async with serve_standin() as standin:
        async with _studio(standin, database_url=url) as studio:
            done = await studio.generate("a fox", **QUICK)
            settled = (await studio.estimate()).budget.spent_today_usd
        _leave_behind(database, done.call_id, seconds_ago=1)
        with contextlib.closing(sqlite3.connect(database)) as connection, connection:
            connection.execute("DELETE FROM images")
        async with _studio(standin, database_url=url) as studio:
            for _ in range(2):
                with pytest.raises(OutcomeUnknown):
                    await studio.get(done.call_id)
            assert (await studio.estimate()).budget.spent_today_usd >= settled
            # The same call is not joined to one that will never end.
            assert not _is_joined(await studio.generate("a fox", **QUICK))


async def test_images_saved_right_before_a_crash_are_found_again_with_what_they_cost(tmp_path: Path) -> None:
    database = tmp_path / "library.db"
    url = f"sqlite:///{database}"
    async with serve_standin() as standin:
        async with _studio(standin, database_url=url) as studio:
            done = await studio.generate("a fox", n=2, **QUICK)
        _leave_behind(database, done.call_id, seconds_ago=1)
        async with _studio(standin, database_url=url) as studio:
            found = await studio.get(done.call_id)
    assert isinstance(found, ImageResult)
    assert (found.images, found.cost) == (done.images, done.cost)
    assert any("stopped after these images were saved" in note for note in found.notes)


async def test_images_saved_before_their_call_failed_are_found_too(tmp_path: Path) -> None:
    database = tmp_path / "library.db"
    url = f"sqlite:///{database}"
    async with serve_standin() as standin, _studio(standin, database_url=url) as studio:
        done = await studio.generate("a fox", **QUICK)
        _leave_behind(database, done.call_id, seconds_ago=-20)
        failing = Library(Settings.model_validate({"database_url": url}))
        failing.ledger.finish_call(
            done.call_id, status="failed", error=StorageFailed("the disk is gone", next_step="Look.")
        )
        failing.close()
        found = await studio.get(done.call_id)
    assert isinstance(found, ImageResult)
    assert found.images == done.images
    assert any("failed after these images were saved: the disk is gone" in note for note in found.notes)


async def test_a_call_that_gave_a_sign_of_life_is_not_given_up(tmp_path: Path) -> None:
    database = tmp_path / "library.db"
    url = f"sqlite:///{database}"
    async with serve_standin() as standin, _studio(standin, database_url=url) as studio:
        done = await studio.generate("a fox", **QUICK)
        _leave_behind(database, done.call_id, seconds_ago=-20)
        found = await studio.get(done.call_id, wait_seconds=0)
    assert isinstance(found, ImageResult)
    assert found.status == "running"


async def _unanswered(call: Awaitable[_Result]) -> _Result:
    """The result of a call whose client is gone before it is answered."""
    results: list[_Result] = []
    with contextlib.suppress(ConnectionError), held_back():
        results.append(await call)
        raise ConnectionError
    return results[0]


@pytest.mark.parametrize(
    "settings",
    [
        {"sandbox": True},
        {"model": "gpt-image-2.5-flare"},
        {"quality": "high"},
        {"output_dir": "elsewhere"},
        {"project_dir": "elsewhere"},
        {"force_responses_edits": True},
    ],
)
async def test_what_was_made_under_other_settings_is_not_given_to_the_same_words(
    settings: dict[str, Any], project: Path
) -> None:
    if "project_dir" in settings:
        settings = {"project_dir": str(project / settings["project_dir"])}
    async with serve_standin() as standin:
        async with _studio(standin, **settings) as studio:
            await _unanswered(studio.generate("a fox", size="1024x1024"))
            assert _is_joined(await _unanswered(studio.generate("a fox", size="1024x1024")))
        async with _studio(standin) as studio:
            made = await studio.generate("a fox", size="1024x1024")
    assert not _is_joined(made)
    assert not made.sandbox


async def test_what_another_endpoint_made_is_not_given_to_the_same_words() -> None:
    async with serve_standin() as one, serve_standin() as other:
        async with _studio(one) as studio:
            await _unanswered(studio.generate("a fox", **QUICK))
        async with _studio(other) as studio:
            made = await studio.generate("a fox", **QUICK)
    assert not _is_joined(made)
    assert len(other.posts) == 1


async def test_a_batch_of_the_sandbox_is_not_given_to_one_with_a_key(photo: Path) -> None:
    async with serve_standin() as standin:
        async with _studio(standin, sandbox=True) as studio:
            await _unanswered(studio.batch_edit("warm", [str(photo)], **QUICK))
        async with _studio(standin) as studio:
            made = await studio.batch_edit("warm", [str(photo)], **QUICK)
    assert not _is_joined(made)
    assert len(standin.posts) == 1


async def test_a_result_whose_answer_was_never_built_is_given_to_the_same_call() -> None:
    async with serve_standin() as standin, _studio(standin) as studio:
        await _unanswered(studio.generate("a fox", **QUICK))
        assert _is_joined(await studio.generate("a fox", **QUICK))
        assert not _is_joined(await studio.generate("a fox", **QUICK))
    assert len(standin.posts) == 2


async def test_a_result_whose_file_is_gone_is_made_anew() -> None:
    async with serve_standin() as standin, _studio(standin) as studio:
        await _unanswered(studio.generate("a fox", **QUICK))
        for hit in (await studio.history.search()).images:
            hit.image.file_path.unlink()
        again = await studio.generate("a fox", **QUICK)
        assert not _is_joined(again)
        assert again.images[0].file_path.is_file()
    assert len(standin.posts) == 2


async def test_a_turn_that_was_gone_on_from_is_not_given_to_the_same_words(photo: Path) -> None:
    async with serve_standin() as standin, _studio(standin) as studio:
        first = await studio.start_session("night", [str(photo)], **QUICK)
        assert first.session is not None
        session_id = first.session.session_id
        await _unanswered(studio.continue_session(session_id, "brighter", **QUICK))
        await studio.continue_session(session_id, "rotated", **QUICK)
        again = await studio.continue_session(session_id, "brighter", **QUICK)
        assert not _is_joined(again)
        assert again.session is not None
        assert (again.session.turn, again.session.parent_turn) == (4, 3)
    assert len(standin.posts) == 4


async def test_a_result_is_delivered_when_its_answer_is_built() -> None:
    async with serve_standin() as standin, _studio(standin) as studio:
        with held_back():
            await studio.generate("a fox", **QUICK)
        assert not _is_joined(await studio.generate("a fox", **QUICK))


async def test_of_two_servers_that_are_asked_the_same_at_once_each_makes_a_picture() -> None:
    prompt = "a fox [sandbox:delay=0.3]"
    async with serve_standin() as standin, _studio(standin) as first, _studio(standin) as second:
        results = await asyncio.gather(first.generate(prompt, **QUICK), second.generate(prompt, **QUICK))
    assert len(standin.posts) == 2
    assert not any(_is_joined(result) for result in results)


async def test_of_two_servers_that_are_asked_at_once_for_the_same_job_one_pays() -> None:
    prompt = "a fox [sandbox:delay=0.3]"
    async with serve_standin() as standin, _studio(standin) as first, _studio(standin) as second:
        for studio in (first, second):
            await studio.list_sessions()
        started = await asyncio.gather(
            *(studio.generate(prompt, wait_seconds=0, **QUICK) for studio in (first, second))
        )
        results = [
            await studio.get(result.call_id) for studio, result in zip((first, second), started, strict=True)
        ]
    assert len(standin.posts) == 1
    assert all(isinstance(result, ImageResult) for result in results)


async def test_a_caller_that_another_server_serves_and_that_is_gone_is_joined_here() -> None:
    prompt = "a fox [sandbox:delay=0.6]"
    async with serve_standin() as standin, _studio(standin) as first, _studio(standin) as second:
        call = asyncio.create_task(first.generate(prompt, **QUICK))
        await _received(standin, posts=1)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        again = await second.generate(prompt, **QUICK)
    assert _is_joined(again)
    assert len(standin.posts) == 1


async def test_a_batch_that_another_server_runs_is_running_here_too(photo: Path) -> None:
    async with serve_standin() as standin, _studio(standin) as first, _studio(standin) as second:
        prompt = "warm [sandbox:delay=0.6]"
        started = await first.batch_edit(prompt, [str(photo)] * 2, wait_seconds=0, **QUICK)
        await _received(standin, posts=2)
        joined = await second.batch_edit(prompt, [str(photo)] * 2, wait_seconds=0, **QUICK)
        assert (joined.status, joined.call_id, joined.items) == ("running", started.call_id, ())
        assert _is_joined(joined)
        assert isinstance(await second.get(started.call_id, wait_seconds=0), BatchResult)
        done = await second.batch_edit(prompt, [str(photo)] * 2, **QUICK)
        assert [entry.status for entry in done.items] == ["completed", "completed"]
    assert len(standin.posts) == 2


def _let_process_be_gone(database: Path, call_id: str) -> None:
    """Makes a call look as if the process that made it had ended."""
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        (process,) = connection.execute("SELECT process FROM calls WHERE id = ?", (call_id,)).fetchone()
        machine, number, began = process.rsplit("|", 2)
        earlier = f"{machine}|{number}|{float(began) - 3600}"
        connection.execute("UPDATE calls SET process = ? WHERE id = ?", (earlier, call_id))


async def test_a_call_whose_process_is_gone_is_given_up_before_its_sign_of_life_is_overdue(
    tmp_path: Path,
) -> None:
    database = tmp_path / "library.db"
    async with (
        serve_standin() as standin,
        _studio(standin, database_url=f"sqlite:///{database}") as studio,
    ):
        done = await studio.generate("a fox", **QUICK)
        _leave_behind(database, done.call_id, seconds_ago=-20)
        _let_process_be_gone(database, done.call_id)
        found = await studio.get(done.call_id, wait_seconds=0)
        assert isinstance(found, ImageResult)
        assert (found.status, found.images) == ("completed", done.images)
        assert not _is_joined(await studio.generate("a fox", **QUICK))


async def test_a_result_whose_process_ended_before_it_was_received_is_given_to_the_same_call(
    tmp_path: Path,
) -> None:
    database = tmp_path / "library.db"
    url = f"sqlite:///{database}"
    async with serve_standin() as standin:
        async with _studio(standin, database_url=url) as studio:
            done = await studio.generate("a fox", **QUICK)
        with contextlib.closing(sqlite3.connect(database)) as connection, connection:
            connection.execute("UPDATE calls SET acknowledged_at = NULL")
        _let_process_be_gone(database, done.call_id)
        async with _studio(standin, database_url=url) as studio:
            assert _is_joined(await studio.generate("a fox", **QUICK))
    assert len(standin.posts) == 1
