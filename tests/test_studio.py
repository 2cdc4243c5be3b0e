"""The library use: ``Studio`` without a server in between, and what happens around a paid call."""

from __future__ import annotations

import asyncio
import base64
import json
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from anyio import CancelScope

from gpt_image_mcp import Settings, Studio
from gpt_image_mcp.calls.saving import MOST_SAVED
from gpt_image_mcp.errors import (
    BudgetExceeded,
    InvalidArgument,
    InvalidSetting,
    MissingApiKey,
    NotFound,
    OutcomeUnknown,
    OutputRejected,
)
from gpt_image_mcp.openai_api.sandbox.drawing import Drawing, draw
from gpt_image_mcp.openai_api.sandbox.transport import SandboxTransport
from gpt_image_mcp.values.results import ImageResult
from tests.faults.observed import studio_for
from tests.faults.scripted import held, serve_script
from tests.standin import serve_standin

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from gpt_image_mcp.values.progress import Progress


async def _got(studio: Studio, ref: str, *, wait_seconds: float | None = None) -> ImageResult:
    """What a reference leads to, where that is an image of the library."""
    result = await studio.get(ref, wait_seconds=wait_seconds)
    assert isinstance(result, ImageResult)
    return result


QUICK: dict[str, Any] = {"size": "816x816", "quality": "low"}


def _sandbox(**changes: Any) -> Settings:
    return Settings(sandbox=True, **changes)


async def test_an_image_is_made_saved_and_found_again() -> None:
    async with Studio(_sandbox()) as studio:
        result = await studio.generate("a fox", **QUICK)
        image = result.images[0]
        assert (await _got(studio, image.id)).images == result.images
        assert len(await studio.history.read(image)) == image.size_bytes == image.file_path.stat().st_size
        assert image.uri == f"gpt-image://images/{image.id}"
        assert image.provenance.call_id == result.call_id


async def test_settings_come_from_the_environment_if_none_are_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPT_IMAGE_SANDBOX", "1")
    async with Studio() as studio:
        assert (await studio.generate("a fox", **QUICK)).sandbox
    monkeypatch.setenv("GPT_IMAGE_SANDBOX", "perhaps")
    with pytest.raises(InvalidSetting):
        Studio()


async def test_who_would_wait_beyond_all_clocks_gets_the_image() -> None:
    async with Studio(Settings(sandbox=True)) as studio:
        made = await studio.generate("a fox", wait_seconds=10**400, **QUICK)
        assert isinstance(made, ImageResult)
    async with Studio(Settings(sandbox=True)) as another:
        assert isinstance(await another.get(made.call_id, wait_seconds=10**400), ImageResult)


async def test_the_sandbox_can_be_the_default_model() -> None:
    async with Studio(Settings(model=" Sandbox ")) as studio:
        made = await studio.generate("a fox", **QUICK)
        assert (made.sandbox, made.model) == (True, "gpt-image-2")
        estimate = await studio.estimate(**QUICK)
        assert (estimate.model, estimate.notes) == ("gpt-image-2", ())
        with pytest.raises(MissingApiKey):
            await studio.generate("a fox", model="gpt-image-2", **QUICK)


async def test_the_sandbox_runs_the_configured_model() -> None:
    async with Studio(Settings(model="gpt-image-2.5-flare")) as studio:
        made = await studio.generate("a fox", model="sandbox", **QUICK)
        assert (made.sandbox, made.model) == (True, "gpt-image-2.5-flare")


async def test_a_studio_that_is_not_used_opens_nothing(tmp_path: Path) -> None:
    async with Studio(_sandbox()):
        pass
    assert list((tmp_path / "home").iterdir()) == []


async def test_a_result_is_collected_by_another_studio_after_the_first_is_gone() -> None:
    async with Studio(_sandbox()) as first:
        started = await first.generate("a fox [sandbox:delay=0.1]", wait_seconds=0, **QUICK)
        assert started.status == "running"
        assert (await _got(first, started.call_id, wait_seconds=0)).status == "running"
        made = await _got(first, started.call_id)
    async with Studio(_sandbox()) as second:
        assert await second.get(started.call_id) == made
    assert made.images[0].file_path.is_file()


async def test_a_running_call_of_another_studio_is_running_here_too() -> None:
    async with Studio(_sandbox()) as first, Studio(_sandbox()) as second:
        started = await first.generate("a fox [sandbox:delay=0.3]", wait_seconds=0, **QUICK)
        seen = await _got(second, started.call_id, wait_seconds=0)
        assert (seen.status, seen.prompt, seen.images) == ("running", "a fox [sandbox:delay=0.3]", ())


async def test_the_second_call_of_a_kind_knows_how_long_the_first_took() -> None:
    async with Studio(_sandbox()) as studio:
        await studio.generate("a fox [sandbox:delay=0.2]", **QUICK)
        started = await studio.generate("an owl [sandbox:delay=0.1]", wait_seconds=0, **QUICK)
        assert started.expected_seconds is not None
        assert started.expected_seconds >= 0.2


async def test_a_cancelled_caller_does_not_lose_the_image_that_was_sent_for() -> None:
    seen = asyncio.Event()

    async def watch(progress: Progress) -> None:
        if progress.stage == "drawing":
            seen.set()

    async with Studio(_sandbox()) as studio:
        call = asyncio.create_task(studio.generate("a fox [sandbox:delay=0.2]", watch=watch, **QUICK))
        await asyncio.wait_for(seen.wait(), 20)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        folder = (await studio.generate("an owl", **QUICK)).images[0].file_path.parent
    assert len(list(folder.glob("image-*"))) == 2


async def test_a_call_cancelled_in_the_queue_is_not_sent_and_gives_its_reservation_back() -> None:
    async with serve_standin() as standin:
        settings = Settings(
            api_key="sk-test",  # type: ignore[arg-type]
            base_url=standin.base_url,
            max_concurrency=1,
            daily_budget_usd=Decimal(1),
        )
        async with Studio(settings) as studio:
            first = await studio.generate("a fox [sandbox:delay=0.4]", wait_seconds=0, **QUICK)
            queued = asyncio.Event()

            async def watch(progress: Progress) -> None:
                if progress.stage == "queued":
                    queued.set()

            second = asyncio.create_task(studio.generate("an owl", watch=watch, **QUICK))
            await asyncio.wait_for(queued.wait(), 20)
            second.cancel()
            with pytest.raises(asyncio.CancelledError):
                await second
            done = await _got(studio, first.call_id)
            spent = (await studio.estimate()).budget.spent_today_usd
        assert done.cost is not None
        assert spent == done.cost.usd
        assert len(standin.posts) == 1


async def test_a_shutdown_without_grace_leaves_the_outcome_unknown_and_the_reservation_kept() -> None:
    async with serve_standin() as standin:
        settings = Settings(
            api_key="sk-test",  # type: ignore[arg-type]
            base_url=standin.base_url,
            shutdown_grace_seconds=0,
        )
        sent = asyncio.Event()

        async def watch(progress: Progress) -> None:
            if progress.stage == "drawing":
                sent.set()

        async with Studio(settings) as studio:
            call = asyncio.create_task(studio.generate("a fox [sandbox:delay=5]", watch=watch, **QUICK))
            await asyncio.wait_for(sent.wait(), 20)
        with pytest.raises(OutcomeUnknown):
            await call
        async with Studio(settings) as later:
            assert (await later.estimate()).budget.spent_today_usd > 0


async def test_partial_images_are_seen_by_who_watches() -> None:
    seen: list[str] = []

    async def watch(progress: Progress) -> None:
        seen.append(progress.message)

    async with Studio(_sandbox(partial_images=1)) as studio:
        await studio.generate("a fox", watch=watch, **QUICK)
    assert any("a partial image has arrived" in message for message in seen)


@pytest.mark.parametrize("damage", ["truncated_image", "not_an_image"])
async def test_a_damaged_picture_is_an_unknown_outcome_that_can_be_asked_for_again(damage: str) -> None:
    async with Studio(_sandbox()) as studio:
        started = await studio.generate(f"a fox [sandbox:{damage}]", wait_seconds=0, **QUICK)
        for _ in range(2):
            with pytest.raises(OutcomeUnknown):
                await studio.get(started.call_id)


def _answering(pictures: Sequence[bytes]) -> SandboxTransport:
    """An API that answers whatever is asked with these pictures."""
    data = [{"b64_json": base64.b64encode(picture).decode()} for picture in pictures]

    class Answering(SandboxTransport):
        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            return httpx2.Response(200, content=json.dumps({"data": data}), request=request)

    return Answering()


def _drawn(prompt: str) -> bytes:
    return draw(Drawing(prompt=prompt, model="m", quality="low", width=64, height=64))


async def test_one_damaged_picture_of_several_does_not_cost_the_others(project: Path) -> None:
    whole = _drawn("x")
    async with serve_standin(_answering([whole, whole[:50]])) as standin:
        settings = Settings(
            api_key="sk-test",  # type: ignore[arg-type]
            base_url=standin.base_url,
            output_dir=str(project / "out"),
        )
        async with Studio(settings) as studio:
            result = await studio.generate("a fox", n=3, **QUICK)
    assert len(result.images) == 1
    assert any("Image 2 of 2 arrived damaged" in note for note in result.notes)
    assert any("3 images were asked for, 2 came" in note for note in result.notes)


async def test_of_very_many_pictures_in_an_answer_only_some_are_saved_and_the_answer_is_kept(
    project: Path,
) -> None:
    async with serve_standin(_answering([_drawn("a"), _drawn("b")] * MOST_SAVED)) as standin:
        settings = Settings(
            api_key="sk-test",  # type: ignore[arg-type]
            base_url=standin.base_url,
            output_dir=str(project / "out"),
        )
        async with Studio(settings) as studio:
            result = await studio.generate("a fox", **QUICK)
    assert len(result.images) == len(list((project / "out").glob("*.png"))) == MOST_SAVED
    assert any(f"40 came; the first {MOST_SAVED} were saved" in note for note in result.notes)
    (kept,) = [note for note in result.notes if note.startswith("The answer is kept in ")]
    body = json.loads(Path(kept.removeprefix("The answer is kept in ").rstrip(".")).read_text())
    assert len(body["data"]) == 2 * MOST_SAVED


async def test_a_folder_that_vanishes_during_the_call_does_not_lose_the_image(project: Path) -> None:
    folder = project / "out"
    async with Studio(_sandbox(output_dir=str(folder))) as studio:
        started = await studio.generate("a fox [sandbox:delay=0.3]", wait_seconds=0, **QUICK)
        folder.rmdir()
        folder.write_text("in the way")
        result = await _got(studio, started.call_id)
    assert result.images[0].file_path.is_file()
    assert result.images[0].file_path.parent != folder
    assert any(str(folder) in note for note in result.notes)


async def test_a_per_call_limit_refuses_what_could_cost_more() -> None:
    settings = Settings(api_key="sk-x", max_cost_usd=Decimal("0.1"))  # type: ignore[arg-type]
    async with Studio(settings) as studio:
        with pytest.raises(BudgetExceeded, match=r"\$0\.2107"):
            await studio.generate("a fox", size="1024x1024", quality="high")
        quote = await studio.estimate(size="1024x1024", quality="high")
    assert quote.budget.per_call_usd == Decimal("0.1")


async def test_what_is_refused_leaves_no_call_behind() -> None:
    async with Studio(_sandbox()) as studio:
        with pytest.raises(OutputRejected):
            await studio.generate("a fox", output_dir="/etc", **QUICK)
        with pytest.raises(NotFound):
            await studio.get("job-20261121-000000-abcdef")


async def test_a_database_that_fails_after_the_call_does_not_lose_the_image(tmp_path: Path) -> None:
    import sqlite3

    database = tmp_path / "library.db"
    settings = _sandbox(database_url=f"sqlite:///{database}?timeout=0.05")
    async with Studio(settings) as studio:
        started = await studio.generate("a fox [sandbox:delay=0.5]", wait_seconds=0, **QUICK)
        failing = await studio.generate("a fox [sandbox:delay=0.5] [sandbox:504]", wait_seconds=0, **QUICK)
        lock = sqlite3.connect(database, isolation_level=None)
        lock.execute("BEGIN EXCLUSIVE")
        result, error = await asyncio.gather(
            studio.get(started.call_id), studio.get(failing.call_id), return_exceptions=True
        )
        lock.close()
    assert isinstance(error, OutcomeUnknown)
    assert isinstance(result, ImageResult)
    assert result.images[0].file_path.is_file()
    assert any("not in the history" in note for note in result.notes)
    assert any("could not be settled" in note for note in result.notes)


def test_a_studio_refuses_another_event_loop_before_anything_is_sent() -> None:
    async def sent() -> int:
        async with Studio(_sandbox()) as other:
            return (await other.history.search()).total

    studio = Studio(_sandbox())
    asyncio.run(studio.generate("a fox", **QUICK))
    for call in (studio.generate("an owl", **QUICK), studio.list_sessions()):
        with pytest.raises(InvalidArgument, match="another event loop"):
            asyncio.run(_awaited(call))
    assert asyncio.run(sent()) == 1


async def test_a_closed_studio_says_so() -> None:
    async with Studio(_sandbox()) as studio:
        pass
    with pytest.raises(InvalidArgument, match="closed"):
        await studio.generate("a fox", **QUICK)


async def _awaited(call: Awaitable[object]) -> object:
    return await call


async def test_a_scope_that_is_cancelled_around_a_studio_loses_no_picture_that_was_sent() -> None:
    gate, is_leaving = asyncio.Event(), asyncio.Event()

    async def open_gate_later() -> None:
        await is_leaving.wait()
        gate.set()

    opening = asyncio.create_task(open_gate_later())
    async with serve_script(held(gate)) as endpoint:
        with CancelScope() as scope:
            async with studio_for(endpoint) as studio:
                drawing = asyncio.create_task(studio.generate("a fox", **QUICK))
                await endpoint.received(posts=1)
                scope.cancel()
                is_leaving.set()
                await drawing
        await opening
    async with Studio(_sandbox()) as studio:
        assert (await studio.history.search()).total == 1
