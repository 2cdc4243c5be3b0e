"""Animations on their way: saved as they came, shown as a strip, exported whole, refused as inputs."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

import pytest
from fastmcp import Client
from mcp.types import TextContent
from PIL import Image, ImageSequence

from gpt_image_mcp import Settings, Studio
from gpt_image_mcp.cli.gallery.thumbnails import make_thumbnails
from gpt_image_mcp.errors import ImageError, InputRejected, InvalidArgument
from gpt_image_mcp.imaging.source_type import find_source_type
from gpt_image_mcp.openai_api.sandbox.animation import draw_animation
from gpt_image_mcp.openai_api.sandbox.drawing import Drawing
from gpt_image_mcp.server import mcp
from gpt_image_mcp.values.requests import InputImage
from gpt_image_mcp.values.results import ImageResult
from gpt_image_mcp.values.views import Crop, ViewOptions
from tests.standin import CannedTransport, serve_standin
from tests.web import answer, serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from gpt_image_mcp.values.exports import ExportResult
    from gpt_image_mcp.values.images import StoredImage

NOTE = "The preview shows {0} frames side by side; the file is an animation of {0} frames, 80 ms each."


def _gif(count: int = 4, edge: int = 240, *, transparent: bool = False) -> bytes:
    drawing = Drawing(
        prompt="a boat", model="m", quality="low", width=edge, height=edge, transparent=transparent
    )
    return draw_animation(drawing, frame_count=count, frame_duration_ms=80)


@pytest.fixture
async def studio(project: Path) -> AsyncIterator[Studio]:
    """A studio in the sandbox."""
    del project
    async with Studio(Settings(sandbox=True)) as opened:
        yield opened


@pytest.fixture
def gif(project: Path) -> Path:
    """An animation of four frames in the project."""
    path = project / "boat.gif"
    path.write_bytes(_gif())
    return path


async def _made(studio: Studio) -> StoredImage:
    (image,) = (await studio.generate("a boat", size="1024x1024", quality="low")).images
    return image


def _studio(base_url: str, **settings: Any) -> Studio:
    return Studio(Settings(api_key="k", base_url=base_url, **settings))  # type: ignore[arg-type]


def _frames(path: Path) -> list[Image.Image]:
    with Image.open(path) as image:
        return [frame.convert("RGBA") for frame in ImageSequence.Iterator(image)]


@pytest.mark.parametrize(("count", "edge"), [(16, 720), (16, 960), (2, 960)])
async def test_an_animation_is_saved_byte_for_byte_and_found_again(
    project: Path, count: int, edge: int
) -> None:
    source = project / "answer.gif"
    source.write_bytes(_gif(count, edge))
    async with serve_standin(CannedTransport(source)) as standin, _studio(standin.base_url) as studio:
        image = await _made(studio)
        assert image.file_path.read_bytes() == source.read_bytes()
        assert (image.file_path.suffix, image.mime_type) == (".gif", "image/gif")
        assert (image.width, image.height) == (edge, edge)
        seen = await studio.get(image.id)
        assert isinstance(seen, ImageResult)
        shown = await studio.preview(seen)
        assert NOTE.format(count) in shown.notes
        assert len(shown.images[0].data) <= 98_304 * 3 / 4
        assert max(Image.open(io.BytesIO(shown.images[0].data)).size) <= 768
        moved = image.file_path.rename(image.file_path.with_name("moved.gif"))
        assert (await studio.find(str(moved))).id == image.id
        await studio.history.rebuild([moved.parent])
        assert (await studio.find(image.id)).mime_type == "image/gif"


async def test_everything_that_shows_an_image_shows_the_frames_of_an_animation(project: Path) -> None:
    source = project / "answer.gif"
    source.write_bytes(_gif(2, 400))
    async with (
        serve_standin(CannedTransport(source)) as standin,
        _studio(standin.base_url, inline="full") as studio,
    ):
        image = await _made(studio)
        strips = [
            (await studio.preview(await studio.get(image.id))).images[0].data,
            (await studio.history.thumbnail(image.id)).data,
            make_thumbnails([image], allowed_seconds=60)[0].data,
        ]
        for strip in strips:
            width, height = Image.open(io.BytesIO(strip)).size
            assert width == 2 * height
        part = await studio.preview(
            await studio.get(image.id), ViewOptions(crop=Crop(0, 0, 1, 1), max_edge=400)
        )
        assert Image.open(io.BytesIO(part.images[0].data)).size == (400, 400)
        compared = await studio.compare([image.id, str(source)])
        assert compared.sheet
        assert NOTE.format(2) in compared.notes


async def test_get_image_tells_frames_and_durations_of_any_gif(
    gif: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GPT_IMAGE_SANDBOX", "1")
    async with Client(mcp) as client:
        result = await client.call_tool("get_image", {"ref": str(gif)})
    (text,) = [block.text for block in result.content if isinstance(block, TextContent)]
    assert f"{gif}: 240x240, image/gif, " in text
    assert NOTE.format(4) in text
    assert NOTE.format(4) in (result.structured_content or {})["notes"]
    assert "converted" not in text


async def _exported(studio: Studio, ref: object, **options: Any) -> tuple[ExportResult, Path]:
    result = await studio.export(str(ref), **options)
    return result, result.files[0].file_path


async def test_an_export_to_webp_keeps_frames_durations_and_repetition(
    studio: Studio, gif: Path, project: Path
) -> None:
    result, path = await _exported(studio, gif, output_format="webp")
    assert result.files[0].mime_type == "image/webp"
    assert result.notes == ("All 4 frames of the animation were written.",)
    with Image.open(path) as image:
        assert (image.format, getattr(image, "n_frames", 1), image.info["loop"]) == ("WEBP", 4, 0)
        durations: list[int] = []
        for frame in ImageSequence.Iterator(image):
            frame.load()
            durations.append(frame.info["duration"])
    assert durations == [80] * 4
    for made, meant in zip(_frames(path), _frames(gif), strict=True):
        difference = [abs(a - b) for a, b in zip(made.tobytes(), meant.tobytes(), strict=True)]
        assert sum(difference) / len(difference) < 4
    assert path.parent == project
    again, copy = await _exported(studio, path, width=100)
    assert len(_frames(copy)) == 4
    assert (again.files[0].width, again.files[0].height) == (100, 100)
    assert NOTE.format(4) in (await studio.preview(result)).notes


@pytest.mark.parametrize(
    ("count", "edge", "options", "word"),
    [
        (4, 2_600, {}, "4 frames of 2600x2600 pixels; webp files are written with at most 25,000,000"),
        (9, 1_400, {"max_kb": 900}, "up to 16,000,000 pixels, and 9 frames of 1400x1400"),
        (9, 300, {"max_kb": 900, "width": 1_400}, "up to 16,000,000 pixels, and 9 frames of 1400x1400"),
    ],
)
async def test_the_pixels_of_all_frames_count_for_the_limits_of_an_export(
    studio: Studio, project: Path, count: int, edge: int, options: dict[str, Any], word: str
) -> None:
    path = project / "large.gif"
    first, *others = [Image.new("L", (edge, edge), 20 * number) for number in range(count)]
    first.save(path, save_all=True, append_images=others)
    with pytest.raises(InvalidArgument, match=word):
        await studio.export(str(path), output_format="webp", **options)
    _, path = await _exported(studio, path, output_format="webp", width=200)
    assert len(_frames(path)) == count


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ({"width": 120}, (120, 120)),
        ({"width": 200, "height": 100, "fit": "cover"}, (200, 100)),
        ({"width": 200, "height": 100, "background": "white"}, (200, 100)),
        ({"width": 200, "height": 100, "fit": "stretch"}, (200, 100)),
    ],
)
async def test_the_frames_are_fitted_like_stills(
    studio: Studio, gif: Path, options: dict[str, Any], size: tuple[int, int]
) -> None:
    _, moving = await _exported(studio, gif, output_format="webp", **options)
    _, still = await _exported(studio, gif, output_format="png", **options)
    frames = _frames(moving)
    assert [frame.size for frame in frames] == [size] * 4
    first = Image.open(still).convert("RGBA")
    difference = [abs(a - b) for a, b in zip(frames[0].tobytes(), first.tobytes(), strict=True)]
    assert sum(difference) / len(difference) < 4


async def test_quality_and_max_kb_are_respected_and_the_size_stays(studio: Studio, gif: Path) -> None:
    best, low = [
        (await _exported(studio, gif, output_format="webp", quality=quality))[0].files[0].size_bytes
        for quality in (95, 20)
    ]
    assert low < best
    limit = (best + low) // 2 / 1000
    result, path = await _exported(studio, gif, output_format="webp", max_kb=limit)
    assert result.files[0].size_bytes <= limit * 1000
    assert [frame.size for frame in _frames(path)] == [(240, 240)] * 4
    with pytest.raises(ImageError, match=r"max_kb is 1, and the smallest webp"):
        await studio.export(str(gif), output_format="webp", max_kb=1)


async def test_transparency_stays_or_becomes_the_background_in_every_frame(
    studio: Studio, project: Path
) -> None:
    source = project / "clear.gif"
    source.write_bytes(_gif(transparent=True))
    _, clear = await _exported(studio, source, output_format="webp")
    assert [frame.getpixel((2, 2))[3] for frame in _frames(clear)] == [0] * 4  # type: ignore[index]
    _, filled = await _exported(studio, source, output_format="webp", background="#ff0000")
    for frame in _frames(filled):
        red, green, _, alpha = frame.getpixel((2, 2))  # type: ignore[misc]
        assert (red > 230, green < 30, alpha) == (True, True, 255)


@pytest.mark.parametrize("options", [{"output_format": kind} for kind in ("png", "jpeg", "ico")] + [{}])
async def test_other_formats_are_the_first_frame_and_say_that_the_rest_is_left_out(
    studio: Studio, gif: Path, options: dict[str, Any]
) -> None:
    result, path = await _exported(studio, gif, **options)
    assert "The source is animated; its first frame was used, and the rest is left out." in result.notes
    assert len(_frames(path)) == 1


async def test_an_exported_animation_of_ours_says_that_ai_made_it(project: Path) -> None:
    source = project / "answer.gif"
    source.write_bytes(_gif(2, 400))
    async with serve_standin(CannedTransport(source)) as standin, _studio(standin.base_url) as studio:
        _, path = await _exported(studio, (await _made(studio)).id, output_format="webp")
    assert find_source_type(path.read_bytes())


@pytest.mark.parametrize("count", [1, 4])
@pytest.mark.parametrize("way", ["path", "file URL", "data URL", "base64", "URL", "another name"])
async def test_a_gif_is_refused_as_an_input_however_it_comes(project: Path, count: int, way: str) -> None:
    stream = io.BytesIO()
    Image.new("RGB", (300, 300), "navy").save(stream, "GIF")
    data = _gif(count) if count > 1 else stream.getvalue()
    path = project / ("photo.png" if way == "another name" else "boat.gif")
    path.write_bytes(data)
    encoded = base64.b64encode(data).decode()
    refs = {"file URL": path.as_uri(), "data URL": f"data:image/png;base64,{encoded}", "base64": encoded}
    still = project / "still.png"
    Image.new("RGB", (300, 300), "navy").save(still)
    allowing = Studio(Settings(sandbox=True, allow_private_urls=True))
    async with serve({"/a.png": answer(data)}) as site, allowing as opened:
        ref = site.url("/a.png") if way == "URL" else refs.get(way, str(path))
        for call in (
            opened.edit("warmer", [ref]),
            opened.edit("warmer", [str(still), ref]),
            opened.start_session("warmer", [ref]),
            opened.batch_edit("warmer", [str(still)], references=[ref]),
            opened.edit("warmer", [str(still)], mask=ref),
        ):
            with pytest.raises(InputRejected, match="is a GIF, which cannot be an input") as caught:
                await call
            assert "export_image" in str(caught.value.next_step)
        assert isinstance(await opened.get(ref), InputImage)


async def test_a_gif_of_the_library_is_refused_by_its_id_and_its_export_is_taken(project: Path) -> None:
    source = project / "answer.gif"
    source.write_bytes(_gif(2, 400))
    async with serve_standin(CannedTransport(source)) as standin, _studio(standin.base_url) as studio:
        image = await _made(studio)
        for ref in (image.id, image.uri, str(image.file_path)):
            with pytest.raises(InputRejected, match="is a GIF"):
                await studio.edit("warmer", [ref])
        _, still = await _exported(studio, image.id, output_format="png")
        assert (await studio.edit("warmer", [str(still)])).status == "completed"


async def test_in_a_batch_a_gif_fails_alone(studio: Studio, gif: Path, project: Path) -> None:
    Image.new("RGB", (300, 300), "navy").save(project / "still.png")
    result = await studio.batch_edit("warmer", [str(project)], size="816x816", quality="low")
    assert [entry.status for entry in result.items] == ["failed", "completed"]
    assert "is a GIF" in str(result.items[0].error)
    assert gif.exists()


async def test_a_hostile_or_cut_animation_is_refused_or_its_first_frame(
    studio: Studio, project: Path
) -> None:
    frame = b"!\xf9\x04\0\1\0\0\0,\0\0\0\0\1\0\1\0\0\2\2\x44\1\0"
    path = project / "bomb.gif"
    path.write_bytes(b"GIF89a\xb8\x0b\xb8\x0b\x80\0\0" + bytes(6) + frame * 200 + b";")
    result, made = await _exported(studio, path, output_format="webp", width=300)
    assert "its first frame was used" in result.notes[0]
    assert len(_frames(made)) == 1
    Image.effect_noise((300, 300), 90).save(
        path, save_all=True, append_images=[Image.effect_noise((300, 300), 90)]
    )
    path.write_bytes(path.read_bytes()[:-20_000])
    with pytest.raises(InputRejected, match=r"bomb\.gif is damaged"):
        await studio.export(str(path), output_format="webp")
    _, still = await _exported(studio, path, output_format="png")
    assert still.is_file()
    shown = await studio.preview(await studio.get(str(path)))
    assert shown.images == ()
    assert "damaged" in shown.notes[0] or "cannot be decoded" in shown.notes[0]


async def test_an_animation_too_large_to_write_is_refused_with_what_to_do(studio: Studio, gif: Path) -> None:
    with pytest.raises(ImageError, match=r"4 frames of 5000x5000 pixels; webp") as caught:
        await studio.export(str(gif), output_format="webp", width=5000)
    assert "smaller width" in str(caught.value.next_step)
