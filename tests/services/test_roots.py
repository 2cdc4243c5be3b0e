"""Folders that input files may come from: nothing leads out of them, and what is outside stays unknown."""

from __future__ import annotations

import io
import os
import threading
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from gpt_image_mcp import Settings, Studio
from gpt_image_mcp.errors import ImageError, InputRejected
from gpt_image_mcp.library.store import Library
from gpt_image_mcp.services.inputs import Inputs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

QUICK: dict[str, Any] = {"size": "816x816", "quality": "low"}


def _png(colour: str) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (64, 48), colour).save(stream, "PNG")
    return stream.getvalue()


INSIDE, SECRET = _png("navy"), _png("red")


@pytest.fixture
async def guarded(project: Path) -> AsyncIterator[Studio]:
    """A studio that reads local files only below ``in``, beside which is another folder."""
    for folder in ("in", "out/folder"):
        (project / folder).mkdir(parents=True)
    (project / "in" / "a.png").write_bytes(INSIDE)
    (project / "out" / "secret.png").write_bytes(SECRET)
    (project / "out" / "empty-place").symlink_to("/nonexistent")
    (project / "in" / "link").symlink_to(project / "out")
    os.mkfifo(project / "out" / "pipe.png")
    async with Studio(Settings(sandbox=True, input_roots=(project / "in",))) as opened:
        yield opened


async def _said(studio: Studio, ref: str) -> set[str]:
    """What every way of naming a file says, without the name."""
    said: set[str] = set()
    for ask in (
        studio.get(ref),
        studio.edit("x", [ref], **QUICK),
        studio.edit("x", ["in/a.png"], mask=ref, **QUICK),
        studio.batch_edit("x", [ref], **QUICK),
        studio.start_session("x", [ref], **QUICK),
        studio.export(ref),
        studio.find(ref),
        studio.history.thumbnail(ref),
        studio.history.trace(ref),
    ):
        with pytest.raises(ImageError) as caught:
            await ask
        said.add(str(caught.value))
    return said


@pytest.mark.parametrize(
    "form",
    [
        *(
            "{project}/out/{name}",
            "out/{name}",
            "in/../out/{name}",
            "in/link/{name}",
            "file://{project}/out/{name}",
        ),
        *("file:{project}/%6Fut/{name}", "in/./../out//{name}", "{project}/out/{name}/", "'out/{name}'"),
        *("{project}/out/folder/../{name}", "in/*/../../out/{name}", "in/l*/{name}"),
    ],
)
async def test_the_same_is_said_of_what_is_outside_whatever_is_there(
    guarded: Studio, project: Path, form: str
) -> None:
    names = ("secret.png", "secret.pxg", "folder", "pipe.png", "empty-place", "*.png")
    said = [
        {text.replace(name, "NAME") for text in await _said(guarded, form.format(project=project, name=name))}
        for name in names[:2]
    ]
    assert said[0] == said[1]
    for name in names[2:]:
        with pytest.raises(ImageError) as caught:
            await guarded.get(form.format(project=project, name=name))
        assert "secret" not in str(caught.value)


@pytest.mark.parametrize("there", ["secret.png", "folder", "missing", "empty-place"])
async def test_a_way_over_another_folder_does_not_tell_whether_it_is_there(
    guarded: Studio, there: str
) -> None:
    found = await guarded.get(f"in/../out/{there}/../../in/a.png")
    assert getattr(found, "data", b"") == INSIDE


@pytest.mark.parametrize("name", ["~root/a.png", "~no-such-user/a.png", "file:~root/a.png"])
async def test_users_of_the_machine_are_not_told(guarded: Studio, project: Path, name: str) -> None:
    with pytest.raises(ImageError) as caught:
        await guarded.get(name)
    assert f"{project}/~" in str(caught.value)


async def test_batches_take_only_what_is_inside(guarded: Studio) -> None:
    for ref in ("in", "in/*.png", "in/**/*.png"):
        result = await guarded.batch_edit("x", [ref], **QUICK)
        assert [item.input.rpartition("/")[2] for item in result.items] == ["a.png"]


async def test_a_missing_root_does_not_tell_what_is_beside_it(project: Path) -> None:
    (project / "inn").write_bytes(INSIDE)
    async with Studio(Settings(sandbox=True, input_roots=(project / "in",))) as studio:
        with pytest.raises(ImageError) as caught:
            await studio.get("in")
    assert "inn" not in str(caught.value)


@pytest.mark.usefixtures("guarded")
async def test_a_link_that_is_exchanged_never_leads_out(project: Path) -> None:
    settings = Settings(sandbox=True, input_roots=(project / "in",))
    inputs = Inputs(settings, Library(settings))
    path, other = project / "in" / "b.png", project / "in" / "c.png"
    stop = threading.Event()

    def exchange() -> None:
        while not stop.is_set():
            for target in (project / "in" / "a.png", project / "out" / "secret.png"):
                other.symlink_to(target)
                other.replace(path)
                other.write_bytes(INSIDE)
                other.replace(path)

    thread = threading.Thread(target=exchange)
    thread.start()
    read = 0
    try:
        for _ in range(500):
            try:
                assert (await inputs.read("in/b.png")).data == INSIDE
                read += 1
            except ImageError:
                pass
    finally:
        stop.set()
        thread.join()
        inputs.library.close()
    assert read


async def test_without_folders_nothing_is_looked_at(project: Path) -> None:
    (project / "a.png").write_bytes(INSIDE)
    async with Studio(Settings(sandbox=True, input_roots=())) as studio:
        said = [await _said(studio, name) for name in ("a.png", "b.png")]
    assert {text.replace("a.png", "b.png") for text in said[0]} == {
        text.replace("a.png", "b.png") for text in said[1]
    }


@pytest.mark.parametrize(
    ("key", "step"),
    [
        (
            "k" * 32,
            "Call create_upload_link, send the picture to the address that it gives, and pass its ref",
        ),
        (None, "Pass an http address, a data URL or an image id."),
    ],
)
async def test_people_who_signed_in_are_told_of_uploads_where_there_are_any(
    key: str | None, step: str
) -> None:
    settings = Settings.model_validate(
        {"sandbox": True, "auth": "tokens", "link_key": key, "input_roots": ()}
    )
    async with Studio(settings) as studio:
        with pytest.raises(InputRejected, match=r"photo\.png is a local path") as refused:
            await studio.edit("x", ["photo.png"], **QUICK)
    assert refused.value.next_step.startswith(step)
    assert "GPT_IMAGE" not in refused.value.next_step
