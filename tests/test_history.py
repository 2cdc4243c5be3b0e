"""The history through a studio: found again, traced, rebuilt and pruned."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from gpt_image_mcp import Settings, Studio
from gpt_image_mcp.cli import run
from gpt_image_mcp.errors import InvalidArgument, NotFound, StorageFailed
from gpt_image_mcp.values import ImageResult

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from gpt_image_mcp.edits import EditArguments
    from gpt_image_mcp.values import StoredImage

QUICK: dict[str, Any] = {"size": "816x816", "quality": "low"}
PART: EditArguments = {"regions": [{"shape": "rectangle", "box": [0, 0, 1, 0.4]}]}


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
    found = await studio.history.find(query="SNOW fox")
    assert [(hit.image, hit.file) for hit in found.images] == [(fox, "present")]
    assert (found.total, found.next_offset) == (1, None)


async def test_what_became_of_a_file_is_noticed(studio: Studio) -> None:
    missing, changed = await _make(studio), await _make(studio)
    missing.file_path.unlink()
    changed.file_path.write_bytes(b"drawn over")
    found = await studio.history.find()
    assert [hit.file for hit in found.images] == ["changed", "missing"]


async def test_bytes_that_changed_are_noticed_when_one_image_is_shown(studio: Studio) -> None:
    made = await _make(studio)
    data = bytearray(made.file_path.read_bytes())
    data[-1] ^= 1
    made.file_path.write_bytes(data)
    assert (await studio.history.find()).images[0].file == "present"
    assert (await studio.history.trace(made.id)).file == "changed"


async def test_pages_go_on_until_the_last(studio: Studio) -> None:
    made = [await _make(studio) for _ in range(3)]
    first = await studio.history.find(limit=2)
    assert first.next_offset == 2
    last = await studio.history.find(limit=2, offset=2)
    assert ([hit.image for hit in last.images], last.next_offset) == ([made[0]], None)


@pytest.mark.parametrize("numbers", [{"limit": 0}, {"limit": 101}, {"offset": -1}])
async def test_numbers_out_of_range_are_refused(numbers: dict[str, int], studio: Studio) -> None:
    with pytest.raises(InvalidArgument, match="from 1 to 100"):
        await studio.history.find(**numbers)  # type: ignore[arg-type]


async def test_a_running_call_is_listed_until_it_is_done(studio: Studio) -> None:
    started = await studio.generate("a fox [sandbox:delay=0.5]", wait_seconds=0, **QUICK)
    found = await studio.history.find(since="today")
    assert [(call.id, call.status) for call in found.open_calls] == [(started.call_id, "running")]
    await studio.get(started.call_id)
    assert (await studio.history.find()).open_calls == ()


async def test_an_edit_is_traced_to_what_it_was_made_from_and_on(studio: Studio) -> None:
    fox = await _make(studio)
    edited = (await studio.edit("a hat", [fox.id], edit=PART, **QUICK)).images[0]
    last = (await studio.edit("night", [edited.id], **QUICK)).images[0]
    lineage = await studio.history.trace(edited.id)
    (as_returned,) = lineage.parents
    assert [relative.image_id for relative in as_returned.beyond] == [fox.id]
    assert [child.image for child in lineage.children] == [last]
    (child,) = (await studio.history.trace(fox.id)).children
    assert [further.image_id for further in child.beyond] == [edited.id]


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
    assert (await studio.history.find()).images[0].file == "present"


async def test_an_unknown_image_cannot_be_traced(studio: Studio) -> None:
    with pytest.raises(NotFound):
        await studio.history.trace("20260101-000000-abcdef")


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
        found = [hit.image for hit in (await again.history.find(query="fox")).images]
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
        with pytest.raises(StorageFailed, match="not a database"):
            await again.history.find()
        rebuilt = await again.history.rebuild()
        assert rebuilt.set_aside is not None
        assert rebuilt.set_aside.read_bytes().startswith(b"no database")
        assert [hit.image.id for hit in (await again.history.find()).images] == [made.id]


async def test_rebuilding_keeps_what_the_files_do_not_tell(studio: Studio) -> None:
    made = await _make(studio)
    session = await studio.start_session("night", [made.id], **QUICK)
    await studio.history.rebuild()
    assert session.session is not None
    assert [listed.id for listed in await studio.list_sessions()] == [session.session.session_id]
    assert (await studio.history.find()).total == 2


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
    assert [hit.image.id for hit in (await studio.history.find()).images] == [turn.id]


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
    with pytest.raises(InvalidArgument, match="No limit"):
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
    with pytest.raises(NotFound, match="no edit session"):
        await studio.get("session-20260101-000000-abcdef")


@pytest.fixture
def made(project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """An image made on the command line, in the sandbox."""
    del project
    monkeypatch.setenv("GPT_IMAGE_SANDBOX", "1")
    assert run(["generate", "a red fox in the snow", "--size", "816x816", "--quality", "low", "--json"]) == 0
    return Path(json.loads(capsys.readouterr().out)["images"][0]["file_path"])


def test_the_command_line_finds_an_image_by_a_word(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["history", "snow", "--since", "today", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert [image["file_path"] for image in answer["images"]] == [str(made)]
    assert answer["total"] == 1
    assert run(["history", "fox"]) == 0
    assert str(made) in capsys.readouterr().out


def test_the_command_line_shows_a_lineage(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["edit", "night", str(made), "--quality", "low"]) == 0
    capsys.readouterr()
    assert run(["history", "show", str(made)]) == 0
    shown = capsys.readouterr().out
    assert "made into" in shown
    assert '"night"' in shown
    assert run(["history", "show", str(made), "--json"]) == 0
    lineage = json.loads(capsys.readouterr().out)
    assert lineage["image"]["provenance"]["prompt"] == "a red fox in the snow"
    assert [child["prompt"] for child in lineage["children"]] == ["night"]


def test_the_command_line_sums_what_was_spent(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    del made
    for by in ("day", "model", "session"):
        assert run(["history", "spend", "--by", by]) == 0
        assert "total  $0.0000" in capsys.readouterr().out
    assert run(["history", "spend", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["cost_usd_total"] == 0


def test_the_command_line_prunes_only_with_yes(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["history", "prune", "--keep-mb", "0"]) == 0
    asked = capsys.readouterr()
    assert str(made) in asked.out
    assert "--yes" in asked.err
    assert made.exists()
    assert run(["history", "prune", "--keep-mb", "0", "--yes", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["deleted"] is True
    assert not made.exists()
    assert run(["history", "prune"]) == 1
    assert "--older-than" in capsys.readouterr().err


def test_the_command_line_rebuilds(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (made.parent / ".metadata" / "broken.json").write_text("{")
    assert run(["history", "rebuild", str(made.parent)]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("1 image(s) from 1 folder(s)")
    assert "broken.json" in said.err
