"""Disks that fill up, folders that go away, databases that break: what was paid for is kept, and named."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import resource
import shutil
import sqlite3
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image
from tenacity import retry, stop_after_delay, wait_fixed

from gpt_image_mcp.errors import ImageError, OutcomeUnknown, OutputRejected, StorageFailed
from gpt_image_mcp.folders import default_folder
from gpt_image_mcp.library.migrations import VERSION
from tests.faults.observed import QUICK, calls, database_file, files, spent_usd, studio_for
from tests.faults.scripted import held, picture, refusal, serve_script
from tests.full_disks import full_disk

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator
    from pathlib import Path

    from gpt_image_mcp import Studio
    from gpt_image_mcp.values.results import ImageResult
    from tests.faults.scripted import Endpoint

DISK_BYTES = 8192
GARBAGE = b"this is no database " * 4000


def _large_picture() -> bytes:
    """A picture that compression cannot make smaller than the disk."""
    stream = io.BytesIO()
    Image.effect_noise((128, 128), 100).save(stream, "PNG")
    assert len(stream.getvalue()) > DISK_BYTES
    return stream.getvalue()


LARGE = _large_picture()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where images should go."""
    return tmp_path / "out"


@pytest.fixture
def database_url() -> str:
    """The address of the usual database, with little patience for locks."""
    return f"sqlite:///{database_file()}?timeout=0.05"


@dataclass(frozen=True)
class Drawing:
    """A studio in the middle of a call."""

    endpoint: Endpoint
    studio: Studio
    gate: asyncio.Event
    call: asyncio.Task[ImageResult]

    async def finish(self) -> ImageResult:
        """Lets the endpoint answer; gives what the call ends with."""
        self.gate.set()
        return await self.call


@contextlib.asynccontextmanager
async def _drawing(
    image: bytes | None = None, *, named: dict[str, Any] | None = None, **settings: Any
) -> AsyncGenerator[Drawing]:
    """A studio whose request has arrived at the endpoint and is not answered yet."""
    gate = asyncio.Event()
    reply = held(gate, picture(image))
    async with serve_script(reply) as endpoint, studio_for(endpoint, **settings) as studio:
        call = asyncio.create_task(studio.generate("a fox", **{**QUICK, **(named or {})}))
        await endpoint.received(posts=1)
        yield Drawing(endpoint, studio, gate, call)


def _note(result: ImageResult, words: str) -> bool:
    return any(words in note for note in result.notes)


def _lose_sign_of_life() -> None:
    """Makes the running calls look as if their process had been silent for long."""
    with contextlib.closing(sqlite3.connect(database_file())) as connection, connection:
        connection.execute("UPDATE calls SET alive_until = 1 WHERE status = 'running'")


async def test_on_a_full_disk_nothing_is_sent(folder: Path) -> None:
    async with serve_script() as endpoint, studio_for(endpoint, output_dir=str(folder)) as studio:
        await studio.estimate()
        with full_disk(100), pytest.raises(OutputRejected, match=str(folder)):
            await studio.generate("a fox", **QUICK)
        assert endpoint.posts == []
        assert files(folder) == []
        assert (await studio.generate("a fox", **QUICK)).images


async def test_disks_that_all_fill_up_while_drawing_are_named_and_the_call_is_not_forgotten(
    folder: Path,
) -> None:
    async with _drawing(LARGE, output_dir=str(folder)) as drawing:
        with full_disk(DISK_BYTES), pytest.raises(StorageFailed) as caught:
            await drawing.finish()
        for path in (folder, default_folder(drawing.studio.settings), tempfile.gettempdir()):
            assert str(path) in caught.value.message
        assert files(folder) == []
        assert await spent_usd(drawing.studio) > 0
        _lose_sign_of_life()
        with pytest.raises((OutcomeUnknown, StorageFailed)):
            await drawing.studio.get(calls()[0].id)
        assert (await drawing.studio.generate("a fox", **QUICK)).images
        assert len(drawing.endpoint.posts) == 2


async def test_a_disk_that_fills_up_behind_the_image_costs_only_the_records(folder: Path) -> None:
    """The file fits; the database, which has grown beyond the limit, takes nothing more."""
    async with _drawing(output_dir=str(folder)) as drawing:
        with full_disk(DISK_BYTES):
            result = await drawing.finish()
        assert files(folder) == [result.images[0].file_path.name]
        assert _note(result, "not in the history")
        assert _note(result, "whole quote counts as spent")
        assert await spent_usd(drawing.studio) > 0
        assert (await drawing.studio.generate("a cat", **QUICK)).images


@contextlib.contextmanager
def _all_files_open() -> Generator[Callable[[], None]]:
    """This process can open no more files, until what is given is called."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 512), hard))
    with contextlib.ExitStack() as held:
        held.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        with contextlib.suppress(OSError):
            while True:
                held.callback(os.close, os.open(os.devnull, os.O_RDONLY))
        yield held.close


async def test_a_picture_that_comes_when_too_many_files_are_open_is_saved_when_there_are_fewer(
    folder: Path,
) -> None:
    async with _drawing(output_dir=str(folder)) as drawing:
        with _all_files_open() as close_them:
            asyncio.get_running_loop().call_later(0.5, close_them)
            result = await drawing.finish()
        assert files(folder) == [result.images[0].file_path.name]


async def test_on_a_full_disk_all_can_be_read_though_nobody_has_the_database_open(folder: Path) -> None:
    async with (
        serve_script(picture(LARGE)) as endpoint,
        studio_for(endpoint, output_dir=str(folder)) as studio,
    ):
        (image,) = (await studio.generate("a fox", **QUICK)).images
        await studio.start_session("a hat", [image.id], **QUICK)
    with full_disk(DISK_BYTES):
        async with studio_for(endpoint, output_dir=str(folder)) as studio:
            found = await asyncio.gather(*(studio.history.search(query="fox") for _ in range(8)))
            assert {page.total for page in found} == {1}
            assert await studio.history.read(await studio.find(image.id)) == LARGE
            assert len(await studio.list_sessions()) == 1
            with pytest.raises(StorageFailed, match="disk"):
                await studio.generate("a fox", **QUICK)
    async with serve_script() as endpoint, studio_for(endpoint, output_dir=str(folder)) as studio:
        assert (await studio.generate("a fox", **QUICK)).images
        assert (await studio.history.search(query="fox")).total == 2


async def test_a_folder_that_is_removed_while_drawing_is_made_again(folder: Path) -> None:
    async with _drawing(output_dir=str(folder)) as drawing:
        shutil.rmtree(folder)
        result = await drawing.finish()
        assert files(folder) == [result.images[0].file_path.name]
        assert [call.status for call in calls()] == ["completed"]


async def test_a_folder_that_is_removed_between_calls_is_made_again(folder: Path) -> None:
    async with serve_script() as endpoint, studio_for(endpoint, output_dir=str(folder)) as studio:
        await studio.generate("a fox", **QUICK)
        shutil.rmtree(folder)
        (image,) = (await studio.generate("a fox", **QUICK)).images
        assert files(folder) == [image.file_path.name]


async def test_a_folder_that_becomes_unusable_while_drawing_is_replaced_by_the_default_one(
    folder: Path,
) -> None:
    async with _drawing(output_dir=str(folder)) as drawing:
        shutil.rmtree(folder)
        folder.touch()
        result = await drawing.finish()
        (image,) = result.images
        assert image.file_path.parent == default_folder(drawing.studio.settings)
        assert image.file_path.is_file()
        assert _note(result, str(image.file_path))
        assert (await drawing.studio.find(image.id)) == image
        with pytest.raises(OutputRejected, match=str(folder)):
            await drawing.studio.generate("a cat", **QUICK)
        assert len(drawing.endpoint.posts) == 1


async def test_a_folder_that_becomes_a_link_while_drawing_is_not_written_to(
    folder: Path, project: Path
) -> None:
    hooks = project / ".git" / "hooks"
    hooks.mkdir(parents=True)
    async with _drawing(output_dir=str(folder)) as drawing:
        shutil.rmtree(folder)
        folder.symlink_to(hooks)
        result = await drawing.finish()
        (image,) = result.images
        assert image.file_path.parent == default_folder(drawing.studio.settings)
        assert _note(result, "what others run")
        assert list(hooks.iterdir()) == []


@pytest.mark.parametrize("roots", [(), None])
async def test_a_file_that_is_a_link_out_of_the_roots_is_refused_before_anything_is_sent(
    folder: Path, tmp_path: Path, roots: tuple[Path, ...] | None
) -> None:
    folder.mkdir()
    (tmp_path / "private.png").write_bytes(b"mine")
    (folder / "logo.png").symlink_to(tmp_path / "private.png")
    async with (
        serve_script() as endpoint,
        studio_for(endpoint, output_dir=str(folder), output_roots=roots) as studio,
    ):
        with pytest.raises(OutputRejected, match=r"outside the folders|leads elsewhere"):
            await studio.generate("a fox", **QUICK, filename="logo", overwrite=True)
        assert endpoint.posts == []
    assert (tmp_path / "private.png").read_bytes() == b"mine"


@pytest.mark.parametrize("roots", [(), None])
@pytest.mark.parametrize("kind", ["link", "folder", "pipe"])
async def test_what_takes_the_name_while_drawing_is_not_replaced_and_the_image_is_kept(
    folder: Path, tmp_path: Path, roots: tuple[Path, ...] | None, kind: str
) -> None:
    private, target = tmp_path / "private.png", folder / "logo.png"
    private.write_bytes(b"mine")
    make: dict[str, Callable[[], object]] = {
        "link": lambda: target.symlink_to(private),
        "folder": target.mkdir,
        "pipe": lambda: os.mkfifo(target),
    }
    named = {"filename": "logo.png", "overwrite": True}
    async with _drawing(named=named, output_dir=str(folder), output_roots=roots) as drawing:
        make[kind]()
        result = await drawing.finish()
        (image,) = result.images
        assert _note(result, str(image.file_path))
        assert await drawing.studio.find(image.id) == image
        assert image.file_path.is_file()
        assert image.file_path != target
    assert private.read_bytes() == b"mine"


@pytest.mark.parametrize("unwritable", ["/proc/images", "/sys/images", "/dev/null", "/dev/null/images"])
async def test_a_folder_that_cannot_be_written_is_refused_before_anything_is_sent(unwritable: str) -> None:
    settings = {"output_dir": unwritable, "allow_unsafe_output_dir": True}
    async with serve_script() as endpoint, studio_for(endpoint, **settings) as studio:
        with pytest.raises(OutputRejected, match=unwritable):
            await studio.generate("a fox", **QUICK)
        assert endpoint.posts == []


@contextlib.contextmanager
def _locked() -> Generator[None]:
    """Another program holds the database."""
    with contextlib.closing(sqlite3.connect(database_file(), isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        yield


async def test_a_locked_database_refuses_a_call_before_anything_is_sent(database_url: str) -> None:
    async with serve_script() as endpoint, studio_for(endpoint, database_url=database_url) as studio:
        await studio.estimate()
        with _locked(), pytest.raises(StorageFailed) as caught:
            await studio.generate("a fox", **QUICK)
        assert caught.value.retryable
        assert endpoint.posts == []
        assert (await studio.generate("a fox", **QUICK)).images


async def test_a_database_that_is_locked_when_the_image_comes_does_not_lose_it(
    database_url: str, folder: Path
) -> None:
    async with _drawing(database_url=database_url, output_dir=str(folder)) as drawing:
        with _locked():
            result = await drawing.finish()
        (image,) = result.images
        assert files(folder) == [image.file_path.name]
        assert _note(result, "not in the history")
        assert _note(result, "whole quote counts as spent")
        assert (await drawing.studio.generate("a cat", **QUICK)).images


async def test_what_could_not_be_written_down_is_written_when_the_database_can_be_used_again(
    database_url: str,
) -> None:
    async with _drawing(database_url=database_url) as drawing:
        with _locked():
            result = await drawing.finish()
        _lose_sign_of_life()
        await _ended(result.call_id)
        assert result.cost is not None
        assert await spent_usd(drawing.studio) == result.cost.usd
        found = (await drawing.studio.history.search()).images
        assert [entry.image.id for entry in found] == [result.images[0].id]


async def test_a_failure_that_could_not_be_written_down_frees_its_reservation_later(
    database_url: str,
) -> None:
    gate = asyncio.Event()
    reply = held(gate, refusal(400, "No.", code="moderation_blocked"))
    async with serve_script(reply) as endpoint, studio_for(endpoint, database_url=database_url) as studio:
        call = asyncio.create_task(studio.generate("a fox", **QUICK))
        await endpoint.received(posts=1)
        with _locked():
            gate.set()
            with pytest.raises(ImageError):
                await call
        await _ended(calls()[0].id, "failed")
        assert await spent_usd(studio) == 0


@retry(stop=stop_after_delay(30), wait=wait_fixed(0.05), reraise=True)
async def _ended(call_id: str, status: str = "completed") -> None:
    """Waits until a call is settled."""
    assert next(call.status for call in calls() if call.id == call_id) == status


async def test_a_corrupt_database_refuses_calls_until_it_is_moved_away() -> None:
    database_file().parent.mkdir(parents=True)
    database_file().write_bytes(GARBAGE)
    async with serve_script() as endpoint, studio_for(endpoint) as studio:
        with pytest.raises(StorageFailed) as caught:
            await studio.generate("a fox", **QUICK)
        assert not caught.value.retryable
        assert endpoint.posts == []
        database_file().rename(database_file().with_suffix(".damaged"))
        assert (await studio.generate("a fox", **QUICK)).images
        assert [call.status for call in calls()] == ["completed"]


async def test_a_database_that_breaks_while_drawing_does_not_lose_the_image(folder: Path) -> None:
    async with _drawing(output_dir=str(folder)) as drawing:
        _overwrite_database()
        result = await drawing.finish()
        (image,) = result.images
        assert files(folder) == [image.file_path.name]
        assert _note(result, "not in the history")
        with pytest.raises(StorageFailed):
            await drawing.studio.generate("a cat", **QUICK)
        assert len(drawing.endpoint.posts) == 1
        for path in database_file().parent.glob("library.db*"):
            path.rename(path.with_name(f"damaged-{path.name}"))
        assert (await drawing.studio.generate("a cat", **QUICK)).images
        assert [call.status for call in calls()] == ["completed"]


def _overwrite_database() -> None:
    """Writes garbage over the file, the log and the index that SQLite keeps beside it, as long as each is."""
    for path in database_file().parent.glob("library.db*"):
        with path.open("r+b") as stream:
            stream.write(GARBAGE[: path.stat().st_size])


async def test_a_database_of_a_newer_version_refuses_calls_before_anything_is_sent() -> None:
    async with serve_script() as endpoint:
        async with studio_for(endpoint) as studio:
            await studio.estimate()
        with contextlib.closing(sqlite3.connect(database_file())) as connection, connection:
            connection.execute("UPDATE schema_version SET version = version + 1")
        async with studio_for(endpoint) as studio:
            with pytest.raises(StorageFailed, match=str(VERSION + 1)):
                await studio.generate("a fox", **QUICK)
        assert endpoint.posts == []
