"""Calls whose id was handed out, two that begin at once, and those that wait for a locked database."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import sqlite3
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from fastmcp import Client
from PIL import Image

from gpt_image_mcp import Settings, Studio
from gpt_image_mcp.calls.idempotency import identities, key_of_call
from gpt_image_mcp.errors import BudgetExceeded, Cancelled, InputNotFound, NotFound, StorageFailed
from gpt_image_mcp.server import mcp
from gpt_image_mcp.services.container import Container
from gpt_image_mcp.threads import in_thread
from gpt_image_mcp.values.results import BatchResult, ImageResult
from tests.standin import serve_standin
from tests.web import answer, serve

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator
    from pathlib import Path

    from gpt_image_mcp.values.progress import Progress
    from tests.standin import Standin
    from tests.web import Web

QUICK: dict[str, Any] = {"size": "816x816", "quality": "low"}


@pytest.fixture
def photo(project: Path) -> Path:
    """A picture of the user's."""
    path = project / "photo.png"
    path.write_bytes(_png())
    return path


def _png() -> bytes:
    stream = io.BytesIO()
    Image.linear_gradient("L").resize((256, 256)).convert("RGB").save(stream, "PNG")
    return stream.getvalue()


@contextlib.asynccontextmanager
async def _slow_picture(gate: asyncio.Event) -> AsyncGenerator[Web]:
    """A web server whose picture comes when the gate is opened."""

    async def write(writer: asyncio.StreamWriter) -> None:
        await gate.wait()
        writer.write(answer(_png()))

    async with serve({"/photo.png": write}) as web:
        yield web


def _studio(standin: Standin, **settings: Any) -> Studio:
    return Studio(
        Settings(
            api_key="sk-test",  # type: ignore[arg-type]
            base_url=standin.base_url,
            allow_private_urls=True,
            **settings,
        )
    )


async def _until(condition: Any) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - neither stand-in nor files have an event for it
            await asyncio.sleep(0.01)


def _database() -> Path:
    from platformdirs import user_data_path

    return user_data_path("gpt-image-mcp", appauthor=False) / "library.db"


def _lose_calls(prompt: str) -> list[str]:
    """Makes the calls of a prompt look as if their process had been killed long ago; gives their ids."""
    with contextlib.closing(sqlite3.connect(_database())) as connection, connection:
        lost = connection.execute(
            "UPDATE calls SET status = 'running', finished_at = NULL, result = NULL, alive_until = 1 "
            "WHERE prompt = ? RETURNING id",
            (prompt,),
        )
        return [row[0] for row in lost]


@contextlib.contextmanager
def _locked() -> Generator[None]:
    """Another program writes to the database."""
    with contextlib.closing(sqlite3.connect(_database(), isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        yield


async def test_of_two_servers_that_both_found_nothing_one_pays_and_one_joins() -> None:
    gate = asyncio.Event()
    async with (
        _slow_picture(gate) as web,
        serve_standin() as standin,
        _studio(standin) as first,
        _studio(standin) as second,
    ):
        images, prompt = [web.url("/photo.png")], "night [sandbox:delay=0.3]"
        started = [await studio.edit(prompt, images, wait_seconds=0, **QUICK) for studio in (first, second)]
        await _until(lambda: len(web.heads) == 2)
        gate.set()
        one, other = await asyncio.gather(first.get(started[0].call_id), second.get(started[1].call_id))
    assert isinstance(one, ImageResult)
    assert isinstance(other, ImageResult)
    assert len(standin.posts) == 1
    assert one.images == other.images
    notes = [note for result in (one, other) for note in result.notes if "nothing was paid again" in note]
    assert len(notes) == 1


async def test_a_call_that_was_handed_out_before_it_joined_can_be_collected_by_its_own_id() -> None:
    gate = asyncio.Event()
    async with _slow_picture(gate) as web, serve_standin() as standin:
        images, prompt = [web.url("/photo.png")], "night [sandbox:delay=0.3]"
        async with _studio(standin) as first, _studio(standin) as second:
            calls = [
                asyncio.create_task(studio.edit(prompt, images, wait_seconds=0, **QUICK))
                for studio in (first, second)
            ]
            await _until(lambda: len(web.heads) == 2)
            gate.set()
            started = await asyncio.gather(*calls)
            assert {result.status for result in started} == {"running"}
            assert started[0].call_id != started[1].call_id
            made = [
                await studio.get(result.call_id)
                for studio, result in zip((first, second), started, strict=True)
            ]
        async with _studio(standin) as later:
            again = [await later.get(result.call_id) for result in started]
    assert len(standin.posts) == 1
    results = [result for result in (*made, *again) if isinstance(result, ImageResult)]
    assert len(results) == 4
    assert len({result.images for result in results}) == 1


async def test_of_two_servers_that_are_asked_the_same_batch_at_once_one_pays(photo: Path) -> None:
    async with serve_standin() as standin, _studio(standin) as first, _studio(standin) as second:
        for studio in (first, second):
            await studio.list_sessions()
        with _locked():
            calls = [
                asyncio.create_task(studio.batch_edit("warm", [str(photo)], wait_seconds=0, **QUICK))
                for studio in (first, second)
            ]
            # Both look for the other before one of them can be written down.
            await asyncio.gather(first.list_sessions(), second.list_sessions())
        started = await asyncio.gather(*calls)
        results = [
            await studio.get(result.call_id) for studio, result in zip((first, second), started, strict=True)
        ]
    assert len(standin.posts) == 1
    entries = [entry for result in results if isinstance(result, BatchResult) for entry in result.items]
    assert [entry.status for entry in entries] == ["completed", "completed"]


async def test_a_queued_call_that_turns_out_too_expensive_says_so_to_who_has_its_id(photo: Path) -> None:
    async with serve_standin() as standin:
        async with _studio(standin, daily_budget_usd=Decimal("0.05")) as studio:
            begun = await studio.start_session("red", [str(photo)], **QUICK)
            assert begun.session is not None
            session_id = begun.session.session_id
            # One after the other: the first turn reserves what the second would need.
            slow = await studio.continue_session(
                session_id, "blue [sandbox:delay=0.3]", wait_seconds=0, size="816x816", quality="low"
            )
            queued = await studio.continue_session(
                session_id, "green", wait_seconds=0, size="2048x2048", quality="high"
            )
            assert queued.status == "running"
            with pytest.raises(BudgetExceeded):
                await studio.get(queued.call_id)
            assert isinstance(await studio.get(slow.call_id), ImageResult)
        async with _studio(standin) as later:
            with pytest.raises(BudgetExceeded):
                await later.get(queued.call_id)


async def test_a_queued_call_whose_input_is_missing_says_so_to_who_has_its_id(photo: Path) -> None:
    async with serve_standin() as standin, _studio(standin) as studio:
        begun = await studio.start_session("red", [str(photo)], **QUICK)
        assert begun.session is not None
        session_id = begun.session.session_id
        await studio.continue_session(session_id, "blue [sandbox:delay=0.3]", wait_seconds=0)
        queued = await studio.continue_session(session_id, "green", images=["missing.png"], wait_seconds=0)
        for _ in range(2):
            with pytest.raises(InputNotFound, match=r"missing\.png"):
                await studio.get(queued.call_id)


async def test_a_queued_call_that_a_shutdown_stops_is_remembered_as_cancelled(photo: Path) -> None:
    async with serve_standin() as standin:
        async with _studio(standin) as studio:
            begun = await studio.start_session("red", [str(photo)], **QUICK)
            assert begun.session is not None
            session_id = begun.session.session_id
            await studio.continue_session(session_id, "blue [sandbox:delay=0.3]", wait_seconds=0)
            queued = await studio.continue_session(session_id, "green", wait_seconds=0)
        async with _studio(standin) as later:
            with pytest.raises(Cancelled):
                await later.get(queued.call_id)


async def test_a_refusal_that_nobody_was_given_an_id_of_leaves_no_call() -> None:
    async with Studio(Settings(sandbox=True)) as studio:
        with pytest.raises(InputNotFound):
            await studio.edit("night", ["missing.png"], **QUICK)
        with contextlib.closing(sqlite3.connect(_database())) as connection:
            assert connection.execute("SELECT count(*) FROM calls").fetchone() == (0,)


async def test_the_second_edit_with_a_mask_is_told_how_long_the_first_took(photo: Path) -> None:
    seen: list[str] = []

    async def watch(progress: Progress) -> None:
        seen.append(progress.message)

    region = {"shape": "rectangle", "box": [0, 0, 0.5, 0.5]}
    async with Studio(Settings(sandbox=True)) as studio:
        for prompt in ("a hat [sandbox:delay=0.6]", "a cap"):
            await studio.edit(prompt, [str(photo)], regions=[region], watch=watch, quality="low")
    assert any("usually about" in message for message in seen)


async def test_a_prompt_that_is_not_valid_unicode_is_cleaned_and_drawn() -> None:
    async with Studio(Settings(sandbox=True)) as studio:
        made = await studio.generate("a \ud800fox", **QUICK)
    assert made.prompt == "a fox"
    assert any("broken Unicode" in note for note in made.notes)


async def test_two_first_calls_share_one_holder_of_session_locks() -> None:
    container = Container(Settings(sandbox=True))
    first, second = await asyncio.gather(container.sessions(), container.sessions())
    await container.aclose()
    assert first is second


def test_data_is_told_apart_by_its_digest(photo: Path) -> None:
    settings = Settings(sandbox=True)
    data = "data:image/png;base64," + "A" * 100_000
    same, other, path = identities([data, data + "B", str(photo)], settings)
    assert (len(same), len(other)) == (64, 64)
    assert same != other
    assert str(photo) in path
    assert key_of_call("x", [data], settings) != key_of_call("x", [data + "B"], settings)


async def test_a_finished_image_can_be_collected_while_the_database_is_locked() -> None:
    url = f"sqlite:///{_database()}?timeout=0.05"
    _database().parent.mkdir(parents=True)
    async with Studio(Settings(sandbox=True, database_url=url)) as studio:  # type: ignore[arg-type]
        made = await studio.generate("a fox", **QUICK)
        await studio.generate("a lost fox", **QUICK)
        _lose_calls("a lost fox")
        with _locked():
            assert await studio.get(made.call_id) == made


async def test_others_are_answered_while_a_call_waits_for_the_database(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GPT_IMAGE_SANDBOX", "1")
    async with Client(mcp) as client:
        await client.call_tool("generate_image", {"prompt": "a fox", **QUICK})
        await client.call_tool("generate_image", {"prompt": "a lost fox", **QUICK})
        (job_id,) = _lose_calls("a lost fox")
        with _locked():
            # Whoever asks for a job notes which calls are lost.
            waiting = asyncio.create_task(client.call_tool("get_image", {"ref": job_id, "wait_seconds": 0}))
            for _ in range(3):
                assert (await client.call_tool("estimate_cost", QUICK)).structured_content
            assert not waiting.done()
        assert (await waiting).structured_content


async def test_pictures_are_worked_on_while_images_wait_to_be_written_down(project: Path) -> None:
    folder = project / "out"
    settings = Settings(sandbox=True, output_dir=str(folder))
    many = range((os.cpu_count() or 1) + 1)
    async with Studio(settings) as studio:
        started = [
            await studio.generate(f"fox {number} [sandbox:delay=1]", wait_seconds=0, **QUICK)
            for number in many
        ]
        with _locked():
            await _until(lambda: len(list(folder.glob("image-*"))) == len(many))
            assert await in_thread(len, "four") == 4
            seen = [await studio.get(result.call_id, wait_seconds=0) for result in started]
            assert {result.status for result in seen if isinstance(result, ImageResult)} == {"running"}
        for result in started:
            assert isinstance(await studio.get(result.call_id), ImageResult)


async def test_a_job_that_never_was_is_not_found_in_a_locked_database() -> None:
    async with Studio(Settings(sandbox=True)) as studio:
        await studio.list_sessions()
        with _locked(), pytest.raises(NotFound):
            await studio.get("job-20261121-000000-abcdef")


async def test_a_handed_out_call_that_cannot_be_reserved_fails_with_what_kept_it(photo: Path) -> None:
    _database().parent.mkdir(parents=True)
    url = f"sqlite:///{_database()}?timeout=0.05"
    async with serve_standin() as standin, _studio(standin, database_url=url) as studio:
        begun = await studio.start_session("red", [str(photo)], **QUICK)
        assert begun.session is not None
        session_id = begun.session.session_id
        await studio.continue_session(session_id, "blue [sandbox:delay=0.5]", wait_seconds=0)
        queued = await studio.continue_session(session_id, "green", wait_seconds=0)
        with _locked(), pytest.raises(StorageFailed):
            await studio.get(queued.call_id)
