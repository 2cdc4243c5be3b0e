"""Two servers that have only the database and the bucket in common."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image
from pydantic import SecretStr
from sqlalchemy import text
from tenacity import retry, stop_after_delay, wait_fixed

from gpt_image_mcp import Settings, Studio
from gpt_image_mcp.cli.gallery.cards import cards_of
from gpt_image_mcp.cli.gallery.thumbnails import make_thumbnails
from gpt_image_mcp.errors import (
    InputNotFound,
    InputRejected,
    InvalidArgument,
    NotFound,
    OutcomeUnknown,
    OutputRejected,
    StorageFailed,
)
from gpt_image_mcp.folders import local_root, person_folder
from gpt_image_mcp.library import storage
from gpt_image_mcp.library.database import Database
from gpt_image_mcp.object_paths import is_object, location, object_path, object_root
from gpt_image_mcp.presentation.exports import export_content, export_text
from gpt_image_mcp.presentation.history import history_content
from gpt_image_mcp.presentation.structured import images_content
from gpt_image_mcp.presentation.text import images_text
from gpt_image_mcp.values.owners import Owner
from gpt_image_mcp.values.results import BatchResult, ImageResult
from gpt_image_mcp.values.views import Crop, ViewOptions
from tests.faults.observed import QUICK, studio_for
from tests.faults.scripted import picture, serve_script

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from contextlib import AbstractAsyncContextManager

    from gpt_image_mcp.values.images import StoredImage
    from tests.object_stores import Bucket

    Replica = Callable[..., AbstractAsyncContextManager[Studio]]

BOTH = pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)
REGION = {"shape": "rectangle", "box": [0, 0, 0.5, 0.5]}


@pytest.fixture
def replica(bucket: Bucket, database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Replica:
    """Opens the studio of a server by its name; each has a home of its own."""

    @contextlib.asynccontextmanager
    async def opened(name: str, owner: Owner | None = None) -> AsyncGenerator[Studio]:
        home = tmp_path / name
        home.mkdir(exist_ok=True)
        monkeypatch.setenv("HOME", str(home))
        for variable in ("CACHE", "CONFIG", "DATA"):
            monkeypatch.setenv(f"XDG_{variable}_HOME", str(home / variable.lower()))
        settings = Settings(sandbox=True, storage=bucket.address, database_url=SecretStr(database_url))
        if owner is not None:
            folder = str(person_folder(settings, owner.name))
            remote = {"input_roots": (), "output_roots": (), "output_dir": folder}
            settings = settings.model_copy(update=remote)
        async with Studio(settings, owner=owner or Owner()) as studio:
            yield studio

    return opened


def _images(result: object) -> tuple[StoredImage, ...]:
    assert isinstance(result, ImageResult)
    return result.images


@BOTH
async def test_what_one_made_the_other_finds_shows_edits_and_continues(
    replica: Replica, bucket: Bucket
) -> None:
    async with replica("one") as one:
        (made,) = (await one.generate("a boat")).images
        session = (await one.start_session("a lake", [made.id])).session
        address = made.location
        batch = await one.batch_edit("greener", [made.id, address])
        batched = [item.images[0].location for item in batch.items]
        assert address.startswith(f"{bucket.address}/")
    assert session is not None
    async with replica("two") as two:
        assert not object_root().exists()
        found = await two.get(made.id)
        assert _images(found)[0].location == address
        assert _images(await two.get(address)) == _images(found)
        preview = await two.preview(_images_result(found), ViewOptions(crop=Crop(0, 0, 0.5, 0.5)))
        assert (len(preview.images), preview.notes) == (1, ())
        turns = [await two.continue_session(session.session_id, "more", from_turn=n) for n in (-1, 0)]
        assert [turn.session.parent_turn for turn in turns if turn.session] == [1, 0]
        collected = await two.get(batch.call_id)
        assert isinstance(collected, BatchResult)
        assert [item.images[0].location for item in collected.items] == batched
        (edited,) = (await two.edit("x", [address], regions=[REGION])).images
        (returned,) = edited.provenance.parents
        assert (await two.find(returned)).provenance.parents == (made.id,)
        sheet = await two.compare([made.id, edited.location, session.session_id])
        assert len(sheet.pictures) == 3
        (thumbnail,) = make_thumbnails(_images(found), allowed_seconds=60)
        (card,) = cards_of(_images(found), [thumbnail])
        assert (card["path"], card["url"], bool(thumbnail.data)) == (address, "", True)
        assert {entry.file for entry in (await two.history.search()).images} == {"present"}


def _images_result(found: object) -> ImageResult:
    assert isinstance(found, ImageResult)
    return found


@BOTH
async def test_an_export_lies_in_the_bucket_once_for_each_call(replica: Replica, bucket: Bucket) -> None:
    async with replica("one") as one:
        (made,) = (await one.generate("a boat")).images
        first = await one.export(made.id, preset="favicon")
        said = [f"{export_content(first)}{export_text(first)}"]
    async with replica("two") as two:
        second = await two.export(made.id, preset="favicon")
        small = await two.export(made.id, width=64)
        assert (await two.preview(small)).images
        said += [f"{export_content(result)}{export_text(result)}" for result in (second, small)]
    assert all(f"{bucket.address}/" in words and "cache" not in words for words in said)
    assert second.folder.name == f"{first.folder.name}-2"
    keys = bucket.contents()
    assert sum(key.endswith("site.webmanifest") for key in keys) == 2
    with Image.open(io.BytesIO(bucket.read(next(key for key in keys if "-64x" in key)))) as picture:
        assert picture.width == 64


@BOTH
async def test_no_document_and_no_answer_has_a_path_of_a_server(
    replica: Replica, bucket: Bucket, database_url: str, tmp_path: Path
) -> None:
    async with replica("one") as one:
        result = await one.generate("a boat", n=2)
        await one.start_session("a lake", [result.images[0].id])
        found = await one.history.search()
    said = [images_text(result, "."), f"{images_content(result, next_step='.')}"]
    said.append(f"{history_content(found, next_step='.')}")
    said += [bucket.read(key).decode() for key in bucket.contents() if key.endswith(".json")]
    database = Database(database_url)
    with database.reading() as connection:
        for column in ("images.document", "images.uri", "calls.result", "sessions.document"):
            table = column.partition(".")[0]
            rows = connection.execute(text(f"SELECT {column} FROM {table}")).scalars()  # noqa: S608
            said += [str(value) for value in rows]
    database.close()
    assert [words for words in said if str(tmp_path / "one") in words] == []
    assert sum(bucket.address in words for words in said) >= 8


@BOTH
async def test_what_is_deleted_on_one_is_gone_for_all(replica: Replica, bucket: Bucket) -> None:
    async with replica("one") as one:
        (made,) = (await one.generate("a boat")).images
        (kept,) = (await one.generate("a lake")).images
        address = made.location
    async with replica("two") as two:
        assert (await two.delete(address)).file == "present"
        await two.delete(address, confirm=True)
        assert [key for key in bucket.contents() if made.id in key] == []
    async with replica("one") as one:
        with pytest.raises(NotFound):
            await one.get(address)
        with pytest.raises(InputNotFound):
            await one.edit("x", [address])
        pruned = await one.history.prune(keep_mb=0, is_confirmed=True)
        assert [image.id for image in pruned.images] == [kept.id]
        assert pruned.freed_bytes == kept.size_bytes
    assert bucket.contents() == []


@retry(stop=stop_after_delay(10), wait=wait_fixed(0.01), reraise=True)
async def _asked(bucket: Bucket, method: str) -> None:
    """Waits until a request of a method has come to the store."""
    assert any(request.startswith(method) for request in bucket.requests)


async def test_a_deletion_waits_for_the_store_and_nobody_waits_for_the_deletion(
    replica: Replica, bucket: Bucket
) -> None:
    async with replica("one") as one:
        (image,) = (await one.generate("a boat")).images
        bucket.fail(0, "POST")  # as which S3 is asked to delete
        deleting = asyncio.create_task(one.delete(image.id, confirm=True))
        await _asked(bucket, "POST")
        assert (await one.generate("a lake")).images
        assert not deleting.done()
        bucket.work()
        assert (await deleting).is_done
        with pytest.raises(NotFound, match="was deleted on"):
            await one.find(image.id)


async def test_what_the_store_does_not_delete_stays_as_it_was(replica: Replica, bucket: Bucket) -> None:
    async with replica("one") as one:
        (image,) = (await one.generate("a boat")).images
        before = sorted(bucket.contents())
        bucket.fail(403, "POST")
        with pytest.raises(StorageFailed, match="it is as it was"):
            await one.delete(image.id, confirm=True)
        bucket.work()
        assert sorted(bucket.contents()) == before
        assert await one.history.read(await one.find(image.id))
        assert (await one.delete(image.id, confirm=True)).is_done


async def test_an_object_that_is_not_as_it_was_saved_is_not_deleted(replica: Replica, bucket: Bucket) -> None:
    async with replica("one") as one:
        (made,) = (await one.generate("a boat")).images
        address = made.location
        key = address.removeprefix(f"s3://{bucket.name}/")
        bucket.write(key, b"another's")
        with pytest.raises(InputRejected, match="no longer the file"):
            await one.delete(made.id, confirm=True)
        pruned = await one.history.prune(keep_mb=0, is_confirmed=True)
        assert (pruned.images, bucket.read(key)) == ((), b"another's")
    async with replica("two") as two:
        with pytest.raises(StorageFailed, match="not the one that was saved"):
            await two.history.read(await two.find(made.id))
        bucket.delete(key)
        with pytest.raises(NotFound, match=address):
            await two.get(made.id)
        assert (await two.delete(made.id, confirm=True)).file == "missing"


async def test_the_database_is_rebuilt_from_the_bucket(
    replica: Replica, database_url: str, tmp_path: Path
) -> None:
    async with replica("one") as one:
        made = {image.location for image in (await one.generate("a boat", n=2)).images}
    database = Database(database_url)
    with database.writing() as connection:
        connection.execute(text("DELETE FROM images"))
    database.close()
    async with replica("two") as two:
        rebuilt = await two.history.rebuild()
        assert (rebuilt.images, rebuilt.unreadable) == (2, ())
        assert {image.location for image in await two.history.newest(5)} == made
        assert (await two.history.rebuild()).images == 2
    assert not (tmp_path / "one" / "config").exists()


async def test_people_see_their_own_objects_alone(replica: Replica, bucket: Bucket) -> None:
    ada, bob = Owner(name="ada"), Owner(name="bob")
    async with replica("one", ada) as studio:
        (made,) = (await studio.generate("a boat")).images
        path, address = str(made.file_path), made.location
        assert address.startswith(f"{bucket.address}/people/ada-")
    async with replica("two", bob) as studio:
        for ref in (made.id, address, address.upper(), f"{bucket.address}/people"):
            with pytest.raises(NotFound):
                await studio.get(ref)
            with pytest.raises(InputNotFound):
                await studio.edit("x", [ref])
        with pytest.raises((NotFound, InputRejected)):
            await studio.get(path)
        with pytest.raises((NotFound, InvalidArgument)):
            await studio.delete(address, confirm=True)
        for wish in ({"output_dir": address.rpartition("/")[0]}, {"filename": address}):
            with pytest.raises(OutputRejected):
                await studio.generate("mine", **wish)  # type: ignore[arg-type]
        assert (await studio.history.search()).total == 0
    assert len([key for key in bucket.contents() if key.endswith(".png")]) == 1


async def test_a_folder_of_the_store_may_be_named_and_that_of_another_not(
    replica: Replica, bucket: Bucket
) -> None:
    async with replica("one") as one:
        (made,) = (await one.generate("a", output_dir=f"{bucket.address}/shop", filename="logo.png")).images
        assert made.location == f"{bucket.address}/shop/logo.png"
        (again,) = (await one.generate("b", output_dir=f"{bucket.address}/shop", filename="logo.png")).images
        assert again.location == f"{bucket.address}/shop/logo-2.png"
        for folder in ("s3://another/shop", f"{bucket.address}/../x", str(object_root() / "s3" / "another")):
            with pytest.raises(OutputRejected):
                await one.generate("c", output_dir=folder)
        here = one.settings.project_dir or "."
        (local,) = (await one.generate("d", output_dir=f"{here}/plain")).images
        assert not is_object(local.file_path)


async def test_a_call_is_refused_before_it_is_paid_while_the_store_is_away(
    replica: Replica, bucket: Bucket
) -> None:
    async with replica("one") as one:
        bucket.fail(507)
        with pytest.raises(StorageFailed, match="it answered 507"):
            await one.generate("a boat")
        bucket.work()
        assert (await one.history.search()).spending.in_sandbox is None


async def test_a_paid_image_that_the_store_does_not_take_stays_here_and_moves_in_later(
    replica: Replica, bucket: Bucket
) -> None:
    async with replica("one") as one:
        await one.generate("a boat")
        bucket.fail(507, "PUT")
        result = await one.generate("a lake")
        (image,) = result.images
        assert image.file_path.is_relative_to(local_root())
        (note,) = [note for note in result.notes if str(image.file_path) in note]
        assert "history rebuild" in note
        assert bucket.address in note
        assert await one.history.read(image)
        bucket.work()
        rebuilt = await one.history.rebuild()
        assert rebuilt.moved == 1
        assert not image.file_path.exists()
    async with replica("two") as two:
        moved = await two.find(image.id)
        assert moved.location == f"{bucket.address}/{moved.file_path.parent.name}/{image.file_path.name}"
        assert await two.history.read(moved)
        (described,) = [key for key in bucket.contents() if key.endswith(f".metadata/{image.id}.json")]
        assert json.loads(bucket.read(described))["image"]["file_path"] == image.file_path.name


async def test_an_answer_that_cannot_be_used_lies_where_others_get_at_it(bucket: Bucket) -> None:
    async with (
        serve_script(picture(b"this is no image")) as endpoint,
        studio_for(endpoint, storage=bucket.address) as studio,
    ):
        with pytest.raises(OutcomeUnknown) as raised:
            await studio.generate("a fox", **QUICK)
        (key,) = bucket.contents()
        assert f"kept in s3://{bucket.name}/{key}." in raised.value.message
        assert b'"data"' in bucket.read(key)
        assert list((Path.home() / "data" / "gpt-image-mcp" / "answers").iterdir()) == []
        pruned = await studio.history.prune(older_than="2999-01-01", is_confirmed=True)
        assert ([location(path) for path in pruned.answers], bucket.contents()) == (
            [f"s3://{bucket.name}/{key}"],
            [],
        )


async def test_an_answer_that_the_store_does_not_take_stays_here(bucket: Bucket) -> None:
    async with (
        serve_script(picture(b"this is no image")) as endpoint,
        studio_for(endpoint, storage=bucket.address) as studio,
    ):
        storage.require_writable(object_path(bucket.address) or Path())
        bucket.fail(507, "PUT")
        with pytest.raises(OutcomeUnknown) as raised:
            await studio.generate("a fox", **QUICK)
        (kept,) = (Path.home() / "data" / "gpt-image-mcp" / "answers").iterdir()
        assert f"kept in {kept}." in raised.value.message


@BOTH
async def test_after_the_database_is_lost_each_person_has_their_own_images_again(
    replica: Replica, database_url: str
) -> None:
    people = [Owner(name="anna@example.com", group="art"), Owner(name="berta", group="art")]
    made: dict[str, str] = {}
    for person in people:
        async with replica("one", person) as studio:
            made[person.name] = (await studio.generate("a boat")).images[0].id
    database = Database(database_url)
    with database.writing() as connection:
        for table in ("image_parents", "images", "calls"):
            connection.execute(text(f"DELETE FROM {table}"))  # noqa: S608
    database.close()
    async with replica("two") as operator:
        assert (await operator.history.rebuild()).images == 2
        assert (await operator.history.search()).total == 0
    for person in people:
        async with replica("two", person) as studio:
            found = await studio.history.search()
            assert [hit.image.id for hit in found.images] == [made[person.name]]
            assert found.images[0].image.provenance.group == "art"
    async with replica("two", Owner(name="carla", shared_groups=("art",))) as friend:
        assert (await friend.history.search()).total == 2


@BOTH
async def test_what_one_deletes_or_prunes_takes_nothing_from_another(replica: Replica) -> None:
    anna, berta = Owner(name="anna"), Owner(name="berta")
    async with replica("one", anna) as hers:
        (made,) = (await hers.generate("a boat")).images
        batch = await hers.batch_edit("greener", [made.id])
        session = (await hers.start_session("a lake", [made.id])).session
        assert session is not None
    async with replica("two", berta) as others:
        (gone,) = (await others.generate("a fox")).images
        await others.delete(gone.id, confirm=True)
    async with replica("two") as operator:
        await operator.history.prune(older_than="0d", is_confirmed=True)
    async with replica("two", anna) as hers:
        assert isinstance(await hers.get(batch.call_id), BatchResult)
        turn = await hers.continue_session(session.session_id, "more")
        assert turn.status == "completed"


async def test_a_copy_of_a_picture_in_a_named_folder_takes_it_from_nobody(tmp_path: Path) -> None:
    settings = Settings(sandbox=True, embed_metadata=True, output_dir=str(tmp_path / "out"))
    async with Studio(settings, owner=Owner(name="anna", group="art")) as hers:
        (made,) = (await hers.generate("a boat")).images
    (tmp_path / "copies").mkdir()
    (tmp_path / "copies" / "copy.png").write_bytes(made.file_path.read_bytes())
    async with Studio(settings) as operator:
        await operator.history.rebuild([tmp_path / "copies"])
    async with Studio(settings, owner=Owner(name="anna")) as hers:
        assert (await hers.find(made.id)).provenance.owner == "anna"
        assert (await hers.history.search()).total == 1
