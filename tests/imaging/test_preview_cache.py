"""Small versions of large images: used instead of the file, never in place of another one, gone with it."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from gpt_image_mcp import Settings, Studio
from gpt_image_mcp.cli.gallery.thumbnails import make_thumbnails
from gpt_image_mcp.errors import StorageFailed
from gpt_image_mcp.imaging.preview_cache import LARGE_PREVIEWS, evict, preview_of
from gpt_image_mcp.imaging.previews import View
from gpt_image_mcp.values.views import parse_crop
from tests.gallery_samples import sample_image

if TYPE_CHECKING:
    from pathlib import Path

    from gpt_image_mcp.values.images import StoredImage

LARGE = (2560, 1440)
VIEW = View(max_bytes=200_000, max_edge=1024)


def _file(colour: str, *, mode: str = "RGB", size: tuple[int, int] = LARGE) -> bytes:
    stream = io.BytesIO()
    Image.new(mode, size, colour).save(stream, "PNG", compress_level=1)
    return stream.getvalue()


def _image(folder: Path, data: bytes, size: tuple[int, int] = LARGE) -> StoredImage:
    path = folder / "image.png"
    path.write_bytes(data)
    return replace(sample_image(path, 1), width=size[0], height=size[1])


def _colour(data: bytes) -> tuple[int, ...]:
    """The colour of a picture of one colour, nearly: previews lose a little."""
    with Image.open(io.BytesIO(data)) as shown:
        pixel = shown.convert("RGBA").getpixel((5, 5))
    assert isinstance(pixel, tuple)
    return tuple(round(part / 15) * 15 for part in pixel)


RED, LIME, CLEAR_LIME = (255, 0, 0, 255), (0, 255, 0, 255), (0, 255, 0, 120)


def test_the_second_look_at_a_large_image_does_not_unpack_its_file(tmp_path: Path) -> None:
    data = _file("red")
    image = _image(tmp_path, data)
    first = preview_of(image, data, VIEW)
    assert (Image.open(io.BytesIO(first.data)).size, _colour(first.data)) == ((1024, 576), RED)
    assert LARGE_PREVIEWS.get(image.sha256)
    LARGE_PREVIEWS.put(image.sha256, _file("lime", size=(1280, 720)))
    assert _colour(preview_of(image, data, VIEW).data) == LIME


@pytest.mark.parametrize("left", [0, 7, 400])
def test_half_of_a_kept_file_counts_as_none(tmp_path: Path, left: int) -> None:
    data = _file("red")
    image = _image(tmp_path, data)
    preview_of(image, data, VIEW)
    (kept,) = LARGE_PREVIEWS.folder.iterdir()
    kept.write_bytes(kept.read_bytes()[:left])
    assert _colour(preview_of(image, data, VIEW).data) == RED
    assert LARGE_PREVIEWS.get(image.sha256)


def test_a_file_drawn_over_shows_what_it_is_now(tmp_path: Path) -> None:
    image = _image(tmp_path, _file("red"))
    preview_of(image, image.file_path.read_bytes(), VIEW)
    assert _colour(preview_of(image, _file("lime"), VIEW).data) == LIME


def test_transparency_survives_and_each_format_is_made_of_what_is_kept(tmp_path: Path) -> None:
    data = _file("#00ff0078", mode="RGBA")
    image = _image(tmp_path, data)
    for kind in ("webp", "jpeg", "webp"):
        preview = preview_of(image, data, replace(VIEW, format=kind))
        assert preview.mime_type == f"image/{kind}"
        assert preview.has_checker == (kind == "jpeg")
        assert (_colour(preview.data) == CLEAR_LIME) == (kind == "webp")


@pytest.mark.parametrize(
    "view",
    [
        View(max_bytes=200_000, max_edge=1024, crop=parse_crop("0,0,0.1,0.1")),
        View(max_bytes=200_000, max_edge=2048),
    ],
)
def test_details_are_taken_from_the_file_itself(tmp_path: Path, view: View) -> None:
    data = _file("red")
    image = _image(tmp_path, data)
    LARGE_PREVIEWS.put(image.sha256, _file("lime", size=(1280, 720)))
    assert _colour(preview_of(image, data, view).data) == RED


def test_nothing_is_kept_of_an_image_of_usual_size(tmp_path: Path) -> None:
    size = (1024, 1024)
    data = _file("red", size=size)
    preview_of(_image(tmp_path, data, size), data, VIEW)
    assert not LARGE_PREVIEWS.folder.exists()


def test_a_damaged_large_file_is_a_clear_error(tmp_path: Path) -> None:
    image = _image(tmp_path, b"\x89PNG\r\n\x1a\n and no more")
    with pytest.raises(StorageFailed):
        preview_of(image, image.file_path.read_bytes(), VIEW)
    assert not LARGE_PREVIEWS.folder.exists()


def test_the_gallery_draws_from_what_is_kept(tmp_path: Path) -> None:
    image = _image(tmp_path, _file("red"))
    LARGE_PREVIEWS.put(image.sha256, _file("lime", size=(1280, 720)))
    (thumbnail,) = make_thumbnails([image], allowed_seconds=30)
    assert _colour(thumbnail.data) == LIME


def test_a_hash_that_is_a_path_leads_nowhere(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(b"mine")
    evict(str(outside))
    LARGE_PREVIEWS.put("../outside", b"theirs")
    assert LARGE_PREVIEWS.get("../outside") == b""
    assert outside.read_bytes() == b"mine"
    assert not LARGE_PREVIEWS.folder.exists()


async def test_pruning_leaves_no_small_version_behind() -> None:
    async with Studio(Settings(sandbox=True)) as studio:
        made = (await studio.generate("a lake", size="2560x1440", quality="low")).images[0]
        preview_of(made, made.file_path.read_bytes(), VIEW)
        make_thumbnails([made], allowed_seconds=30)
        kept = LARGE_PREVIEWS.folder.parent
        assert len(list(kept.glob("*/*"))) == 2
        await studio.history.prune(keep_mb=0, is_confirmed=True)
        assert list(kept.glob("*/*")) == []
