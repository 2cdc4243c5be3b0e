"""Batches that are interrupted: what was made is kept, told of, and not paid for again."""

from __future__ import annotations

import asyncio
import math
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from gpt_image_mcp import Settings, Studio, dates
from gpt_image_mcp.catalogue.model_choice import host_of
from gpt_image_mcp.errors import BudgetExceeded, Cancelled, InternalError, InvalidArgument, OutputRejected
from gpt_image_mcp.services.batch_items import BatchItem
from gpt_image_mcp.services.container import Container
from gpt_image_mcp.services.edit_planning import parse_options, quoted
from gpt_image_mcp.services.edits import Edit
from gpt_image_mcp.values.options import OutputOptions
from gpt_image_mcp.values.results import BatchResult
from tests.faults.observed import QUICK, calls
from tests.standin import serve_standin

if TYPE_CHECKING:
    from pathlib import Path

    from tests.standin import Standin

SLOW = "warmer [sandbox:delay=0.3]"


@pytest.fixture
def photos(project: Path) -> list[str]:
    """Three pictures of the user's."""
    paths = [project / f"{name}.png" for name in ("a", "b", "c")]
    for path in paths:
        Image.new("RGB", (256, 256), "navy").save(path)
    return [str(path) for path in paths]


def _studio(standin: Standin, **settings: Any) -> Studio:
    return Studio(Settings.model_validate({"api_key": "sk-test", "base_url": standin.base_url, **settings}))


async def _received(standin: Standin, *, posts: int) -> None:
    async with asyncio.timeout(20):
        while len(standin.posts) < posts:  # noqa: ASYNC110 - the stand-in has no event for it
            await asyncio.sleep(0.01)


async def _collected(studio: Studio, job_id: str) -> BatchResult:
    found = await studio.get(job_id)
    assert isinstance(found, BatchResult)
    return found


async def test_who_stops_waiting_for_a_batch_that_was_handed_out_does_not_stop_it(photos: list[str]) -> None:
    async with serve_standin() as standin, _studio(standin) as studio:
        started = await studio.batch_edit(SLOW, photos, concurrency=1, wait_seconds=0, **QUICK)
        waiting = asyncio.create_task(studio.get(started.call_id))
        await _received(standin, posts=2)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        collected = await _collected(studio, started.call_id)
    assert [item.status for item in collected.items] == ["completed"] * 3
    assert len(standin.posts) == 3


async def test_what_goes_along_with_each_image_is_read_once(photos: list[str], project: Path) -> None:
    style = project / "style.png"
    Image.new("RGB", (64, 64), "gold").save(style)
    async with Studio(Settings(sandbox=True)) as studio:
        begun = await studio.batch_edit(
            SLOW, photos, references=[str(style)], concurrency=1, wait_seconds=0, **QUICK
        )
        style.unlink()
        result = await studio.get(begun.call_id)
    assert isinstance(result, BatchResult)
    assert [entry.status for entry in result.items] == ["completed"] * 3


async def test_a_batch_that_is_stopped_keeps_what_it_made_and_the_same_again_makes_the_rest(
    photos: list[str],
) -> None:
    async with serve_standin() as standin, _studio(standin) as studio:
        started = await studio.batch_edit(SLOW, photos, concurrency=1, wait_seconds=0, **QUICK)
        await _received(standin, posts=2)
        studio.abandon(started.call_id)
        stopped = await _collected(studio, started.call_id)
        assert [item.status for item in stopped.items][0::2] == ["completed", "skipped"]
        again = await studio.batch_edit(SLOW, photos, concurrency=1, **QUICK)
        assert again.call_id != started.call_id
        assert [item.status for item in again.items] == ["completed"] * 3
        assert again.items[0].images == stopped.items[0].images
        assert len(standin.posts) == 3
        await studio.batch_edit(SLOW, photos, concurrency=1, **QUICK)
        assert len(standin.posts) == 6


@pytest.mark.parametrize("wait_seconds", [30, math.inf])
async def test_who_is_let_go_is_told_how_far_a_batch_is_and_its_images_are_still_waited_for(
    photos: list[str], wait_seconds: float
) -> None:
    async with serve_standin() as standin, _studio(standin) as studio:
        call = studio.batch_edit(SLOW, photos, concurrency=1, wait_seconds=wait_seconds, **QUICK)
        waiting = asyncio.create_task(call)
        await _received(standin, posts=2)
        studio.release()
        told = await waiting
        collected = await _collected(studio, told.call_id)
    assert (told.status, [len(item.images) for item in told.items]) == ("running", [1])
    assert [(item.status, len(item.images)) for item in collected.items] == [("completed", 1)] * 3
    assert all(item.cost for item in collected.items)
    assert len(standin.posts) == 3


async def test_a_batch_that_ends_with_its_server_tells_what_was_made_and_the_same_again_makes_the_rest(
    photos: list[str],
) -> None:
    async with serve_standin() as standin:
        async with _studio(standin) as studio:
            call = studio.batch_edit(SLOW, photos, concurrency=1, wait_seconds=30, **QUICK)
            waiting = asyncio.create_task(call)
            await _received(standin, posts=2)
            studio.release()
            told = await waiting
        async with _studio(standin) as studio:
            ended = await _collected(studio, told.call_id)
            again = await studio.batch_edit(SLOW, photos, concurrency=1, **QUICK)
    assert [item.status for item in ended.items] == ["completed", "failed", "skipped"]
    assert [len(item.images) for item in again.items] == [1] * 3
    assert len(standin.posts) == 3


async def test_an_image_that_was_cut_off_is_said_to_be_made_all_the_same(photos: list[str]) -> None:
    async with serve_standin() as standin:
        async with _studio(standin) as studio:
            started = await studio.batch_edit(SLOW, photos, concurrency=1, wait_seconds=0, **QUICK)
            await _received(standin, posts=2)
        async with _studio(standin) as studio:
            stopped = await _collected(studio, started.call_id)
            assert [item.status for item in stopped.items] == ["completed", "failed", "skipped"]
            assert stopped.items[1].error.startswith("outcome_unknown: ")
            await studio.batch_edit(SLOW, photos, concurrency=1, **QUICK)
    assert len(standin.posts) == 3


async def test_a_batch_that_is_stopped_before_an_image_is_done_is_cancelled(photos: list[str]) -> None:
    async with serve_standin() as standin, _studio(standin) as studio:
        started = await studio.batch_edit(SLOW, photos, wait_seconds=0, **QUICK)
        await _received(standin, posts=1)
        studio.abandon(started.call_id)
        with pytest.raises(Cancelled) as caught:
            await studio.get(started.call_id)
        assert caught.value.retryable
        again = await studio.batch_edit(SLOW, photos, **QUICK)
    assert [item.status for item in again.items] == ["completed"] * 3
    assert len(standin.posts) == 3


@pytest.mark.parametrize(
    ("filename", "names"),
    [
        ("fox.png", ["fox-1.png", "fox-2.png", "fox-3.png"]),
        ("art/fox.webp", ["art/fox-1.webp", "art/fox-2.webp", "art/fox-3.webp"]),
        ("art\\fox", ["art/fox-1.png", "art/fox-2.png", "art/fox-3.png"]),
        ('"art/fox.png"', ["art/fox-1.png", "art/fox-2.png", "art/fox-3.png"]),
        ("{name}.png", ["a.png", "b.png", "c.png"]),
        ("art/{name}-night", ["art/a-night.png", "art/b-night.png", "art/c-night.png"]),
        ("{name}/fox.jpg", ["a/fox.jpg", "b/fox.jpg", "c/fox.jpg"]),
    ],
)
async def test_each_image_of_a_batch_has_the_name_asked_for(
    photos: list[str], project: Path, filename: str, names: list[str]
) -> None:
    async with Studio(Settings(sandbox=True)) as studio:
        result = await studio.batch_edit("warmer", photos, filename=filename, output_dir="made", **QUICK)
    made = [image.file_path for item in result.items for image in item.images]
    assert [str(path.relative_to(project / "made")) for path in made] == names


@pytest.mark.parametrize("filename", [".", "/", "art/", "..", "../fox.png", ".png", "fox.xyz"])
async def test_a_name_that_cannot_be_used_is_refused_for_the_whole_batch(
    photos: list[str], project: Path, filename: str
) -> None:
    before = sorted(project.rglob("*"))
    async with Studio(Settings(sandbox=True)) as studio:
        with pytest.raises(OutputRejected):
            await studio.batch_edit("warmer", photos, filename=filename, **QUICK)
    assert sorted(project.rglob("*")) == before


@pytest.mark.parametrize("filename", ["art/{name}.png", "art/{name}"])
async def test_images_of_one_batch_never_replace_each_other(
    photos: list[str], project: Path, filename: str
) -> None:
    twin = project / "other" / "A.png"
    twin.parent.mkdir()
    twin.write_bytes((project / "a.png").read_bytes())
    (project / "art").mkdir()
    (project / "art" / "a.png").write_bytes(b"old")
    inputs = [photos[0], str(twin)]
    async with Studio(Settings(sandbox=True)) as studio:
        result = await studio.batch_edit("warmer", inputs, filename=filename, overwrite=True, **QUICK)
    assert [item.images[0].file_path.name for item in result.items] == ["a.png", "A-2.png"]
    assert sorted(path.name for path in (project / "art").iterdir()) == ["A-2.png", "a.png"]


async def test_lines_of_a_manifest_never_replace_each_other(photos: list[str], project: Path) -> None:
    output = OutputOptions(filename="art/fox.png", overwrite=True, size="816x816", quality="low")
    items = [BatchItem(image=photo, prompt="warmer", output=output) for photo in photos]
    async with Studio(Settings(sandbox=True)) as studio:
        await studio.edit_each(items)
    assert sorted(path.name for path in (project / "art").iterdir()) == ["fox-2.png", "fox-3.png", "fox.png"]


async def test_a_defect_ends_a_batch_that_is_remembered_as_failed(photos: list[str]) -> None:
    """A program passes a size that is no text, which only the second image comes upon."""
    wrong: Any = 5
    items = [
        BatchItem(image=image, prompt="warmer", output=OutputOptions(size=size))
        for image, size in zip(photos, ("816x816", wrong), strict=False)
    ]
    async with serve_standin() as standin, _studio(standin) as studio:
        with pytest.raises(InternalError):
            await studio.edit_each(items, concurrency=1)
    assert len(standin.posts) == 1
    assert "running" not in {call.status for call in calls()}


async def test_a_batch_that_could_cost_more_than_one_call_may_is_refused_as_a_whole(
    photos: list[str],
) -> None:
    async with serve_standin() as standin:
        async with _studio(standin, max_cost_usd=0.04) as studio:
            await studio.edit("warmer", photos[:1], **QUICK)
            for wait_seconds in (None, 0):
                with pytest.raises(BudgetExceeded, match=r"the limit for one call is \$0\.0400"):
                    await studio.batch_edit("warmer", photos, wait_seconds=wait_seconds, **QUICK)
        assert len(standin.posts) == 1
        async with _studio(standin, max_cost_usd=0.12) as studio:
            made = await studio.batch_edit("warmer", photos, **QUICK)
            assert (await studio.estimate()).budget.spent_today_usd < Decimal("0.12")
    assert [len(item.images) for item in made.items] == [1] * 3


async def test_in_the_sandbox_a_batch_is_over_no_limit(photos: list[str]) -> None:
    async with Studio(Settings.model_validate({"sandbox": True, "max_cost_usd": 0})) as studio:
        assert len((await studio.batch_edit("warmer", photos, **QUICK)).items) == 3


async def test_a_batch_of_which_a_part_is_free_is_refused(photos: list[str]) -> None:
    output = OutputOptions(**QUICK)
    items = [BatchItem(image=photo, prompt="warmer", output=output) for photo in photos]
    free = [replace(item, output=replace(output, model="Sandbox")) for item in items]
    async with serve_standin() as standin, _studio(standin) as studio:
        for mixed in ([free[0], *items[1:]], [*items[:2], free[2]]):
            with pytest.raises(InvalidArgument, match="name the model sandbox"):
                await studio.edit_each(mixed)
        assert (await studio.edit_each(free)).sandbox
    async with Studio(Settings(sandbox=True)) as studio:
        assert (await studio.edit_each([free[0], *items[1:]])).sandbox
    assert standin.posts == []


async def test_a_batch_of_a_model_whose_price_is_not_known_is_refused_where_calls_are_limited(
    photos: list[str],
) -> None:
    async with serve_standin() as standin, _studio(standin, max_cost_usd=100) as studio:
        with pytest.raises(BudgetExceeded, match="is not known"):
            await studio.batch_edit("warmer", photos, model="someones-model")
    assert standin.posts == []


@pytest.mark.parametrize("quality", ["low", "high", "auto"])
@pytest.mark.parametrize(
    ("output", "edit"),
    [
        ({}, {}),
        ({"size": "4k"}, {}),
        ({"n": 3}, {}),
        ({"exact_size": "300x200"}, {}),
        ({}, {"regions": [{"box": [0, 0, 0.5, 0.5]}]}),
        ({}, {"mask": "mask.png"}),
        ({"size": "3840x2160"}, {"edit_type": "outpaint"}),
        ({"size": "16:9"}, {"edit_type": "outpaint"}),
        ({}, {"marks": [{"shape": "circle", "box": [0, 0, 0.5, 0.5]}]}),
        ({"model": "older"}, {"mask": "mask.png"}),
        ({"model": "older", "size": "1536x1024"}, {"edit_type": "outpaint"}),
        ({"model": "mini"}, {"regions": [{"box": [0, 0, 0.5, 0.5]}]}),
    ],
)
async def test_what_an_edit_may_cost_is_no_more_than_is_said_before_its_images_are_read(
    project: Path, output: dict[str, Any], edit: dict[str, Any], quality: str
) -> None:
    sizes = [(3000, 2700), (64, 2000), (900, 900), (48, 16)]
    aliases = {"older": "gpt-image-1.5", "mini": "gpt-image-1-mini"}
    settings = Settings.model_validate({"api_key": "sk-test", "model_aliases": aliases})
    async with Studio(settings) as studio:
        services = await Container(studio.settings).edits()
        for size in sizes:
            Image.new("RGB", size, "navy").save(project / "photo.png")
            Image.new("RGBA", size, (0, 0, 0, 0)).save(project / "mask.png")
            call = Edit(
                services=services,
                kind="batch",
                prompt="warmer",
                images=["photo.png"],
                output=OutputOptions(**output, quality=quality),
                options=parse_options(**edit),
            )
            most, plan = call.most_quoted().high_usd, await call.prepare(call.plan("job"))
            dearest = quoted(plan, host_of(studio.settings, dates.today())).high_usd
            assert most is not None
            assert dearest is not None
            assert most >= dearest
