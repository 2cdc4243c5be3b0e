"""What ``overwrite`` replaces: the files whose names were asked for, and never a picture just paid for."""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from PIL import Image

from gpt_image_mcp import Settings, Studio
from gpt_image_mcp.openai_api.sandbox.transport import SandboxTransport
from gpt_image_mcp.services.batch_items import BatchItem
from gpt_image_mcp.values.options import OutputOptions
from tests.faults.scripted import image_file
from tests.standin import serve_standin

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from gpt_image_mcp.values.results import ImageResult

OLD = b"old"
QUICK: dict[str, Any] = {"size": "816x816", "quality": "low"}


class _Generous(SandboxTransport):
    """A gateway that gives as many pictures as the prompt says, as ``PNG`` or ``JPEG``."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        said = re.search(rb"give (\d) (PNG|JPEG)", await request.aread())
        assert said
        kind: Any = said[2].decode()
        pictures = [image_file((number, 90, 40), image_format=kind) for number in range(int(said[1]))]
        data = [{"b64_json": base64.b64encode(picture).decode()} for picture in pictures]
        return httpx2.Response(200, content=json.dumps({"created": 1, "data": data}), request=request)


@pytest.fixture
async def studio(project: Path) -> AsyncGenerator[Studio]:
    """A studio that works for a project, before that gateway."""
    del project
    async with serve_standin(_Generous()) as standin:
        settings = {"api_key": "sk-test", "base_url": standin.base_url}
        async with Studio(Settings.model_validate(settings)) as opened:
            yield opened


def _art(project: Path, *names: str) -> Path:
    """A folder with files of the user's."""
    folder = project / "art"
    folder.mkdir()
    for name in names:
        (folder / name).write_bytes(OLD)
    return folder


def _kept(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.read_bytes() == OLD}


async def _made(studio: Studio, prompt: str, **options: Any) -> tuple[ImageResult, list[str]]:
    made = await studio.generate(prompt, overwrite=True, **options, **QUICK)
    return made, [image.file_path.name for image in made.images]


async def test_pictures_that_were_not_asked_for_replace_nothing(studio: Studio, project: Path) -> None:
    folder = _art(project, "owl.png", "owl-1.png", "owl-2.png")
    _, names = await _made(studio, "give 2 PNG", filename="art/owl.png")
    assert not {"owl.png", "owl-1.png", "owl-2.png"} & set(names)
    assert _kept(folder) == {"owl.png", "owl-1.png", "owl-2.png"}


async def test_a_picture_that_came_alone_replaces_none_that_was_not_named(
    studio: Studio, project: Path
) -> None:
    folder = _art(project, "owl.png", "owl-1.png")
    await _made(studio, "give 1 PNG", filename="art/owl.png", n=2)
    assert _kept(folder) == {"owl.png", "owl-1.png"}


async def test_a_picture_in_another_format_replaces_no_file_of_that_format(
    studio: Studio, project: Path
) -> None:
    folder = _art(project, "hero.png", "hero.jpg")
    made, names = await _made(studio, "give 1 JPEG", filename="art/hero.png")
    assert (names, _kept(folder)) == (["hero-2.jpg"], {"hero.png", "hero.jpg"})
    assert "The name hero.png was taken or not possible; the image is hero-2.jpg." in made.notes


@pytest.mark.parametrize("filename", ["fox.jpeg", "fox.jpg", "v1.2.png", "a.png.png", "狐" * 100 + ".webp"])
@pytest.mark.parametrize("exact_size", ["", "64x64"])
@pytest.mark.parametrize("n", [1, 2])
async def test_every_name_that_was_asked_for_is_replaced(
    project: Path, filename: str, exact_size: str, n: int
) -> None:
    options: dict[str, Any] = {"filename": f"art/{filename}", "exact_size": exact_size, "n": n}
    async with Studio(Settings(sandbox=True)) as studio:
        before = await studio.generate("a fox", quality="low", **options)
        after = await studio.generate("a fox", quality="low", overwrite=True, **options)
    paths = [image.file_path for image in after.images]
    assert paths == [image.file_path for image in before.images]
    assert sorted((project / "art").iterdir()) == sorted(paths)
    assert {path.suffix for path in paths} == {f".{filename.rpartition('.')[2]}"}


@pytest.mark.parametrize("are_there", [False, True])
@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("m.png", "give 3 PNG"), ("m-2.png", "give 1 PNG")),
        (("m.png", "give 1 JPEG"), ("m.jpg", "give 1 JPEG")),
    ],
)
async def test_what_came_for_one_image_of_a_batch_replaces_nothing_of_another(
    studio: Studio,
    project: Path,
    first: tuple[str, str],
    second: tuple[str, str],
    order: int,
    *,
    are_there: bool,
) -> None:
    lines = [first, second][::order]
    folder = _art(project, *([name for name, _ in lines] if are_there else []))
    Image.new("RGB", (64, 64), "navy").save(project / "in.png")
    items = [
        BatchItem(image="in.png", prompt=prompt, output=OutputOptions(filename=f"art/{name}", overwrite=True))
        for name, prompt in lines
    ]
    made = await studio.edit_each(items, concurrency=1)
    paths = [image.file_path for entry in made.items for image in entry.images]
    assert len(set(paths)) == sum(int(prompt[5]) for _, prompt in lines)
    assert all(path.read_bytes() != OLD for path in paths)
    assert set(folder.iterdir()) >= set(paths)


async def test_a_name_that_an_image_of_a_batch_evades_to_replaces_nothing(
    studio: Studio, project: Path
) -> None:
    folder = _art(project, "fox.png", "fox-2.png")
    for name in ("a", "b"):
        (project / name).mkdir()
        Image.new("RGB", (64, 64), "navy").save(project / name / "fox.png")
    made = await studio.batch_edit(
        "give 1 PNG", ["a/fox.png", "b/fox.png"], filename="art/{name}.png", overwrite=True, **QUICK
    )
    names = [image.file_path.name for entry in made.items for image in entry.images]
    assert (names, _kept(folder)) == (["fox.png", "fox-2-2.png"], {"fox-2.png"})


async def test_a_batch_that_goes_on_takes_what_it_made_for_its_own(studio: Studio, project: Path) -> None:
    """Its names were free when it began, and are taken when it is called again."""
    Image.new("RGB", (64, 64), "navy").save(project / "in.png")
    call: dict[str, Any] = {"filename": "art/{name}.png", "overwrite": True, **QUICK}
    begun = await studio.batch_edit("give 1 PNG", ["in.png"], wait_seconds=0, **call)
    again = await studio.batch_edit("give 1 PNG", ["in.png"], **call)
    assert again.call_id == begun.call_id
    assert [path.name for path in (project / "art").iterdir()] == ["in.png"]
