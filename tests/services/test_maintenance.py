"""Upkeep of the library: what is read again, what is deleted, and what is refused."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import re
import sqlite3
import stat
import tempfile
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from gpt_image_mcp import Settings, Studio
from gpt_image_mcp.errors import InvalidArgument, NotFound
from gpt_image_mcp.folders import fallback_folders
from gpt_image_mcp.imaging.containers.png import find_xmp
from gpt_image_mcp.library.sidecars import metadata_path
from gpt_image_mcp.library.store import Library
from gpt_image_mcp.values.results import ImageResult
from tests.faults.observed import database_file

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from pathlib import Path

    from gpt_image_mcp.values.images import StoredImage

QUICK: dict[str, Any] = {"size": "816x816", "quality": "low"}


@pytest.fixture
async def studio(project: Path) -> AsyncGenerator[Studio]:
    """A studio in the sandbox, working for a project."""
    del project
    async with Studio(Settings(sandbox=True)) as opened:
        yield opened


async def _make(studio: Studio, prompt: str = "a red fox in the snow", **options: Any) -> StoredImage:
    return (await studio.generate(prompt, **QUICK, **options)).images[0]


async def _known(studio: Studio) -> list[tuple[str, Path]]:
    """Every image of the history, newest first, with its path."""
    return [(hit.image.id, hit.image.file_path) for hit in (await studio.history.search()).images]


async def _moved(studio: Studio, made: StoredImage, path: Path) -> StoredImage:
    """An image whose file was moved, and recognised at its new place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    made.file_path.rename(path)
    return (await studio.history.trace(str(path))).image


async def test_the_metadata_of_a_file_that_was_moved_stay_at_home_and_know_its_place(
    studio: Studio, tmp_path: Path
) -> None:
    made = await _make(studio)
    moved = await _moved(studio, made, tmp_path / "elsewhere" / "moved.png")
    assert metadata_path(moved) == metadata_path(made)
    assert not (tmp_path / "elsewhere" / ".metadata").exists()
    kept = (await studio.history.prune(keep_mb=0, is_confirmed=True)).kept
    assert kept == (f"{moved.file_path} is in a folder of your own",)
    assert (await studio.history.rebuild()).images == 1
    assert await _known(studio) == [(made.id, moved.file_path)]


@pytest.mark.parametrize("planted", [False, True])
async def test_what_is_in_the_folder_of_last_resort_is_read_again(
    planted: bool,  # noqa: FBT001 - a parameter of a test
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(project.parent))
    if planted:  # whoever has the usual name, another is taken
        (project.parent / f"gpt-image-mcp-{os.getuid()}").touch()
    settings = Settings(sandbox=True)
    async with Studio(settings) as studio:
        made = await _make(studio)
    kept = made.file_path.rename(fallback_folders(settings)[-1] / made.file_path.name)
    (kept.parent / ".metadata").mkdir()
    metadata_path(made).rename(kept.parent / ".metadata" / f"{made.id}.json")
    database_file().unlink()
    async with Studio(settings) as studio:
        assert (await studio.history.rebuild()).images == 1
        assert await _known(studio) == [(made.id, kept)]


async def test_the_metadata_of_a_renamed_file_stay_beside_it(studio: Studio) -> None:
    made = await _make(studio)
    renamed = await _moved(studio, made, made.file_path.with_name("renamed.png"))
    assert metadata_path(renamed).is_file()
    await studio.history.rebuild()
    assert await _known(studio) == [(made.id, renamed.file_path)]


async def test_a_folder_moved_with_its_metadata_keeps_them(studio: Studio, tmp_path: Path) -> None:
    made = await _make(studio, output_dir=str(tmp_path / "old"))
    (tmp_path / "old").rename(tmp_path / "new")
    traced = (await studio.history.trace(str(tmp_path / "new" / made.file_path.name))).image
    assert metadata_path(traced).is_file()
    assert not (tmp_path / "old").exists()


async def test_metadata_that_cannot_follow_stay_where_they_are(studio: Studio, tmp_path: Path) -> None:
    made = await _make(studio)
    target = tmp_path / "full" / "moved.png"
    target.parent.mkdir()
    (target.parent / ".metadata").write_text("a file in the way")
    moved = await _moved(studio, made, target)
    assert moved.file_path == target
    assert metadata_path(made).is_file()


async def test_rebuilding_keeps_what_is_known_of_moved_files(studio: Studio, tmp_path: Path) -> None:
    made = await _make(studio)
    target = tmp_path / "elsewhere" / "moved.png"
    target.parent.mkdir()
    (target.parent / ".metadata").write_text("metadata cannot follow")
    await _moved(studio, made, target)
    await studio.history.rebuild()
    assert await _known(studio) == [(made.id, target)]


async def test_a_copied_folder_does_not_draw_the_images_to_it(studio: Studio, tmp_path: Path) -> None:
    made = await _make(studio)
    copy = tmp_path / "copy"
    (copy / ".metadata").mkdir(parents=True)
    (copy / made.file_path.name).write_bytes(made.file_path.read_bytes())
    (copy / ".metadata" / f"{made.id}.json").write_bytes(metadata_path(made).read_bytes())
    await studio.history.rebuild([copy])
    assert await _known(studio) == [(made.id, made.file_path)]


async def test_renamed_files_of_one_folder_are_told_apart(studio: Studio, tmp_path: Path) -> None:
    folder = tmp_path / "many"
    made = [await _make(studio, f"fox {number}", output_dir=str(folder)) for number in range(3)]
    renamed = {
        image.id: image.file_path.rename(folder / f"{number}.png") for number, image in enumerate(made)
    }
    made[0].file_path.parent.joinpath("0.png").unlink()
    await studio.history.rebuild()
    known = dict(await _known(studio))
    assert {image.id: known[image.id] for image in made[1:]} == {
        image.id: renamed[image.id] for image in made[1:]
    }
    assert known[made[0].id] == made[0].file_path


@pytest.mark.parametrize("name", ["nowhere", "file.txt"])
async def test_rebuilding_from_what_is_no_folder_is_refused(
    studio: Studio, tmp_path: Path, name: str
) -> None:
    (tmp_path / "file.txt").write_text("no folder")
    with pytest.raises(InvalidArgument, match=name):
        await studio.history.rebuild([tmp_path, tmp_path / name])


async def test_without_database_and_metadata_the_files_tell(project: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    settings = Settings(sandbox=True, embed_metadata=True, output_dir=str(folder))
    async with Studio(settings) as studio:
        made = await _make(studio, output_format="webp")
        edited = (await studio.edit("night", [made.id], **QUICK)).images[0]
        known = (await studio.history.trace(edited.id)).image
    for path in [*folder.glob(".metadata/*"), *tmp_path.glob("home/data/gpt-image-mcp/library.db*")]:
        path.unlink()
    (folder / ".metadata").rmdir()
    renamed = made.file_path.rename(folder / "renamed.webp")
    Image.new("RGB", (5, 5)).save(folder / "foreign.png")
    (folder / "broken.png").write_bytes(b"no picture")
    async with Studio(replace_output(settings, project)) as again:
        with pytest.raises(NotFound):
            await again.history.trace(str(renamed))
        rebuilt = await again.history.rebuild([folder])
        assert (rebuilt.images, rebuilt.folders) == (2, (folder,))
        traced = await again.history.trace(str(renamed))
        assert (traced.image.id, traced.image.file_path, traced.file) == (made.id, renamed, "present")
        assert [child.image_id for child in traced.children] == [edited.id]
        found = (await again.history.trace(edited.id)).image
    plain = replace(known.provenance, usage=None, request_id=None, project_dir="")
    assert found == replace(known, provenance=plain)


def replace_output(settings: Settings, folder: Path) -> Settings:
    """The settings with another output folder."""
    return settings.model_copy(update={"output_dir": str(folder)})


async def test_what_cannot_be_read_does_not_end_a_rebuild(studio: Studio, tmp_path: Path) -> None:
    made = await _make(studio)
    (metadata_path(made).parent / "folder.json").mkdir()
    (tmp_path / "odd" / "folder.png").mkdir(parents=True)
    (tmp_path / "odd" / ".metadata").write_text("a file")
    rebuilt = await studio.history.rebuild([tmp_path / "odd"])
    assert rebuilt.images == 1
    assert [path.name for path in rebuilt.unreadable] == ["folder.json"]


@pytest.mark.parametrize(
    "document", ['{"id": "../../../evil"}', "[" * 400_000, '{"cost": "1e9999"}', "no JSON"]
)
async def test_bad_metadata_in_a_picture_are_named_and_skipped(
    studio: Studio, tmp_path: Path, document: str
) -> None:
    settings = Settings(sandbox=True, embed_metadata=True, output_dir=str(tmp_path / "a"))
    async with Studio(settings) as other:
        whole = (await _make(other)).file_path
    packet = re.sub(rb"(<gim:document>).*(</gim:document>)", rb"\1%b\2" % document.encode(), _xmp_of(whole))
    (tmp_path / "b").mkdir()
    with Image.open(whole) as picture:
        picture.save(tmp_path / "b" / "bad.webp", xmp=packet)
    rebuilt = await studio.history.rebuild([tmp_path / "b"])
    assert [path.name for path in rebuilt.unreadable] == ["bad.webp"]


def _xmp_of(path: Path) -> bytes:
    found = find_xmp(path.read_bytes())
    assert found
    return found


async def test_a_forbidden_output_folder_does_not_end_a_rebuild(studio: Studio) -> None:
    await _make(studio)
    async with Studio(Settings(sandbox=True, output_dir="/etc/images")) as guarded:
        assert (await guarded.history.rebuild()).images == 1


async def test_metadata_in_a_file_do_not_replace_what_is_known(tmp_path: Path) -> None:
    settings = Settings(sandbox=True, embed_metadata=True, output_dir=str(tmp_path / "a"))
    async with Studio(settings) as studio:
        made = await _make(studio)
        (tmp_path / "a" / "copy.png").write_bytes(made.file_path.read_bytes())
        await studio.history.rebuild()
        assert (await studio.history.trace(made.id)).image == made
        assert (await studio.history.search()).total == 1


@pytest.mark.parametrize("keep_mb", [-5, math.nan, math.inf])
async def test_a_limit_that_is_none_is_refused(studio: Studio, keep_mb: float) -> None:
    made = await _make(studio)
    with pytest.raises(InvalidArgument, match="keep_mb"):
        await studio.history.prune(keep_mb=keep_mb, is_confirmed=True)
    assert made.file_path.exists()


async def test_an_age_that_is_none_is_refused_under_its_own_name(studio: Studio) -> None:
    with pytest.raises(InvalidArgument, match="older_than"):
        await studio.history.prune(older_than="xx")


async def test_what_is_gone_already_frees_nothing_and_takes_no_room(studio: Studio) -> None:
    kept, gone = await _make(studio, "a boat"), await _make(studio)
    gone.file_path.unlink()
    assert (await studio.history.prune(keep_mb=kept.size_bytes / 1e6)).images == ()
    assert (await studio.history.prune(keep_mb=10**400)).images == ()
    planned = await studio.history.prune(older_than="0h")
    assert [image.id for image in planned.images] == [kept.id, gone.id]
    assert planned.freed_bytes == kept.size_bytes


async def test_what_cannot_be_deleted_is_said_beside_what_went(studio: Studio) -> None:
    stuck, gone = await _make(studio), await _make(studio, "a boat")
    metadata_path(stuck).unlink()
    metadata_path(stuck).mkdir()
    pruned = await studio.history.prune(older_than="0h", is_confirmed=True)
    assert (pruned.images, pruned.freed_bytes) == ((gone,), gone.size_bytes)
    (failure,) = pruned.failed
    assert stuck.id in failure
    assert [known for known, _ in await _known(studio)] == [stuck.id]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")
@pytest.mark.parametrize("which", ["image", "metadata"])
@pytest.mark.parametrize("kind", ["pipe", "socket", "folder", "link"])
async def test_what_took_the_place_of_a_file_of_ours_is_kept(studio: Studio, kind: str, which: str) -> None:
    image = await _make(studio)
    place = image.file_path if which == "image" else metadata_path(image)
    place.unlink()
    make: dict[str, Callable[[], object]] = {
        "pipe": lambda: os.mkfifo(place),
        "socket": lambda: os.mknod(place, stat.S_IFSOCK | 0o600),
        "folder": place.mkdir,
        "link": lambda: place.symlink_to(place.parent.parent / "elsewhere.png"),
    }
    make[kind]()
    for is_confirmed in (False, True):
        pruned = await studio.history.prune(older_than="0h", is_confirmed=is_confirmed)
        assert pruned.images == ()
        assert [*pruned.kept, *pruned.failed]
    assert os.path.lexists(place)
    assert image.file_path.exists() or which == "image"


@pytest.mark.parametrize("is_linked", [False, True])
async def test_of_the_kept_answers_only_those_that_are_ours_go(
    studio: Studio, tmp_path: Path, *, is_linked: bool
) -> None:
    folder = tmp_path / "home/data/gpt-image-mcp/answers"
    folder.parent.mkdir(parents=True, exist_ok=True)
    if is_linked:
        (tmp_path / "photos").mkdir()
        folder.symlink_to(tmp_path / "photos")
    folder.mkdir(exist_ok=True)
    ours = ["job-20260101-120000-abcdef.body", "job-20260101-120000-abcdef-partial-2.png"]
    others = ["photo.png", "notes.txt", "job-1.body", "my-job-20260101-120000-abcdef.body"]
    for name in (*ours, *others):
        (folder / name).touch()
        os.utime(folder / name, (1, 1))
    pruned = await studio.history.prune(older_than="1d", is_confirmed=True)
    assert [path.name for path in pruned.answers] == ([] if is_linked else sorted(ours))
    left = sorted(path.name for path in folder.iterdir())
    assert left == sorted([*others, *ours] if is_linked else others)


def _copies(tmp_path: Path) -> set[str]:
    """The kept start images."""
    return {path.name for path in (tmp_path / "home/data/gpt-image-mcp/inputs").glob("*")}


async def _session(studio: Studio, project: Path, colour: str) -> str:
    """An edit session that started from a picture of this colour; gives its id."""
    Image.new("RGB", (640, 640), colour).save(project / f"{colour}.png")
    started = await studio.start_session("night", [f"{colour}.png"], **QUICK)
    assert started.session is not None
    return started.session.session_id


async def test_start_images_go_with_the_last_session_that_can_use_them(
    studio: Studio, project: Path, tmp_path: Path
) -> None:
    ended = await _session(studio, project, "red")
    (red,) = _copies(tmp_path)
    await _session(studio, project, "blue")
    blue = (_copies(tmp_path) - {red}).pop()
    assert (await studio.history.prune(older_than="1d", is_confirmed=True)).start_images == ()
    await studio.end_session(ended)
    planned = await studio.history.prune(older_than="1d")
    assert [path.name for path in planned.start_images] == [red]
    assert planned.freed_bytes == planned.start_images[0].stat().st_size
    assert _copies(tmp_path) == {red, blue}
    done = await studio.history.prune(older_than="1d", is_confirmed=True)
    assert (done.images, len(done.start_images), done.freed_bytes) == ((), 1, planned.freed_bytes)
    assert _copies(tmp_path) == {blue}
    assert (await studio.history.prune(older_than="1d")).start_images == ()


async def test_a_start_image_that_two_sessions_share_stays_for_the_other(
    studio: Studio, project: Path, tmp_path: Path
) -> None:
    await studio.end_session(await _session(studio, project, "red"))
    other = await _session(studio, project, "red")
    await studio.history.prune(older_than="1d", is_confirmed=True)
    assert len(_copies(tmp_path)) == 1
    again = await studio.continue_session(other, "day", from_turn=0, **QUICK)
    assert again.images


async def test_a_session_whose_images_were_all_deleted_is_forgotten_with_its_start_images(
    project: Path, tmp_path: Path
) -> None:
    async with Studio(Settings(sandbox=True, session_max=1)) as studio:
        closed = await _session(studio, project, "red")
        opened = await _session(studio, project, "blue")
        planned = await studio.history.prune(keep_mb=0)
        assert (len(planned.images), len(planned.start_images)) == (1, 1)
        assert len(_copies(tmp_path)) == 2
        await studio.history.prune(keep_mb=0, is_confirmed=True)
        assert [session.id for session in await studio.list_sessions()] == [opened]
        assert len(_copies(tmp_path)) == 1
        with pytest.raises(NotFound):
            await studio.continue_session(closed, "day")


def _calls_table(project: Path) -> str:
    """All rows of the calls, as text."""
    database = project.parent / "home" / "data" / "gpt-image-mcp" / "library.db"
    with contextlib.closing(sqlite3.connect(database)) as connection:
        return "\n".join(str(row) for row in connection.execute("SELECT * FROM calls"))


async def test_prompts_and_results_of_deleted_images_leave_the_calls_and_their_amounts_stay(
    studio: Studio, project: Path
) -> None:
    gone = await _make(studio, "a secret fox")
    Image.new("RGB", (640, 640), "red").save(project / "red.png")
    edited = (await studio.edit("a secret night", ["red.png"], **QUICK)).images[0]
    batch = await studio.batch_edit("a secret batch", ["red.png"], **QUICK)
    kept = await _make(studio, "a boat")
    with contextlib.closing(Library(studio.settings)) as library:
        before = library.ledger.find_call(gone.provenance.call_id)
        await studio.history.prune(keep_mb=kept.size_bytes / 1e6)
        assert "secret" in _calls_table(project)
        await studio.history.prune(keep_mb=kept.size_bytes / 1e6, is_confirmed=True)
        after = library.ledger.find_call(gone.provenance.call_id)
    assert "secret" not in _calls_table(project)
    assert before is not None
    assert after == replace(before, prompt="", result_json=None)
    still_there = await studio.get(kept.provenance.call_id)
    assert isinstance(still_there, ImageResult)
    assert still_there.images == (kept,)
    async with Studio(studio.settings) as later:
        for call_id in (gone.provenance.call_id, edited.provenance.call_id, batch.call_id):
            with pytest.raises(NotFound):
                await later.get(call_id)


def _is_running(library: Library, call_id: str) -> bool:
    record = library.ledger.find_call(call_id)
    return record is None or record.status == "running"


async def test_what_was_asked_for_and_deleted_is_made_anew_when_it_is_asked_for_again(studio: Studio) -> None:
    started = await studio.generate("a fox [sandbox:delay=0.1]", wait_seconds=0, **QUICK)
    with contextlib.closing(Library(studio.settings)) as library:
        while _is_running(library, started.call_id):  # noqa: ASYNC110 - the library has no event for it
            await asyncio.sleep(0.01)
    await studio.history.prune(older_than="0h", is_confirmed=True)
    async with Studio(studio.settings) as later:
        again = await later.generate("a fox [sandbox:delay=0.1]", **QUICK)
    assert again.call_id != started.call_id
    assert again.images


async def test_a_call_keeps_its_prompt_while_one_of_its_images_is_left(studio: Studio, project: Path) -> None:
    made = (await studio.generate("two foxes", n=2, **QUICK)).images
    made[0].file_path.write_bytes(b"changed outside, so that it stays")
    await studio.history.prune(older_than="0h", is_confirmed=True)
    assert [known for known, _ in await _known(studio)] == [made[0].id]
    assert "two foxes" in _calls_table(project)
