"""Folders with files of strangers: upkeep neither believes, follows nor deletes them, and goes on."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sqlite3
import subprocess
import threading
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr

from gpt_image_mcp import Settings, Studio
from gpt_image_mcp.cli.console import Console
from gpt_image_mcp.errors import Cancelled, InputRejected, NotFound, StorageFailed
from gpt_image_mcp.library.sidecars import metadata_path
from gpt_image_mcp.steps import on_step, step
from gpt_image_mcp.threads import in_database

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator
    from pathlib import Path

    from gpt_image_mcp.values.images import StoredImage

QUICK: dict[str, Any] = {"size": "816x816", "quality": "low"}


@pytest.fixture
async def studio(project: Path) -> AsyncGenerator[Studio]:
    """A studio in the sandbox, working for a project."""
    del project
    async with Studio(Settings(sandbox=True)) as opened:
        yield opened


async def _make(studio: Studio, **options: Any) -> StoredImage:
    return (await studio.generate("a red fox", **QUICK, **options)).images[0]


def _copied(made: StoredImage, folder: Path, **changes: Any) -> Path:
    """The metadata file of an image as somebody else wrote it in another folder."""
    document = json.loads(metadata_path(made).read_text(encoding="utf-8"))
    document["image"].update(changes)
    path = folder / ".metadata" / f"{document['image']['id']}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


async def test_no_file_outside_is_deleted_because_a_file_names_it(studio: Studio, tmp_path: Path) -> None:
    made = await _make(studio)
    mine = [tmp_path / "settings.json", tmp_path / "photo.png", tmp_path / "strange" / "photo.png"]
    (tmp_path / "strange" / ".metadata").mkdir(parents=True)
    for path in mine:
        path.write_bytes(b"mine")
    document = metadata_path(made).read_text(encoding="utf-8")
    for number, (wrong, name) in enumerate(
        [("../../settings", "x.png"), ("20261121-150301-a1b2c3", "../photo.png"), (made.id, "photo.png")]
    ):
        changed = document.replace(made.id, wrong).replace(made.file_path.name, name)
        (tmp_path / "strange" / ".metadata" / f"{number}.json").write_text(changed, encoding="utf-8")
    _copied(made, tmp_path / "strange", id="20261121-150301-a1b2c3", file_path="photo.png")
    await studio.history.rebuild([tmp_path])
    await studio.history.prune(keep_mb=0, is_confirmed=True)
    assert [path.read_bytes() for path in mine] == [b"mine"] * 3
    assert not made.file_path.exists()


async def test_a_picture_of_the_users_own_is_never_deleted_because_a_file_describes_it_truly(
    studio: Studio, tmp_path: Path
) -> None:
    made = await _make(studio)
    own = tmp_path / "own" / "photo.png"
    own.parent.mkdir()
    own.write_bytes(made.file_path.read_bytes() + b"mine")
    true: dict[str, Any] = {
        "sha256": hashlib.sha256(own.read_bytes()).hexdigest(),
        "size_bytes": own.stat().st_size,
        "id": "20261121-150301-a1b2c3",
    }
    _copied(made, own.parent, file_path="photo.png", **true)
    elsewhere = _copied(
        made, tmp_path / "named", file_path=str(own), **true | {"id": "20261121-150301-a1b2c4"}
    )
    rebuilt = await studio.history.rebuild([own.parent, tmp_path / "named"])
    assert rebuilt.unreadable == (elsewhere,)
    with pytest.raises(InputRejected, match="others may have written"):
        await studio.delete("20261121-150301-a1b2c3", confirm=True)
    await studio.history.prune(keep_mb=0, is_confirmed=True)
    assert own.exists()
    assert not made.file_path.exists()
    own.unlink()
    assert (await studio.delete("20261121-150301-a1b2c3", confirm=True)).file == "missing"


async def test_a_copy_of_the_users_own_is_never_deleted_because_its_metadata_are_in_it(
    tmp_path: Path,
) -> None:
    own = tmp_path / "own" / "photo.png"
    own.parent.mkdir()
    async with Studio(Settings(sandbox=True, embed_metadata=True)) as studio:
        made = await _make(studio)
        made.file_path.rename(own)
    elsewhere = SecretStr(f"sqlite:///{tmp_path}/other.db")
    async with Studio(Settings(sandbox=True, database_url=elsewhere)) as studio:
        metadata_path(made).unlink()
        assert (await studio.history.rebuild([own.parent])).images == 1
        pruned = await studio.history.prune(keep_mb=0, is_confirmed=True)
        assert pruned.kept == (f"{own} is in a folder of your own",)
    assert own.exists()


async def test_a_file_that_is_no_image_never_becomes_one_because_a_file_says_so(
    studio: Studio, tmp_path: Path
) -> None:
    made = await _make(studio)
    own = tmp_path / "own"
    own.mkdir()
    (own / ".bashrc").write_bytes(b"alias l=ls")
    true = {"size_bytes": 10, "sha256": hashlib.sha256(b"alias l=ls").hexdigest()}
    forged = _copied(made, own, id="20200101-000000-aaaaa1", file_path=".bashrc", **true)
    done = await studio.history.rebuild([own])
    assert forged in done.unreadable
    with pytest.raises(NotFound):
        await studio.find("20200101-000000-aaaaa1")
    await studio.history.prune(keep_mb=0, is_confirmed=True)
    assert (own / ".bashrc").read_bytes() == b"alias l=ls"


@pytest.mark.timeout(60)
async def test_a_rebuild_goes_on_behind_whatever_lies_in_its_way(studio: Studio, tmp_path: Path) -> None:
    made = await _make(studio, output_dir=str(tmp_path / "out"))
    described = metadata_path(made).parent
    for name, content in {"a": b"[" * 100_000, "b": b"\xff", "c": b"{}"}.items():
        (described / f"{name}.json").write_bytes(content)
    os.mkfifo(described / "pipe.json")
    (described / "zero.json").symlink_to("/dev/zero")
    (described / "link.json").symlink_to(metadata_path(made))
    os.mkfifo(tmp_path / "out" / "pipe.png")
    (tmp_path / "out" / "zero.png").symlink_to("/dev/zero")
    with (tmp_path / "out" / "film.png").open("wb") as stream:
        stream.truncate(10 * 1024**3)
    (tmp_path / "out" / "round").symlink_to(tmp_path)
    (tmp_path / os.fsdecode(b"no \xff text")).mkdir()
    _copied(made, tmp_path / os.fsdecode(b"no \xff text"), id="20261121-150301-a1b2c3")
    deepest = os.open(tmp_path, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d", dir_fd=deepest)
        above, deepest = deepest, os.open("d", os.O_RDONLY, dir_fd=deepest)
        os.close(above)
    os.close(deepest)
    rebuilt = await studio.history.rebuild([tmp_path])
    # Python 3.11 cannot delete it, so pytest could not.
    await asyncio.to_thread(subprocess.run, ["rm", "-rf", str(tmp_path / "d")], check=True)
    assert rebuilt.images == 1
    assert len(rebuilt.unreadable) == 8
    assert [hit.image for hit in (await studio.history.search()).images] == [made]


async def test_a_stranger_cannot_take_over_what_is_known_of_an_image(studio: Studio, tmp_path: Path) -> None:
    made = await _make(studio)
    other = _copied(made, tmp_path / "other", sha256="ab" * 32, size_bytes=4)
    provenance = json.loads(metadata_path(made).read_text(encoding="utf-8"))["image"]["provenance"]
    _copied(
        made,
        tmp_path / "same",
        provenance={**provenance, "prompt": "a lie", "cost": {"usd": "99", "basis": "usage"}},
    )
    rebuilt = await studio.history.rebuild([tmp_path])
    assert (await studio.history.trace(made.id)).image == made
    assert rebuilt.unreadable == (other,)


async def test_a_metadata_folder_that_is_a_link_is_not_ours(studio: Studio, tmp_path: Path) -> None:
    made = await _make(studio, output_dir=str(tmp_path / "out"))
    moved = metadata_path(made).parent.rename(tmp_path / "elsewhere")
    metadata_path(made).parent.symlink_to(moved)
    assert (await studio.history.rebuild([tmp_path / "out"])).images == 0
    await studio.history.prune(keep_mb=0, is_confirmed=True)
    assert [path.stem for path in moved.iterdir()] == [made.id]


async def test_a_file_that_became_a_link_is_kept(studio: Studio, tmp_path: Path) -> None:
    made = await _make(studio)
    photo = made.file_path.rename(tmp_path / "photo.png")
    made.file_path.symlink_to(photo)
    pruned = await studio.history.prune(keep_mb=0, is_confirmed=True)
    assert pruned.images == ()
    assert made.file_path.is_symlink()
    assert photo.is_file()


@pytest.mark.parametrize("prompt", ["../../settings", "20261121-150301-a1b2c3\n"])
async def test_an_id_inside_a_picture_is_held_to_the_same_form(prompt: str, tmp_path: Path) -> None:
    settings = Settings(sandbox=True, embed_metadata=True, output_dir=str(tmp_path / "a"))
    async with Studio(settings) as studio:
        made = await _make(studio)
        (tmp_path / "b").mkdir()
        changed = made.file_path.read_bytes().replace(made.id.encode(), (prompt + "x" * 99)[:22].encode())
        (tmp_path / "b" / "picture.png").write_bytes(changed)
        await studio.history.rebuild([tmp_path / "b"])
        assert (await studio.history.search()).total == 1


async def test_nothing_is_pruned_where_that_cannot_be_written_down(studio: Studio, tmp_path: Path) -> None:
    made = await _make(studio)
    database = tmp_path / "home/data/gpt-image-mcp/library.db"
    await studio.aclose()
    holder = sqlite3.connect(database, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    address = f"sqlite:///{database}?timeout=0.05"
    async with Studio(Settings(sandbox=True, database_url=SecretStr(address))) as waiting:
        with pytest.raises(StorageFailed):
            await waiting.history.prune(keep_mb=0, is_confirmed=True)
    holder.close()
    assert made.file_path.is_file()


async def test_a_rebuild_that_ends_at_any_step_leaves_the_library_whole(studio: Studio) -> None:
    made = {(await _make(studio)).id for _ in range(2)}
    steps: list[int] = []
    on_step.set(lambda: steps.append(1))
    await studio.history.rebuild()
    for allowed in range(len(steps)):
        left = iter(range(allowed))

        def count(left: Iterator[int] = left) -> None:
            if next(left, None) is None:
                raise Cancelled("over", next_step="again")

        on_step.set(count)
        with pytest.raises(Cancelled):
            await studio.history.rebuild()
        found = await studio.history.search(query="fox")
        assert {hit.image.id for hit in found.images} == made


async def test_work_that_nobody_waits_for_ends_at_its_next_step() -> None:
    begun, over = threading.Event(), threading.Event()

    def work() -> None:
        try:
            while True:
                step()
                begun.set()
        finally:
            over.set()

    async def wait() -> None:
        with Console().counting("Working"):
            await in_database(work)

    waiting = asyncio.create_task(wait())
    await asyncio.to_thread(begun.wait, 20)
    waiting.cancel()
    assert await asyncio.to_thread(over.wait, 20)
    with pytest.raises(asyncio.CancelledError):
        await waiting
