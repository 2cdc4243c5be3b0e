"""The history through a studio: found again, traced, rebuilt and pruned."""

from __future__ import annotations

import io
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
import rich.console

from gpt_image_mcp import Settings, Studio
from gpt_image_mcp.cli.console import lineage_tree
from gpt_image_mcp.errors import InvalidArgument, NotFound, StorageFailed
from gpt_image_mcp.library.store import Library
from gpt_image_mcp.presentation.details import image_details
from gpt_image_mcp.presentation.history import (
    history_content,
    history_text,
    next_step_after_search,
    spending_content,
)
from gpt_image_mcp.values.history import FoundImages, Spending
from gpt_image_mcp.values.results import ImageResult

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from gpt_image_mcp.values.images import StoredImage

QUICK: dict[str, Any] = {"size": "816x816", "quality": "low"}
PART = {"shape": "rectangle", "box": [0, 0, 1, 0.4]}


@pytest.fixture
async def studio(project: Path) -> AsyncGenerator[Studio]:
    """A studio in the sandbox, working for a project."""
    del project
    async with Studio(Settings(sandbox=True)) as opened:
        yield opened


async def _make(studio: Studio, prompt: str = "a red fox in the snow", **options: Any) -> StoredImage:
    return (await studio.generate(prompt, **QUICK, **options)).images[0]


async def test_an_image_is_found_by_a_word_of_its_prompt(studio: Studio) -> None:
    fox = await _make(studio)
    await _make(studio, "a boat")
    found = await studio.history.search(query="SNOW fox")
    assert [(hit.image, hit.file) for hit in found.images] == [(fox, "present")]
    assert (found.total, found.next_offset) == (1, None)


async def test_what_became_of_a_file_is_noticed(studio: Studio) -> None:
    missing, changed = await _make(studio), await _make(studio)
    missing.file_path.unlink()
    changed.file_path.write_bytes(b"drawn over")
    found = await studio.history.search()
    assert [hit.file for hit in found.images] == ["changed", "missing"]


async def test_bytes_that_changed_are_noticed_when_one_image_is_shown(studio: Studio) -> None:
    made = await _make(studio)
    data = bytearray(made.file_path.read_bytes())
    data[-1] ^= 1
    made.file_path.write_bytes(data)
    assert (await studio.history.search()).images[0].file == "present"
    assert (await studio.history.trace(made.id)).file == "changed"


async def test_pages_go_on_until_the_last(studio: Studio) -> None:
    made = [await _make(studio) for _ in range(3)]
    first = await studio.history.search(limit=2)
    assert first.next_offset == 2
    last = await studio.history.search(limit=2, offset=2)
    assert ([hit.image for hit in last.images], last.next_offset) == ([made[0]], None)


@pytest.mark.parametrize(
    ("name", "number"),
    [("limit", -1), ("limit", 101), ("offset", -1), ("offset", 2**63)],
)
async def test_numbers_out_of_range_are_refused(name: str, number: int, studio: Studio) -> None:
    with pytest.raises(InvalidArgument, match=rf"\b{name}\b.*{number}"):
        await studio.history.search(**{name: number})  # type: ignore[arg-type]


async def test_a_time_that_ends_before_it_begins_is_refused(studio: Studio) -> None:
    with pytest.raises(InvalidArgument, match=r"yesterday.*today"):
        await studio.history.search(since="today", until="yesterday")
    assert (await studio.history.search(since="today", until="today")).total == 0


async def test_an_unknown_session_is_said_to_be_unknown(studio: Studio) -> None:
    with pytest.raises(NotFound, match="session-1"):
        await studio.history.search(session_id="session-1")
    fox = await _make(studio)
    started = await studio.start_session("night", [fox.id], **QUICK)
    assert started.session is not None
    assert (await studio.history.search(session_id=started.session.session_id, query="wolf")).total == 0


async def test_a_page_behind_the_last_says_so(studio: Studio) -> None:
    await _make(studio)
    found = await studio.history.search(offset=5)
    assert (found.images, found.total) == ((), 1)
    assert "smaller offset" in next_step_after_search(found)


async def test_the_newest_are_listed_without_their_sums(studio: Studio) -> None:
    made = [await _make(studio, f"fox {number}") for number in range(3)]
    assert await studio.history.newest(2) == (made[2], made[1])


async def test_a_running_call_is_listed_until_it_is_done(studio: Studio) -> None:
    started = await studio.generate("a fox [sandbox:delay=0.5]", wait_seconds=0, **QUICK)
    found = await studio.history.search(since="today")
    assert [(call.id, call.status) for call in found.open_calls] == [(started.call_id, "running")]
    await studio.get(started.call_id)
    assert (await studio.history.search()).open_calls == ()


async def test_an_edit_is_traced_to_what_it_was_made_from_and_on(studio: Studio) -> None:
    fox = await _make(studio)
    edited = (await studio.edit("a hat", [fox.id], regions=[PART], **QUICK)).images[0]
    last = (await studio.edit("night", [edited.id], **QUICK)).images[0]
    lineage = await studio.history.trace(edited.id)
    (as_returned,) = lineage.parents
    assert [relative.image_id for relative in as_returned.beyond] == [fox.id]
    assert [child.image for child in lineage.children] == [last]
    (child,) = (await studio.history.trace(fox.id)).children
    assert [further.image_id for further in child.beyond] == [edited.id]


async def test_who_is_child_and_grandchild_is_listed_as_both(studio: Studio) -> None:
    fox = await _make(studio)
    night = (await studio.edit("night", [fox.id], **QUICK)).images[0]
    both = (await studio.edit("side by side", [night.id, fox.id], **QUICK)).images[0]
    last = (await studio.edit("a frame", [both.id], **QUICK)).images[0]
    family = await studio.history.trace(fox.id)
    assert [child.image_id for child in family.children] == [night.id, both.id]
    of_night, of_both = (child.beyond for child in family.children)
    assert [(further.image_id, further.beyond) for further in of_night] == [(both.id, ())]
    assert [further.image_id for further in of_both] == [last.id]
    ancestors = (await studio.history.trace(both.id)).parents
    assert [parent.image_id for parent in ancestors] == [night.id, fox.id]
    assert [further.image_id for further in ancestors[0].beyond] == [fox.id]
    assert image_details(family).children == [night.id, both.id]


async def test_of_a_large_family_the_direct_relatives_are_complete_and_the_cut_is_said(
    studio: Studio,
) -> None:
    fox = await _make(studio)
    with closing(Library(studio.settings)) as library:
        for number in range(210):
            library.images.add_image(_descendant(fox, number, parent=fox.id))
        library.images.add_image(_descendant(fox, 999, parent=_descendant_id(0)))
    family = await studio.history.trace(fox.id)
    assert len(family.children) == 210
    assert {child.beyond for child in family.children} == {()}
    assert family.is_cut
    assert not (await studio.history.trace(_descendant_id(5))).is_cut
    shown = io.StringIO()
    rich.console.Console(file=shown, width=400).print(lineage_tree(family))
    assert "not shown" in shown.getvalue()


def _descendant_id(number: int) -> str:
    return f"20270101-000000-{number:06x}"


def _descendant(image: StoredImage, number: int, *, parent: str) -> StoredImage:
    """An image as if it had been made from another."""
    made = replace(image.provenance, parents=(parent,))
    return replace(image, id=_descendant_id(number), provenance=made)


async def test_a_chain_of_edits_is_followed_only_so_far(studio: Studio) -> None:
    fox = await _make(studio)
    with closing(Library(studio.settings)) as library:
        for number in range(1200):
            parent = _descendant_id(number - 1) if number else fox.id
            library.images.add_image(_descendant(fox, number, parent=parent))
    for ref in (fox.id, _descendant_id(1199)):
        family = await studio.history.trace(ref)
        assert family.is_cut
        assert len(family.children) + len(family.parents) == 1


async def test_a_removed_relative_is_named_but_unknown(studio: Studio) -> None:
    fox = await _make(studio)
    edited = (await studio.edit("night", [fox.id], **QUICK)).images[0]
    await studio.history.prune(keep_mb=edited.size_bytes / 1e6, is_confirmed=True)
    (parent,) = (await studio.history.trace(edited.id)).parents
    assert (parent.image_id, parent.image) == (fox.id, None)


async def test_a_moved_file_is_recognised_by_its_bytes(studio: Studio, tmp_path: Path) -> None:
    made = await _make(studio)
    moved = made.file_path.rename(tmp_path / "moved.bin")
    assert (await studio.history.trace(str(moved))).image.id == made.id
    assert (await studio.history.search()).images[0].file == "present"


@pytest.mark.parametrize(
    "ref",
    [
        *(
            "20260101-000000-abcdef",
            "job-20260101-000000-abcdef",
            "none.png",
            "",
            "https://example.com/a.png",
        ),
        *("data:image/png;base64," + "A/" * 5_000_000, "iVBORw0KGgo" + "A/" * 5_000_000, "s3://bucket/a.png"),
    ],
    ids=range(8),
)
async def test_an_unknown_image_cannot_be_traced(ref: str, studio: Studio) -> None:
    with pytest.raises(NotFound) as caught:
        await studio.history.trace(ref)
    assert "job" not in caught.value.next_step
    assert len(caught.value.message) < 200


def _database(tmp_path: Path) -> Path:
    return tmp_path / "home" / "data" / "gpt-image-mcp" / "library.db"


async def test_a_lost_database_is_rebuilt_from_the_files(studio: Studio, tmp_path: Path) -> None:
    made = await _make(studio)
    elsewhere = await _make(studio, output_dir=str(tmp_path / "elsewhere" / "deep"))
    renamed = elsewhere.file_path.rename(elsewhere.file_path.with_name("renamed.png"))
    (made.file_path.parent / ".metadata" / "broken.json").write_text("{")
    await studio.aclose()
    for path in _database(tmp_path).parent.glob("library.db*"):
        path.unlink()
    async with Studio(Settings(sandbox=True)) as again:
        rebuilt = await again.history.rebuild([tmp_path / "elsewhere"])
        found = [hit.image for hit in (await again.history.search(query="fox")).images]
    assert (rebuilt.images, rebuilt.set_aside) == (2, None)
    assert [path.name for path in rebuilt.unreadable] == ["broken.json"]
    assert {(image.id, image.file_path) for image in found} == {
        (made.id, made.file_path),
        (elsewhere.id, renamed),
    }


async def test_a_damaged_database_is_set_aside(studio: Studio, tmp_path: Path) -> None:
    made = await _make(studio)
    await studio.aclose()
    _database(tmp_path).write_bytes(b"no database at all " * 100)
    async with Studio(Settings(sandbox=True)) as again:
        with pytest.raises(StorageFailed):
            await again.history.search()
        rebuilt = await again.history.rebuild()
        assert rebuilt.set_aside is not None
        assert rebuilt.set_aside.read_bytes().startswith(b"no database")
        assert [hit.image.id for hit in (await again.history.search()).images] == [made.id]


async def test_rebuilding_keeps_what_the_files_do_not_tell(studio: Studio) -> None:
    made = await _make(studio)
    session = await studio.start_session("night", [made.id], **QUICK)
    await studio.history.rebuild()
    assert session.session is not None
    assert [listed.id for listed in await studio.list_sessions()] == [session.session.session_id]
    assert (await studio.history.search()).total == 2


async def test_pruning_deletes_only_when_told_and_spares_open_sessions(studio: Studio) -> None:
    made = await _make(studio)
    turn = (await studio.start_session("night", [made.id], **QUICK)).images[0]
    planned = await studio.history.prune(keep_mb=0)
    assert (planned.images, planned.is_done) == ((made,), False)
    assert "open session" in planned.kept[0]
    assert made.file_path.exists()
    done = await studio.history.prune(keep_mb=0, is_confirmed=True)
    assert (done.is_done, done.freed_bytes) == (True, made.size_bytes)
    assert not made.file_path.exists()
    assert [hit.image.id for hit in (await studio.history.search()).images] == [turn.id]


async def test_pruning_by_age_leaves_the_young(studio: Studio) -> None:
    await _make(studio)
    assert (await studio.history.prune(older_than="1d", is_confirmed=True)).images == ()
    assert len((await studio.history.prune(older_than="0h")).images) == 1


async def test_pruning_spares_files_that_were_changed_outside(studio: Studio) -> None:
    made = await _make(studio)
    made.file_path.write_bytes(b"my own drawing")
    pruned = await studio.history.prune(keep_mb=0, is_confirmed=True)
    assert pruned.images == ()
    assert "changed outside" in pruned.kept[0]
    assert made.file_path.exists()


async def test_pruning_without_a_limit_is_refused(studio: Studio) -> None:
    with pytest.raises(InvalidArgument):
        await studio.history.prune()


async def test_a_session_id_leads_to_its_last_image(studio: Studio) -> None:
    fox = await _make(studio)
    started = await studio.start_session("night", [fox.id], **QUICK)
    assert started.session is not None
    session_id = started.session.session_id
    last = await studio.continue_session(session_id, "day", **QUICK)
    shown = await studio.get(session_id)
    assert isinstance(shown, ImageResult)
    assert shown.images == last.images
    with pytest.raises(NotFound):
        await studio.get("session-20260101-000000-abcdef")


def test_what_a_list_leaves_out_is_summed_as_others() -> None:
    amounts = {f"day {number}": Decimal(number) for number in range(1, 41)}
    spending = Spending(
        total_usd=Decimal(820), by_day=amounts, by_model={}, by_session={"others": Decimal(2)}
    )
    found = FoundImages(images=(), total=9, next_offset=None, spending=spending, open_calls=())
    by_day = history_content(found, next_step="").cost_usd_by_day
    assert len(by_day) == 32
    assert by_day["others"] == sum(range(32, 41))
    assert sum(by_day.values()) == spending.total_usd
    assert spending_content(spending).cost_usd_by_day == {name: float(usd) for name, usd in amounts.items()}
    assert f"others ${sum(range(8, 41)):.4f}" in history_text(found, "")


async def test_a_sandbox_image_costs_nothing_in_a_list(studio: Studio) -> None:
    await _make(studio)
    found = await studio.history.search()
    content = history_content(found, next_step="")
    (hit,) = content.images
    assert (hit.cost_usd_estimated, hit.sandbox, content.cost_usd_total) == (None, True, 0)
    assert content.unpaid_in_sandbox_usd
    text = history_text(found, "")
    assert "In the sandbox nothing was paid; it would have been $0.00" in text
    assert content.cost_usd_by_day == content.cost_usd_by_model == {}
    assert "By day" not in text
    assert "By model" not in text
