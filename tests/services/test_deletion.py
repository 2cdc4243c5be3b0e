"""Deleting one image: what goes, what stays, and what is refused and left as it was."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from gpt_image_mcp import Settings, Studio
from gpt_image_mcp.errors import (
    ImageError,
    InputNotFound,
    InputRejected,
    InvalidArgument,
    NotFound,
    OutputRejected,
    StorageFailed,
)
from gpt_image_mcp.imaging.preview_cache import LARGE_PREVIEWS
from gpt_image_mcp.library.sidecars import metadata_path
from gpt_image_mcp.presentation.deletion import deletion_text
from gpt_image_mcp.presentation.details import image_details
from gpt_image_mcp.values.results import BatchResult, ImageResult

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
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
    return (await studio.generate(prompt, **{**QUICK, **options})).images[0]


def _rows(tmp_path: Path) -> str:
    """All that the database holds, as text."""
    database = tmp_path / "home" / "data" / "gpt-image-mcp" / "library.db"
    with contextlib.closing(sqlite3.connect(database)) as connection:
        return "\n".join(connection.iterdump())


async def _is_whole(studio: Studio, image: StoredImage) -> bool:
    found = await studio.history.search(limit=100)
    known = image.id in [hit.image.id for hit in found.images]
    return known and image.file_path.is_file() and metadata_path(image).is_file()


async def test_without_confirmation_it_is_only_said_what_would_go(studio: Studio) -> None:
    image = await _make(studio)
    child = (await studio.edit("night", [image.id], **QUICK)).images[0]
    planned = await studio.delete(image.id)
    assert (planned.image, planned.file, planned.is_done) == (image, "present", False)
    assert (planned.parents, planned.children) == ((), (child.id,))
    assert (await studio.delete(child.id)).parents == (image.id,)
    assert await _is_whole(studio, image)


async def test_the_same_picture_as_returned_is_named_because_it_stays(studio: Studio) -> None:
    image = await _make(studio, size="auto", exact_size="500x300")
    (returned,) = image.provenance.parents
    planned = await studio.delete(image.id)
    assert planned.as_returned == returned
    assert f"Image {returned}, the same picture as the API returned it, stays" in deletion_text(planned, "")
    child = (await studio.edit("night", [returned], **QUICK)).images[0]
    assert (await studio.delete(child.id)).as_returned == ""


@pytest.mark.parametrize("by", ["id", "uri", "path", "relative path", "file URL"])
async def test_a_confirmed_deletion_leaves_nothing_but_the_cost(
    studio: Studio, project: Path, tmp_path: Path, by: str
) -> None:
    image = await _make(studio, "a secret fox", size="2048x2048", filename="assets/fox.png")
    await studio.preview(await studio.get(image.id))
    assert LARGE_PREVIEWS.get(image.sha256)
    refs = {
        "id": image.id,
        "uri": image.uri,
        "path": str(image.file_path),
        "relative path": "assets/fox.png",
        "file URL": image.file_path.as_uri(),
    }
    done = await studio.delete(refs[by], confirm=True)
    assert done.is_done
    assert list((project / "assets").iterdir()) == []
    assert not metadata_path(image).exists()
    assert not LARGE_PREVIEWS.get(image.sha256)
    assert "secret" not in _rows(tmp_path)
    assert (await studio.history.search()).total == 0


async def test_other_images_of_a_folder_and_a_call_stay(studio: Studio) -> None:
    gone, kept = (await studio.generate("two foxes", n=2, **QUICK)).images
    await studio.delete(gone.id, confirm=True)
    assert await _is_whole(studio, kept)
    assert kept.file_path.parent == gone.file_path.parent


async def test_a_second_deletion_says_when_the_first_was(studio: Studio) -> None:
    image = await _make(studio)
    await studio.delete(image.id, confirm=True)
    for ref in (image.id, image.uri):
        for confirm in (False, True):
            with pytest.raises(NotFound, match=f"{image.id} was deleted on 20"):
                await studio.delete(ref, confirm=confirm)
    with pytest.raises(NotFound, match="no file"):
        await studio.delete(str(image.file_path), confirm=True)
    with pytest.raises(NotFound, match="was deleted"):
        await studio.get(image.id)


async def test_links_in_a_circle_lead_to_no_image(studio: Studio, project: Path) -> None:
    (project / "loop.png").symlink_to("loop.png")
    for ref in ("loop.png", "loop.png/x.png", (project / "loop.png").as_uri()):
        with pytest.raises((InputNotFound, InputRejected, NotFound)):
            await studio.delete(ref, confirm=True)
        with pytest.raises((InputRejected, NotFound)):
            await studio.get(ref)


async def test_an_image_that_never_was_is_not_found(studio: Studio) -> None:
    with pytest.raises(NotFound, match="has no image"):
        await studio.delete("20260101-000000-ffffff", confirm=True)


async def test_children_stay_and_their_lineage_says_that_the_parent_was_deleted(studio: Studio) -> None:
    parent = await _make(studio)
    child = (await studio.edit("night", [parent.id], **QUICK)).images[0]
    await studio.delete(parent.id, confirm=True)
    assert await _is_whole(studio, child)
    lineage = await studio.history.trace(child.id)
    (relative,) = lineage.parents
    assert (relative.image_id, relative.image, relative.is_deleted) == (parent.id, None, True)
    assert image_details(lineage).deleted_parents == [parent.id]


async def test_parents_stay(studio: Studio) -> None:
    parent = await _make(studio)
    child = (await studio.edit("night", [parent.id], **QUICK)).images[0]
    await studio.delete(child.id, confirm=True)
    assert await _is_whole(studio, parent)
    assert (await studio.history.trace(parent.id)).children == ()


async def test_no_rebuild_brings_a_deleted_image_back(project: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    async with Studio(Settings(sandbox=True, embed_metadata=True, output_dir=str(folder))) as studio:
        image, kept = await _make(studio), await _make(studio, "a boat")
        copy = tmp_path / "copy"
        (copy / ".metadata").mkdir(parents=True)
        (copy / image.file_path.name).write_bytes(image.file_path.read_bytes())
        described = copy / ".metadata" / f"{image.id}.json"
        described.write_bytes(metadata_path(image).read_bytes())
        await studio.delete(image.id, confirm=True)
        rebuilt = await studio.history.rebuild([copy, project])
        assert (rebuilt.images, rebuilt.unreadable) == (1, (described,))
        described.unlink()
        assert (await studio.history.rebuild([copy])).images == 1
        assert [hit.image.id for hit in (await studio.history.search()).images] == [kept.id]
        spending = (await studio.history.search(limit=1)).spending
        assert spending.deleted == 1


@pytest.mark.parametrize("change", ["other bytes", "same size", "link", "folder"])
async def test_a_file_that_was_changed_since_is_refused_and_left_alone(
    studio: Studio, tmp_path: Path, change: str
) -> None:
    image = await _make(studio)
    path, data = image.file_path, image.file_path.read_bytes()
    path.unlink()
    if change == "link":
        (tmp_path / "mine.png").write_bytes(data)
        path.symlink_to(tmp_path / "mine.png")
    elif change == "folder":
        path.mkdir()
    else:
        path.write_bytes(data + b"!" if change == "other bytes" else data[:-1] + b"!")
    for confirm in (False, True):
        with pytest.raises(InputRejected) as refused:
            await studio.delete(image.id, confirm=confirm)
        assert "nothing was deleted" in refused.value.message
    assert path.exists()
    assert metadata_path(image).is_file()
    path.rmdir() if change == "folder" else path.unlink()
    left = await studio.delete(image.id, confirm=True)
    assert left.file == "missing"
    assert not metadata_path(image).exists()
    if change == "link":
        assert (tmp_path / "mine.png").read_bytes() == data


async def test_of_an_image_that_another_replaced_only_the_entry_goes(studio: Studio, project: Path) -> None:
    old = await _make(studio, "old", filename="logo.png", output_dir=".")
    new = await _make(studio, "new", filename="logo.png", output_dir=".", overwrite=True)
    assert new.file_path == old.file_path == project / "logo.png"
    assert (await studio.delete(old.id, confirm=True)).file == "missing"
    assert await _is_whole(studio, new)
    assert (await studio.delete("logo.png", confirm=True)).image.id == new.id


async def test_a_file_that_was_moved_is_recognised_and_deleted(studio: Studio, project: Path) -> None:
    image = await _make(studio)
    image.file_path.rename(project / "moved.png")
    assert (await studio.delete("moved.png", confirm=True)).image.id == image.id
    assert not (project / "moved.png").exists()
    assert not metadata_path(image).exists()


async def test_neither_a_copy_nor_a_link_stands_for_the_image(studio: Studio, project: Path) -> None:
    image = await _make(studio)
    (project / "copy.png").write_bytes(image.file_path.read_bytes())
    (project / "link.png").symlink_to(image.file_path)
    (project / "hard.png").hardlink_to(image.file_path)
    for name, word in (("copy.png", "a copy of"), ("hard.png", "a copy of"), ("link.png", "a link")):
        with pytest.raises(InputRejected, match=word) as refused:
            await studio.delete(name, confirm=True)
        assert "id" in refused.value.next_step or image.id in refused.value.next_step
    assert await _is_whole(studio, image)
    assert len(list(project.iterdir())) == 3


@pytest.mark.parametrize("ref", ["mine.png", "folder", ".", "notes.txt"])
async def test_what_is_not_ours_is_refused_and_left_alone(studio: Studio, project: Path, ref: str) -> None:
    await _make(studio)
    Image.new("RGB", (5, 5)).save(project / "mine.png")
    (project / "notes.txt").write_text("mine")
    (project / "folder").mkdir()
    with pytest.raises(InputRejected, match="left alone"):
        await studio.delete(ref, confirm=True)
    assert len(list(project.iterdir())) == 3


@pytest.mark.parametrize(
    "ref",
    [
        "",
        " ",
        "session-20260101-000000-ffffff",
        "job-20260101-000000-ffffff",
        "gpt-image://history",
        "gpt-image://images/20260101-000000-ffffff/preview",
        "gpt-image://images/20260101-000000-ffffff/metadata",
        "https://example.com/a.png",
        "data:image/png;base64,iVBORw0KGgo=",
        "no/such.png",
        "~nobody/a.png",
        "\0",
        "*.png",
    ],
)
async def test_what_names_no_image_of_ours_is_refused_with_what_to_pass(studio: Studio, ref: str) -> None:
    image = await _make(studio)
    with pytest.raises(ImageError) as refused:
        await studio.delete(ref, confirm=True)
    assert refused.value.code in {"invalid_argument", "not_found", "input_not_found"}
    assert refused.value.next_step
    assert await _is_whole(studio, image)


async def test_a_session_goes_on_from_its_other_turns_and_says_that_one_was_deleted(
    studio: Studio, project: Path
) -> None:
    Image.new("RGB", (640, 640), "red").save(project / "red.png")
    first = await studio.start_session("night", ["red.png"], **QUICK)
    assert first.session
    session_id = first.session.session_id
    second = await studio.continue_session(session_id, "a bird", **QUICK)
    planned = await studio.delete(second.images[0].id)
    assert [(use.id, use.turns, use.keeps_copy) for use in planned.sessions] == [(session_id, (2,), False)]
    await studio.delete(second.images[0].id, confirm=True)
    for turn in (-1, 2):
        with pytest.raises(InputNotFound, match=r"turn 2 is gone: Image .* was deleted") as refused:
            await studio.continue_session(session_id, "a cat", from_turn=turn, **QUICK)
        assert "from_turn" in refused.value.next_step
    third = await studio.continue_session(session_id, "a cat", from_turn=1, **QUICK)
    assert third.session
    assert (third.session.turn, third.session.parent_turn) == (3, 1)
    assert [known.id for known in await studio.list_sessions()] == [session_id]


async def test_a_session_that_began_with_a_deleted_image_keeps_its_copy(studio: Studio) -> None:
    image = await _make(studio)
    started = await studio.start_session("night", [image.id], **QUICK)
    assert started.session
    (use,) = (await studio.delete(image.id)).sessions
    assert (use.turns, use.keeps_copy) == ((), True)
    await studio.delete(image.id, confirm=True)
    again = await studio.continue_session(started.session.session_id, "day", from_turn=0, **QUICK)
    assert again.images


async def test_while_a_turn_is_made_its_session_keeps_its_images(studio: Studio, project: Path) -> None:
    Image.new("RGB", (640, 640), "red").save(project / "red.png")
    first = await studio.start_session("night", ["red.png"], **QUICK)
    assert first.session
    running = await studio.continue_session(
        first.session.session_id, "day [sandbox:delay=1]", wait_seconds=0, **QUICK
    )
    assert running.status == "running"
    for confirm in (False, True):
        with pytest.raises(InvalidArgument, match="just making a turn") as refused:
            await studio.delete(first.images[0].id, confirm=confirm)
        assert refused.value.retryable
    assert isinstance(await studio.get(running.call_id), ImageResult)
    await studio.delete(first.images[0].id, confirm=True)


async def test_the_same_call_makes_a_new_picture_once_its_result_was_deleted(studio: Studio) -> None:
    async with Studio(studio.settings) as first:
        started = await first.generate("a fox [sandbox:delay=0.3]", wait_seconds=0, **QUICK)
        # A request that was not sent when its server closes is never made.
        async with asyncio.timeout(60):
            while not (found := await studio.history.search()).total:
                pass
    image = found.images[0].image
    assert image.provenance.call_id == started.call_id
    await studio.delete(image.id, confirm=True)
    with pytest.raises(NotFound, match="was deleted"):
        await studio.get(started.call_id)
    again = await studio.generate("a fox [sandbox:delay=0.3]", **QUICK)
    assert again.call_id != started.call_id
    assert again.images[0].file_path.is_file()


async def test_nothing_of_a_batch_is_left_when_all_its_images_are_deleted(
    studio: Studio, project: Path, tmp_path: Path
) -> None:
    for colour in ("red", "blue"):
        Image.new("RGB", (640, 640), colour).save(project / f"{colour}.png")
    batch = await studio.batch_edit("a secret night", ["red.png", "blue.png"], **QUICK)
    first, second = (item.images[0] for item in batch.items)
    await studio.delete(first.id, confirm=True)
    async with Studio(studio.settings) as later:
        assert isinstance(await later.get(batch.call_id), BatchResult)
        await studio.delete(second.id, confirm=True)
        with pytest.raises(NotFound):
            await later.get(batch.call_id)
    assert "secret" not in _rows(tmp_path)


async def test_an_image_outside_the_folders_of_this_server_is_refused(studio: Studio, tmp_path: Path) -> None:
    image = await _make(studio, output_dir=str(tmp_path / "elsewhere"))
    inside = await _make(studio)
    served = Settings(sandbox=True, output_roots=(), input_roots=())
    async with Studio(served) as server:
        with pytest.raises(OutputRejected, match="outside"):
            await server.delete(image.id, confirm=True)
        with pytest.raises(InputRejected):
            await server.delete(str(inside.file_path), confirm=True)
        assert await _is_whole(studio, image)
        assert (await server.delete(inside.id, confirm=True)).is_done


async def test_metadata_behind_a_link_are_not_ours(studio: Studio, tmp_path: Path) -> None:
    image = await _make(studio)
    folder = metadata_path(image).parent
    folder.rename(tmp_path / "moved")
    folder.symlink_to(tmp_path / "moved")
    await studio.delete(image.id, confirm=True)
    assert len(list((tmp_path / "moved").iterdir())) == 1


async def test_what_cannot_be_deleted_stays_whole(studio: Studio) -> None:
    image = await _make(studio)
    metadata_path(image).unlink()
    metadata_path(image).mkdir()
    with pytest.raises(StorageFailed, match="as it was"):
        await studio.delete(image.id, confirm=True)
    assert image.file_path.is_file()
    assert (await studio.history.search()).total == 1
    metadata_path(image).rmdir()
    assert (await studio.delete(image.id, confirm=True)).is_done
