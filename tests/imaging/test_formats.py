"""What bytes are, and whether they are all there."""

from __future__ import annotations

import io
import struct
import sys
import warnings
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from gpt_image_mcp.imaging.formats import is_complete, open_picture, read_picture
from gpt_image_mcp.pillow_errors import DamagedImage

FORMATS = {
    "PNG": ("png", "image/png", "png"),
    "JPEG": ("jpeg", "image/jpeg", "jpg"),
    "WEBP": ("webp", "image/webp", "webp"),
    "GIF": ("gif", "image/gif", "gif"),
    "BMP": ("bmp", "image/bmp", "bmp"),
    "TIFF": ("tiff", "image/tiff", "tif"),
    "AVIF": ("avif", "image/avif", "avif"),
}
MARKED = ("PNG", "JPEG", "WEBP")


def _encoded(image_format: str, size: tuple[int, int] = (37, 23)) -> bytes:
    stream = io.BytesIO()
    Image.effect_noise(size, 80).convert("RGB").save(stream, image_format)
    return stream.getvalue()


ENCODED = {image_format: _encoded(image_format) for image_format in FORMATS}


def _png_header(width: int, height: int) -> bytes:
    """A PNG file of any claimed size, without pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    end = struct.pack(">I", 0) + b"IEND" + struct.pack(">I", zlib.crc32(b"IEND"))
    data = struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))
    return b"\x89PNG\r\n\x1a\n" + chunk + data + end


@pytest.mark.parametrize("image_format", FORMATS)
def test_format_type_extension_and_size_are_read(image_format: str) -> None:
    picture = read_picture(ENCODED[image_format])
    assert picture is not None
    assert (picture.format, picture.mime_type, picture.extension) == FORMATS[image_format]
    assert (picture.width, picture.height) == (37, 23)


def test_a_jpeg_of_several_pictures_is_a_jpeg() -> None:
    stream = io.BytesIO()
    first, second = (Image.new("RGB", (20, 10), colour) for colour in ("red", "blue"))
    first.save(stream, "MPO", save_all=True, append_images=[second])
    picture = read_picture(stream.getvalue())
    assert picture is not None
    assert (picture.format, picture.width, picture.height) == ("jpeg", 20, 10)


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"P", b"hello", b"<svgx/>", b"%PDF-1.7", b"\0" * 100),
        *(b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF\0\0\0\0WEBP", b"GIF89a", b"BM", b"II*\0"),
        *(b"\0\0\0\x1cftypavif", b"\0\0\0\x1cftypheic\0\0\0\0mif1heic", b"MM\0*\xff\xff\xff\xff"),
    ],
)
def test_other_bytes_and_bare_signatures_are_no_picture(data: bytes) -> None:
    assert read_picture(data) is None


def test_the_size_of_a_large_picture_is_read_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        picture = read_picture(_png_header(12_000, 10_000))
    assert picture is not None
    assert (picture.width, picture.height) == (12_000, 10_000)


def test_the_claimed_size_of_a_decompression_bomb_is_read_without_decoding_it() -> None:
    picture = read_picture(_png_header(100_000, 100_000))
    assert picture is not None
    assert (picture.width, picture.height) == (100_000, 100_000)


def test_an_avif_file_of_the_general_image_brand_is_avif() -> None:
    data = ENCODED["AVIF"]
    assert data[8:12] == b"avif"
    for brands in (b"mif1\0\0\0\0avif", b"mif1\0\0\0\0mif1avif"):
        # The first box grows or shrinks, and with it the places of the pixels move; the header is still read.
        general = data[:8] + brands + data[8 + len(brands) :]
        picture = read_picture(general)
        assert picture is not None
        assert (picture.format, picture.width, picture.height) == ("avif", 37, 23)


def test_a_heic_file_is_read_with_the_optional_package() -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    stream = io.BytesIO()
    pillow_heif.from_pillow(Image.new("RGB", (64, 48), "red")).save(stream)
    picture = read_picture(stream.getvalue())
    assert picture is not None
    assert (picture.format, picture.mime_type) == ("heic", "image/heic")
    assert (picture.width, picture.height) == (64, 48)


def test_without_the_optional_package_a_heic_file_is_no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    monkeypatch.delitem(Image.OPEN, "HEIF", raising=False)
    assert read_picture(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100)) is None


def test_a_file_of_no_known_format_cannot_be_opened() -> None:
    with pytest.raises(DamagedImage, match="not an image of a known format"), open_picture(b"hello"):
        pass


def test_a_gif_whose_frame_is_a_bomb_behind_a_tiny_canvas_is_no_picture() -> None:
    frame = struct.pack("<BHHHHB", 0x2C, 0, 0, 60_000, 60_000, 0)
    data = (
        b"GIF89a"
        + struct.pack("<HHBBB", 1, 1, 0x80, 0, 0)
        + b"\0\0\0\xff\xff\xff"
        + frame
        + b"\x02\x02L\x01\0;"
    )
    assert read_picture(data) is None


def test_the_switch_for_warnings_is_left_as_it_was() -> None:
    before = list(warnings.filters)
    read_picture(ENCODED["TIFF"])
    read_picture(b"II*\0garbage")
    assert list(warnings.filters) == before


@given(st.sampled_from(list(FORMATS)), st.integers(0, 400), st.binary(max_size=40))
def test_damage_anywhere_is_a_picture_or_none(image_format: str, place: int, damage: bytes) -> None:
    data = ENCODED[image_format]
    picture = read_picture(data[:place] + damage + data[place + len(damage) :])
    if picture is not None:
        assert picture.width >= 0
        is_complete(data, picture)


@given(st.sampled_from(list(FORMATS)), st.binary(max_size=200))
def test_any_bytes_after_a_signature_are_a_picture_or_none(image_format: str, tail: bytes) -> None:
    read_picture(ENCODED[image_format][:12] + tail)


@pytest.mark.parametrize("image_format", FORMATS)
def test_a_whole_file_is_complete(image_format: str) -> None:
    picture = read_picture(ENCODED[image_format])
    assert picture is not None
    assert is_complete(ENCODED[image_format], picture)
    for rest in (b"\n", bytes(4_000), ENCODED["PNG"][:900], b"\xff\xd8 a film"):
        assert is_complete(ENCODED[image_format] + rest, picture)


@given(st.sampled_from(MARKED), st.floats(0.1, 0.9))
def test_a_cut_file_is_not_complete(image_format: str, share: float) -> None:
    whole = ENCODED[image_format]
    picture = read_picture(whole)
    assert picture is not None
    assert not is_complete(whole[: int(len(whole) * share)], picture)
