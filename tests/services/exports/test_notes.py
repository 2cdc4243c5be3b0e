"""What an export says about itself, and what a refused one leaves behind: nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from gpt_image_mcp.errors import ImageError, InvalidArgument

if TYPE_CHECKING:
    from pathlib import Path

    from gpt_image_mcp import Studio


def _scene(size: tuple[int, int] = (300, 200), mode: str = "RGB") -> Image.Image:
    """A lime picture, in RGBA transparent on its left half."""
    image = Image.new(mode, size, "lime")
    if mode == "RGBA":
        image.paste((0, 0, 0, 0), (0, 0, size[0] // 2, size[1]))
    return image


def _saved(path: Path, image: Image.Image | None = None) -> str:
    (image or _scene()).save(path)
    return str(path)


@pytest.mark.parametrize(
    ("ref", "options"),
    [
        ("missing.png", {}),
        ("note.png", {}),
        ("a.png", {"background": "greenish"}),
        ("a.png", {"width": 16_000, "height": 16_000, "fit": "stretch"}),
        ("a.png", {"preset": "banner"}),
    ],
)
async def test_a_refused_export_leaves_no_folder(
    studio: Studio, project: Path, ref: str, options: dict[str, Any]
) -> None:
    _saved(project / "a.png")
    (project / "note.png").write_text("no image")
    with pytest.raises(ImageError):
        await studio.export(ref, output_dir="new/folder", **options)
    assert not (project / "new").exists()


async def test_a_colour_is_looked_at_before_the_source(studio: Studio) -> None:
    with pytest.raises(InvalidArgument, match="greenish"):
        await studio.export("missing.png", background="greenish")


async def test_notes_name_the_files_as_they_were_written(studio: Studio, project: Path) -> None:
    source = _saved(project / "a.png", _scene(mode="RGBA"))
    for number in ("", "-2", "-3"):
        result = await studio.export(source, output_format="jpeg")
        assert result.files[0].file_path.name == f"a-300x200{number}.jpg"
        (note,) = result.notes
        assert f": a-300x200{number}.jpg;" in note
    enlarged = await studio.export(source, width=600, height=10, fit="cover")
    assert all("a-600x10.png" in note for note in enlarged.notes)
    assert len(enlarged.notes) == 2


async def test_bars_are_not_called_transparency(studio: Studio, project: Path) -> None:
    opaque = _saved(project / "a.png", _scene((1200, 1100)))
    (note,) = (await studio.export(opaque, preset="app_icon", fit="contain")).notes
    assert note.startswith("Bars of #ffffff were added: icon-1024x1024.png, ")
    assert "background chooses their colour" in note
    clear = _saved(project / "b.png", _scene((1200, 1100), "RGBA"))
    notes = (await studio.export(clear, preset="app_icon", fit="contain")).notes
    assert [note.partition(":")[0] for note in notes] == [
        "Bars of #ffffff were added",
        "Transparency was filled with #ffffff",
    ]
    assert (await studio.export(opaque, preset="app_icon", fit="contain", background="navy")).notes == ()
    square = _saved(project / "c.png", _scene((1200, 1200)))
    assert (await studio.export(square, preset="app_icon", fit="contain")).notes == ()


async def test_another_format_than_the_sources_is_said(studio: Studio, project: Path) -> None:
    source = _saved(project / "a.webp", _scene((300, 300)))
    notes = (await studio.export(source, preset="social")).notes
    assert any("webp" in note and "PNG" in note for note in notes)
    for options in ({"preset": "favicon"}, {"preset": "social", "output_format": "webp"}, {}):
        notes = (await studio.export(source, **options)).notes  # type: ignore[arg-type]
        assert not any("PNG" in note for note in notes)


async def test_a_source_that_was_changed_outside_is_said_to_be(studio: Studio) -> None:
    stored = (await studio.generate("a boat", size="816x816", quality="low")).images[0]
    _saved(stored.file_path)
    result = await studio.export(stored.id, width=8)
    assert result.notes == (
        f"Image {stored.id} was changed since it was made; the file as it is now was used.",
    )
