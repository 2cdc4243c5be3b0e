"""What cannot be exported, and what that is answered with."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from gpt_image_mcp.errors import InputNotFound, InputRejected, InvalidArgument, OutputRejected, StorageFailed
from gpt_image_mcp.imaging.limits import MAX_PIXELS
from tests.full_disks import full_disk

if TYPE_CHECKING:
    from pathlib import Path

    from gpt_image_mcp import Studio


def _saved(path: Path, image: Image.Image | None = None) -> str:
    (image or Image.new("RGB", (300, 200), "lime")).save(path)
    return str(path)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"output_format": "tiff"}, "tiff"),
        ({"fit": "fill"}, "fill"),
        ({"preset": "banner"}, "banner"),
        ({"width": -1}, "-1"),
        ({"height": 20_000}, "20000"),
        ({"preset": "favicon", "width": 5}, "favicon"),
        ({"preset": "app_icon", "output_format": "png"}, "app_icon"),
        ({"preset": "social", "output_format": "ico"}, "ico"),
        ({"output_format": "ico", "width": 300}, "300"),
        ({"output_format": "ico", "width": 30, "height": 40}, "40x30"),
        ({"background": "greenish"}, "greenish"),
        ({"width": 16_000, "height": 16_000, "fit": "stretch"}, "16000x16000"),
        ({"width": 5001, "height": 5000, "fit": "stretch", "output_format": "avif"}, "25,000,000"),
        ({"width": 5001, "height": 5000, "fit": "stretch", "output_format": "webp"}, "25,000,000"),
    ],
)
async def test_what_cannot_be_made_is_refused_with_its_value(
    studio: Studio, project: Path, options: dict[str, Any], word: str
) -> None:
    source = _saved(project / "a.png")
    with pytest.raises(InvalidArgument, match=word):
        await studio.export(source, **options)
    assert list(project.parent.glob("out/*")) == []
    assert [path.name for path in project.iterdir()] == ["a.png"]


async def test_an_edge_that_webp_cannot_store_is_refused(studio: Studio, project: Path) -> None:
    with pytest.raises(InvalidArgument, match="16,383"):
        await studio.export(_saved(project / "a.png", Image.new("1", (1, 17_000))), output_format="webp")


@pytest.mark.parametrize("options", [{}, {"max_kb": 10}, {"filename": "wide.jpg"}])
async def test_an_edge_that_jpeg_cannot_store_is_refused(
    studio: Studio, project: Path, options: dict[str, Any]
) -> None:
    source = _saved(project / "a.png", Image.new("1", (65_501, 1)))
    wanted: dict[str, Any] = {"output_format": "jpeg"} | options
    with pytest.raises(InvalidArgument, match="65,500"):
        await studio.export(source, **wanted)


@pytest.mark.parametrize(
    ("output_format", "edge"), [("png", 65_535), ("avif", 32_768), ("jpeg", 65_500), ("webp", 16_383)]
)
async def test_the_longest_edge_of_each_format_is_stored(
    studio: Studio, project: Path, output_format: str, edge: int
) -> None:
    source = _saved(project / "a.png", Image.new("L", (edge, 2)))
    exported = await studio.export(source, output_format=output_format)
    with Image.open(exported.files[0].file_path) as image:
        assert image.size == (edge, 2)


async def test_avif_is_refused_where_pillow_was_built_without(
    studio: Studio, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = _saved(project / "a.avif")
    monkeypatch.delitem(Image.SAVE, "AVIF")
    for options in ({"output_format": "avif"}, {"output_format": ""}):
        with pytest.raises(InvalidArgument, match="avif"):
            await studio.export(source, **options)  # type: ignore[arg-type]


async def test_a_source_that_cannot_be_used_is_refused(studio: Studio, project: Path) -> None:
    with pytest.raises(InputNotFound):
        await studio.export("missing.png")
    (project / "note.png").write_text("no image")
    with pytest.raises(InputRejected, match=r"note\.png"):
        await studio.export("note.png")
    whole = io.BytesIO()
    Image.new("RGB", (300, 200), "lime").save(whole, "PNG")
    (project / "cut.png").write_bytes(whole.getvalue()[:-40])
    with pytest.raises(InputRejected):
        await studio.export("cut.png")
    bomb = Image.new("1", (MAX_PIXELS // 1000 + 1, 1000))
    with pytest.raises(InputRejected, match=r"bomb\.png"):
        await studio.export(_saved(project / "bomb.png", bomb))


async def test_a_forbidden_folder_is_refused_before_anything_is_read(studio: Studio) -> None:
    with pytest.raises(OutputRejected):
        await studio.export("missing.png", output_dir="/etc/icons")


async def test_a_file_that_the_disk_does_not_take_is_a_storage_failure(studio: Studio, project: Path) -> None:
    source = _saved(project / "a.png", Image.effect_noise((1200, 1200), 90))
    await studio.export(source, width=9)
    with full_disk(1_000_000), pytest.raises(StorageFailed):
        await studio.export(source)
    assert {path.name for path in project.iterdir()} == {"a.png", "a-9x9.png"}
