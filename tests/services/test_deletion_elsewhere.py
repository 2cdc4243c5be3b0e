"""What is left after a deletion in other places: caches, copies, the other pictures of a call."""

from __future__ import annotations

import asyncio
import shutil
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from PIL import Image

from gpt_image_mcp import Settings, Studio
from gpt_image_mcp.errors import InputRejected, NotFound
from gpt_image_mcp.values.results import ImageResult

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from gpt_image_mcp.values.images import StoredImage

QUICK: dict[str, Any] = {"size": "816x816", "quality": "low"}


@pytest_asyncio.fixture
async def studio(tmp_path: Path) -> AsyncIterator[Studio]:
    """A studio whose configured folder is ``out``."""
    async with Studio(Settings(sandbox=True, output_dir=str(tmp_path / "out"))) as opened:
        yield opened


@pytest.fixture
def photo(project: Path) -> Path:
    """A picture of the user's."""
    path = project / "photo.png"
    Image.linear_gradient("L").resize((256, 256)).convert("RGB").save(path)
    return path


async def _made(studio: Studio, prompt: str = "a fox", **options: Any) -> StoredImage:
    return (await studio.generate(prompt, **QUICK, **options)).images[0]


async def test_of_deletions_at_once_one_deletes_and_the_others_are_told(studio: Studio) -> None:
    image = await _made(studio)
    answers = await asyncio.gather(
        *(studio.delete(image.id, confirm=True) for _ in range(4)), return_exceptions=True
    )
    refused = [answer for answer in answers if isinstance(answer, BaseException)]
    assert len(refused) == 3
    assert all(isinstance(error, NotFound) and "was deleted on" in error.message for error in refused)
    assert (await studio.history.search(limit=0)).spending.deleted == 1


async def test_the_previews_of_a_large_image_go_too(studio: Studio, tmp_path: Path) -> None:
    image = (await studio.generate("a fox", size="2048x2048", quality="low")).images[0]
    await studio.history.thumbnail(image.id)
    cached = [path for path in (tmp_path / "home").rglob(f"*{image.sha256}*") if path.is_file()]
    assert cached
    await studio.delete(image.id, confirm=True)
    assert not any(path.exists() for path in cached)


@pytest.mark.parametrize("embeds", [False, True])
async def test_no_rebuild_brings_it_back_from_a_copy_with_its_metadata(
    tmp_path: Path, *, embeds: bool
) -> None:
    settings = Settings(sandbox=True, output_dir=str(tmp_path / "out"), embed_metadata=embeds)
    async with Studio(settings) as studio:
        image = await _made(studio)
        shutil.copytree(tmp_path / "out", tmp_path / "backup")
        await studio.delete(image.id, confirm=True)
        rebuilt = await studio.history.rebuild([tmp_path / "backup"])
        assert rebuilt.images == 0
        assert (await studio.history.search()).total == 0
        # The copy is now a picture like any other.
        with pytest.raises(InputRejected, match="no image of the library"):
            await studio.delete(str(tmp_path / "backup" / image.file_path.name), confirm=True)
    assert (tmp_path / "backup" / image.file_path.name).is_file()


async def test_a_job_with_one_of_its_pictures_deleted_still_gives_the_others(studio: Studio) -> None:
    result = await studio.generate("a fox", n=2, **QUICK)
    gone, left = result.images
    await studio.delete(gone.id, confirm=True)
    collected = await studio.get(result.call_id)
    assert isinstance(collected, ImageResult)
    assert left.id in [image.id for image in collected.images]
    assert (await studio.get(left.id)).images[0].file_path.is_file()  # type: ignore[union-attr]


async def test_a_picture_put_back_over_its_original_goes_without_it(studio: Studio, photo: Path) -> None:
    edited = await studio.edit(
        "a hat", [str(photo)], regions=[{"shape": "rectangle", "box": [0.2, 0.2, 0.6, 0.6]}], quality="low"
    )
    (image,) = edited.images
    (raw,) = image.provenance.parents
    before = (await studio.history.search(limit=0)).spending.in_sandbox
    done = await studio.delete(image.id, confirm=True)
    assert done.parents == (raw,)
    assert (await studio.find(raw)).file_path.is_file()
    assert photo.is_file()
    await studio.delete(raw, confirm=True)
    await studio.history.rebuild()
    assert (await studio.history.search(limit=0)).spending.in_sandbox == before


async def test_a_caller_who_may_not_read_a_file_cannot_delete_it_by_its_path(
    tmp_path: Path, project: Path
) -> None:
    async with Studio(Settings(sandbox=True, output_dir=str(tmp_path / "out"), input_roots=())) as studio:
        image = await _made(studio)
        with pytest.raises(InputRejected):
            await studio.delete(str(image.file_path), confirm=True)
        assert image.file_path.is_file()
        assert (await studio.delete(image.id, confirm=True)).is_done
    assert list(project.iterdir()) == []
