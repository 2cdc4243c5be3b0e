"""Files of the library that are no longer what was saved: they are read as any input is, and it is said."""

from __future__ import annotations

import io
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from gpt_image_mcp import Settings, Studio
from gpt_image_mcp.errors import ImageError, InputRejected, StorageFailed
from gpt_image_mcp.library.naming import Naming
from gpt_image_mcp.values.images import Requested
from gpt_image_mcp.values.results import ImageResult

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from gpt_image_mcp.library.store import Library
    from gpt_image_mcp.values.images import Provenance, StoredImage

BARE: dict[str, Any] = {
    "status": "completed",
    "call_id": "",
    "prompt": "",
    "model": "",
    "requested": Requested(),
}
QUICK: dict[str, Any] = {"size": "816x816", "quality": "low"}


def _png(colour: str) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (64, 48), colour).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture
def saved(library: Library, provenance: Provenance, tmp_path: Path) -> StoredImage:
    """A saved image."""
    (image,), _ = library.save(
        [_png("navy")], provenance=provenance, naming=Naming(kind="image"), folder=tmp_path / "made"
    )
    return image


@pytest.fixture
async def studio() -> AsyncIterator[Studio]:
    """A studio in the sandbox."""
    async with Studio(Settings(sandbox=True)) as opened:
        yield opened


async def _made(studio: Studio) -> StoredImage:
    return (await studio.generate("a fox", **QUICK)).images[0]


def _text(path: Path) -> None:
    path.write_text("root:x:0:0")


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _link_to_a_text(path: Path) -> None:
    path.unlink()
    path.symlink_to("/etc/passwd")


def _device(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def _gigabytes(path: Path) -> None:
    with path.open("r+b") as stream:
        stream.truncate(200_000_000_000)


def _view(path: Path) -> None:
    path.unlink()
    path.symlink_to("/proc/self/environ")


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _folder_of_others(path: Path) -> None:
    secrets = path.parent.parent / "secrets"
    secrets.mkdir()
    (secrets / path.name).write_text("PRIVATE KEY")
    shutil.rmtree(path.parent)
    path.parent.symlink_to(secrets)


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    "change",
    [_text, _pipe, _link_to_a_text, _device, _gigabytes, _view, _folder, _folder_of_others],
)
async def test_what_is_no_image_of_ours_any_more_leaves_by_no_way(
    studio: Studio, change: Callable[[Path], None]
) -> None:
    image = await _made(studio)
    change(image.file_path)
    for ask in (
        studio.history.read(image),
        studio.history.thumbnail(image.id),
        studio.edit("x", [image.id], **QUICK),
    ):
        with pytest.raises(ImageError) as caught:
            await ask
        assert "PRIVATE" not in str(caught.value)
    assert (await studio.preview(ImageResult(images=(image,), **BARE))).images == ()


async def test_a_picture_that_took_the_place_of_another_is_shown_and_said(studio: Studio) -> None:
    image = await _made(studio)
    image.file_path.write_bytes(_png("red"))
    found = await studio.get(image.id)
    previews = await studio.preview(found)
    assert len(previews.images) == 1
    assert any(image.id in note and "changed" in note for note in previews.notes)
    assert await studio.history.read(image) == _png("red")


async def test_without_folders_for_inputs_only_the_saved_file_is_read(studio: Studio) -> None:
    image = await _made(studio)
    async with Studio(Settings(sandbox=True, input_roots=())) as remote:
        assert len(await remote.history.read(image)) == image.size_bytes
        image.file_path.write_bytes(_png("red"))
        with pytest.raises(StorageFailed, match="outside the allowed folders"):
            await remote.history.read(image)
        with pytest.raises(InputRejected, match="not the one that was saved"):
            await remote.edit("x", [image.id], **QUICK)


def test_an_entry_that_names_a_file_of_others_gives_nothing_of_it(
    library: Library, saved: StoredImage
) -> None:
    for path in ("/etc/passwd", "/proc/self/environ", "/dev/zero", "/etc"):
        foreign = replace(saved, file_path=Path(path), size_bytes=10**12)
        with pytest.raises(StorageFailed, match="not the one that was saved"):
            library.read(foreign)
        assert library.digest(foreign) != saved.sha256


def test_a_picture_of_an_unknown_format_is_still_ours(
    library: Library, provenance: Provenance, tmp_path: Path
) -> None:
    (image,), _ = library.save(
        [b"a picture of tomorrow"], provenance=provenance, naming=Naming(kind="image"), folder=tmp_path
    )
    assert image.file_path.suffix == ".bin"
    assert library.open(image) == (b"a picture of tomorrow", ())


def test_a_link_to_the_saved_bytes_is_no_change(library: Library, saved: StoredImage, tmp_path: Path) -> None:
    saved.file_path.rename(tmp_path / "elsewhere.png")
    saved.file_path.symlink_to(tmp_path / "elsewhere.png")
    assert library.open(saved)[1] == ()


async def test_a_start_image_that_was_exchanged_is_not_sent(studio: Studio, project: Path) -> None:
    (project / "a.png").write_bytes(_png("red"))
    (project / "b.png").write_bytes(_png("green"))
    started = await studio.start_session("x", ["a.png", "b.png"], **QUICK)
    assert started.session is not None
    session = started.session.session_id
    kept = sorted(path for path in (Path.home() / "data").rglob("inputs/*.png"))
    assert len(kept) == 2
    for path in kept:
        path.write_bytes(_png("blue"))
    with pytest.raises(ImageError, match="start image"):
        await studio.continue_session(session, "y", **QUICK)
    await studio.start_session("z", ["a.png", "b.png"], **QUICK)
    assert (await studio.continue_session(session, "y", **QUICK)).status == "completed"


async def test_a_file_of_gigabytes_is_not_hashed_to_know_it(studio: Studio, project: Path) -> None:
    with (project / "large.png").open("wb") as stream:
        stream.truncate(200_000_000_000)
    with pytest.raises(ImageError, match="200,000,000,000 bytes"):
        await studio.get("large.png")
