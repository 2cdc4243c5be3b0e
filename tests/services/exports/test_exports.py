"""Exports as files: formats, sizes, colours, sets and names."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from gpt_image_mcp import Settings, Studio
from gpt_image_mcp.errors import (
    ImageError,
)
from gpt_image_mcp.imaging.export_presets import ExportOptions, plan_targets, validate_options
from gpt_image_mcp.imaging.rendering import read_colour, render
from gpt_image_mcp.values.pixels import Pixels
from tests.web import answer, serve

if TYPE_CHECKING:
    from pathlib import Path

    from gpt_image_mcp.values.exports import ExportResult

MAGENTA, LIME = (255, 0, 255), (0, 255, 0)
EXIF_ORIENTATION, EXIF_ARTIST = 0x0112, 0x013B
FORMATS = ("png", "jpeg", "webp", "avif", "ico")


def _scene(size: tuple[int, int] = (300, 200), mode: str = "RGB") -> Image.Image:
    """Magenta, with a lime square in the middle; in RGBA the magenta is transparent."""
    image = Image.new(mode, size, MAGENTA if mode == "RGB" else (*MAGENTA, 0))
    width, height = size
    image.paste(
        LIME if mode == "RGB" else (*LIME, 255), (width // 3, height // 3, width * 2 // 3, height * 2 // 3)
    )
    return image


def _saved(path: Path, image: Image.Image | None = None, **options: Any) -> str:
    (image or _scene()).save(path, **options)
    return str(path)


def _opened(result: ExportResult, index: int = 0) -> Image.Image:
    with Image.open(result.files[index].file_path) as image:
        image.load()
        return image


def _is_near(actual: Any, expected: tuple[int, ...], tolerance: int = 12) -> bool:
    return all(abs(a - b) <= tolerance for a, b in zip(actual, expected, strict=True))


@pytest.mark.parametrize("output_format", FORMATS)
async def test_an_image_becomes_a_file_of_another_format(
    studio: Studio, project: Path, output_format: str
) -> None:
    source = project / "boat.png"
    original = _saved(source) and source.read_bytes()
    result = await studio.export("boat.png", output_format=output_format)
    (made,) = result.files
    edge = 256 if output_format == "ico" else 300
    extension = "jpg" if output_format == "jpeg" else output_format
    size = (edge, 256 if output_format == "ico" else 200)
    assert made.file_path == project / f"boat-{size[0]}x{size[1]}.{extension}"
    assert (made.width, made.height) == size == _opened(result).size
    assert made.size_bytes == made.file_path.stat().st_size
    assert made.mime_type == (
        "image/vnd.microsoft.icon" if output_format == "ico" else f"image/{output_format}"
    )
    assert _opened(result).format == output_format.upper()
    assert source.read_bytes() == original
    assert result.notes == ()


@pytest.mark.parametrize(
    ("name", "extension"),
    [("a.jpg", "jpg"), ("a.webp", "webp"), ("a.avif", "avif"), ("a.gif", "png"), ("a.bmp", "png")],
)
async def test_the_format_of_the_source_is_kept_where_it_can_be(
    studio: Studio, project: Path, name: str, extension: str
) -> None:
    result = await studio.export(_saved(project / name), width=30)
    assert result.files[0].file_path.suffix == f".{extension}"
    assert any("is not written" in note for note in result.notes) is (name in ("a.gif", "a.bmp"))


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ({"width": 150}, (150, 100)),
        ({"height": 20}, (30, 20)),
        ({"width": 100, "height": 100}, (100, 67)),
        ({"width": 100, "height": 100, "fit": "cover"}, (100, 100)),
        ({"width": 100, "height": 100, "fit": "stretch"}, (100, 100)),
        ({"width": 100, "height": 100, "background": "white"}, (100, 100)),
        ({"width": 100, "background": "white"}, (100, 67)),
    ],
)
async def test_a_size_is_met_as_the_fit_says(
    studio: Studio, project: Path, options: dict[str, Any], size: tuple[int, int]
) -> None:
    result = await studio.export(_saved(project / "a.png"), **options)
    assert (result.files[0].width, result.files[0].height) == size == _opened(result).size
    cropped = [note for note in result.notes if "Cropped" in note]
    assert bool(cropped) is (options.get("fit") == "cover")


async def test_contain_fills_the_rest_with_the_colour_or_with_nothing(studio: Studio, project: Path) -> None:
    source = _saved(project / "a.png")
    box: dict[str, Any] = {"width": 120, "height": 120}
    coloured = _opened(await studio.export(source, background="#0000ff", **box))
    assert (coloured.mode, coloured.getpixel((60, 5))) == ("RGB", (0, 0, 255))
    assert _is_near(coloured.getpixel((5, 60)), MAGENTA)
    clear = _opened(await studio.export(source, background="transparent", **box))
    assert (clear.mode, clear.getpixel((60, 5))) == ("RGBA", (0, 0, 0, 0))


async def test_transparency_is_kept_or_flattened_by_choice(studio: Studio, project: Path) -> None:
    source = _saved(project / "a.png", _scene(mode="RGBA"))
    kept = await studio.export(source, width=60, output_format="webp")
    assert _opened(kept).convert("RGBA").getchannel("A").getpixel((0, 0)) == 0
    chosen = await studio.export(source, width=60, background="navy")
    assert (_opened(chosen).mode, _opened(chosen).getpixel((0, 0))) == ("RGB", (0, 0, 128))
    assert kept.notes == chosen.notes == ()
    forced = await studio.export(source, width=60, output_format="jpeg")
    assert _is_near(_opened(forced).getpixel((0, 0)), (255, 255, 255))
    assert any("a" in note and "background chooses the colour" in note for note in forced.notes)


async def test_no_edge_shines_through_where_transparent_pixels_had_a_colour(
    studio: Studio, project: Path
) -> None:
    result = await studio.export(_saved(project / "a.png", _scene(mode="RGBA")), width=37)
    counted: Any = _opened(result).convert("RGBA").getcolors(10_000)
    colours = {pixel[:3] for _, pixel in counted if pixel[3] > 25}
    assert colours
    assert all(_is_near(colour, LIME, 16) for colour in colours)


async def test_enlarging_is_said_with_both_sizes(studio: Studio, project: Path) -> None:
    source = _saved(project / "a.png")
    (note,) = (await studio.export(source, width=600)).notes
    assert "300x200" in note
    assert "600x400" in note
    assert (await studio.export(source, width=300)).notes == ()


async def test_the_orientation_is_applied_and_private_metadata_are_gone(
    studio: Studio, project: Path
) -> None:
    exif = Image.Exif()
    exif[EXIF_ORIENTATION], exif[EXIF_ARTIST] = 6, "somebody"
    source = _saved(project / "a.jpg", exif=exif, xmp=b"<x:xmpmeta>somebody</x:xmpmeta>")
    for output_format in ("jpeg", "png", "webp", "avif"):
        result = await studio.export(source, output_format=output_format)
        assert (result.files[0].width, result.files[0].height) == (200, 300)
        assert b"somebody" not in result.files[0].file_path.read_bytes()
        assert not _opened(result).getexif()


def _profile_of_another_space() -> bytes:
    """A profile that is not for RGB pixels."""
    return ImageCms.ImageCmsProfile(cast("Any", ImageCms).createProfile("XYZ")).tobytes()


async def test_colours_of_another_profile_become_srgb(studio: Studio, project: Path) -> None:
    srgb = ImageCms.ImageCmsProfile(cast("Any", ImageCms).createProfile("sRGB")).tobytes()
    swapped = bytearray(srgb)
    red, blue = swapped.find(b"rXYZ", 128), swapped.find(b"bXYZ", 128)
    swapped[red : red + 4], swapped[blue : blue + 4] = b"bXYZ", b"rXYZ"
    other = bytes(swapped).replace("sRGB".encode("utf-16-be"), "xRGB".encode("utf-16-be"))
    red_image = Image.new("RGB", (40, 40), (250, 0, 0))
    result = await studio.export(_saved(project / "a.png", red_image, icc_profile=other))
    assert any("sRGB" in note for note in result.notes)
    assert "icc_profile" not in _opened(result).info
    assert _is_near(_opened(result).getpixel((20, 20)), (0, 0, 250), 40)
    for profile in (srgb, other[:200], _profile_of_another_space()):
        result = await studio.export(_saved(project / "b.png", red_image, icc_profile=profile))
        assert result.notes == ()
        assert _opened(result).getpixel((20, 20)) == (250, 0, 0)


async def test_palettes_and_print_colours_become_plain_ones(studio: Studio, project: Path) -> None:
    clear = _scene(mode="RGBA").quantize(8)
    assert _opened(await studio.export(_saved(project / "p.png", clear))).mode == "RGBA"
    printed = await studio.export(_saved(project / "c.jpg", _scene().convert("CMYK")))
    assert _opened(printed).mode == "RGB"


async def test_of_an_animation_the_first_frame_is_used_with_a_note(studio: Studio, project: Path) -> None:
    frames = [Image.new("RGB", (20, 20), colour) for colour in (MAGENTA, LIME)]
    for name in ("a.gif", "a.webp", "a.png"):
        source = _saved(project / name, frames[0], save_all=True, append_images=frames[1:])
        result = await studio.export(source, output_format="png")
        assert _is_near(_opened(result).getpixel((10, 10)), MAGENTA)
        assert "first frame" in result.notes[0]


async def test_lost_provenance_is_said(studio: Studio, project: Path) -> None:
    source = project / "a.jpg"
    _saved(source)
    data, box = source.read_bytes(), b"JP\0\1\0\0\0\1\0\0\0\x20jumb\0\0\0\x18jumdc2pa\0"
    source.write_bytes(data[:2] + b"\xff\xeb" + (len(box) + 2).to_bytes(2, "big") + box + data[2:])
    assert "C2PA" in (await studio.export(str(source))).notes[0]


async def test_an_ico_holds_the_usual_sizes_up_to_the_largest(studio: Studio, project: Path) -> None:
    for source, options, edges in (
        (_saved(project / "a.png"), {"width": 64}, {16, 32, 48, 64}),
        (_saved(project / "b.png", _scene((100, 60))), {"fit": "cover"}, {16, 32, 48, 60}),
        (_saved(project / "c.png", _scene((6, 4))), {}, {6}),
    ):
        arguments: dict[str, Any] = dict(options)
        result = await studio.export(source, output_format="ico", **arguments)
        with Image.open(result.files[0].file_path) as icon:
            assert icon.info["sizes"] == {(edge, edge) for edge in edges}
            assert icon.size == (max(edges), max(edges))
        assert not any("Enlarged" in note for note in result.notes)


async def test_the_favicon_set_has_the_names_that_browsers_look_for(studio: Studio, project: Path) -> None:
    result = await studio.export(_saved(project / "logo.png", _scene((600, 600), "RGBA")), preset="favicon")
    assert {made.file_path.name: (made.width, made.height) for made in result.files} == {
        "favicon.ico": (48, 48),
        "favicon-16x16.png": (16, 16),
        "favicon-32x32.png": (32, 32),
        "favicon-48x48.png": (48, 48),
        "apple-touch-icon.png": (180, 180),
        "icon-192x192.png": (192, 192),
        "icon-512x512.png": (512, 512),
    }
    assert {made.file_path.parent for made in result.files} == {result.folder}
    assert result.folder == project / "logo-favicon"
    modes = {made.file_path.name: _opened(result, index).mode for index, made in enumerate(result.files)}
    assert [name for name, mode in modes.items() if mode == "RGB"] == ["apple-touch-icon.png"]
    with Image.open(result.files[0].file_path) as icon:
        assert icon.info["sizes"] == {(16, 16), (32, 32), (48, 48)}


async def test_app_icons_are_opaque_as_the_stores_demand(studio: Studio, project: Path) -> None:
    result = await studio.export(_saved(project / "a.png", _scene((90, 60), "RGBA")), preset="app_icon")
    assert [made.width for made in result.files] == [1024, 512, 256, 180, 120]
    assert {_opened(result, index).mode for index in range(5)} == {"RGB"}
    assert ["Enlarged" in note for note in result.notes] == [True, False, False]


@pytest.mark.parametrize(
    ("name", "output_format", "extension"),
    [("a.png", "", "png"), ("a.jpg", "", "jpg"), ("a.webp", "", "png"), ("a.png", "webp", "webp")],
)
async def test_pictures_to_share_have_exactly_their_sizes(
    studio: Studio, project: Path, name: str, output_format: str, extension: str
) -> None:
    source = _saved(project / name, _scene((640, 640)))
    result = await studio.export(source, preset="social", output_format=output_format, fit="contain")
    assert [made.file_path.name for made in result.files] == [
        f"og-1200x630.{extension}",
        f"square-1080x1080.{extension}",
        f"story-1080x1920.{extension}",
    ]
    assert [_opened(result, index).size for index in range(3)] == [(1200, 630), (1080, 1080), (1080, 1920)]


async def test_nothing_is_ever_overwritten(studio: Studio, project: Path) -> None:
    source = _saved(project / "a.png")
    again = [await studio.export(source, width=30) for _ in range(3)]
    assert [made.files[0].file_path.name for made in again] == [
        "a-30x20.png",
        "a-30x20-2.png",
        "a-30x20-3.png",
    ]
    sets = [await studio.export(source, preset="favicon") for _ in range(3)]
    assert [made.folder.name for made in sets] == ["a-favicon", "a-favicon-2", "a-favicon-3"]


async def test_an_image_of_the_library_is_exported_by_its_id(studio: Studio) -> None:
    made = (await studio.generate("a fox", size="816x816", quality="low")).images[0]
    for ref in (made.id, made.uri, str(made.file_path)):
        exported = (await studio.export(ref, width=8, output_format="webp")).files[0].file_path
        assert exported.parent == made.file_path.parent
        assert exported.name.startswith(f"{made.file_path.stem}-8x8")


async def test_a_data_url_becomes_an_image_without_a_name(studio: Studio, project: Path) -> None:
    _saved(project / "a.png")
    url = "data:image/png;base64," + base64.b64encode((project / "a.png").read_bytes()).decode()
    assert (await studio.export(url, width=3)).files[0].file_path.name == "image-3x2.png"


async def test_a_web_address_gives_the_name_of_its_file(tmp_path: Path) -> None:
    whole = io.BytesIO()
    _scene().save(whole, "PNG")
    settings = Settings(sandbox=True, output_dir=str(tmp_path / "out"), allow_private_urls=True)
    async with (
        serve({"/pictures/b%C3%A4r.png?size=large": answer(whole.getvalue())}) as web,
        Studio(settings) as studio,
    ):
        result = await studio.export(f'"{web.url("/pictures/b%C3%A4r.png?size=large")}"', width=3)
    assert result.files[0].file_path.name == "bär-3x2.png"


async def test_the_folder_can_be_chosen(studio: Studio, project: Path) -> None:
    result = await studio.export(_saved(project / "a.png"), output_dir="icons/new", width=9)
    assert result.files[0].file_path == project / "icons" / "new" / "a-9x6.png"


@given(
    picture=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    box=st.tuples(st.integers(0, 90), st.integers(0, 90)),
    fit=st.sampled_from(["auto", "contain", "cover", "stretch"]),
    output_format=st.sampled_from(FORMATS),
    background=st.sampled_from(["", "transparent", "#123456"]),
    mode=st.sampled_from(["RGB", "RGBA"]),
)
@hypothesis_settings(max_examples=60)
def test_every_allowed_combination_makes_the_size_that_it_reports(
    picture: tuple[int, int],
    box: tuple[int, int],
    fit: str,
    output_format: str,
    background: str,
    mode: str,
) -> None:
    options = ExportOptions(
        output_format=output_format, width=box[0], height=box[1], fit=fit, background=background
    )
    try:
        validate_options(options)
    except ImageError:
        assert output_format == "ico"
        return
    (target,) = plan_targets(options, source=Pixels(*picture), source_format="png")
    made = render(_scene(picture, mode), target, background=read_colour(background))
    with Image.open(io.BytesIO(made.data)) as image:
        assert image.size == made.size
        assert image.format == output_format.upper()
