"""Files that are small and a lot of work: refused before the work, and what is usual is not."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from gpt_image_mcp.errors import InputRejected, StorageFailed
from gpt_image_mcp.imaging.compositing import composite
from gpt_image_mcp.imaging.decoding import decode
from gpt_image_mcp.imaging.formats import is_complete, read_picture
from gpt_image_mcp.imaging.limits import MAX_EDGE, require_openable
from gpt_image_mcp.imaging.masks import read_mask
from gpt_image_mcp.imaging.normalise import normalise
from gpt_image_mcp.imaging.previews import View, make_preview
from gpt_image_mcp.memory import MEMORY
from gpt_image_mcp.pillow_errors import DamagedImage, Oversized
from gpt_image_mcp.values.requests import Backdrop

if TYPE_CHECKING:
    from collections.abc import Callable

_MANY = 600_000


def _encoded(kind: str, mode: str = "RGB", size: tuple[int, int] = (16, 16), **options: object) -> bytes:
    stream = io.BytesIO()
    Image.new(mode, size).save(stream, kind, **options)
    return stream.getvalue()


def _chunk(kind: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _png(width: int, height: int, *, before: bytes = b"", after: bytes = b"", interlaced: int = 0) -> bytes:
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, interlaced))
    pixels = _chunk(b"IDAT", zlib.compress(bytes(height * (width + 1))) if width * height < 10**6 else b"")
    return b"\x89PNG\r\n\x1a\n" + header + before + pixels + after + _chunk(b"IEND")


def _jpeg(header: bytes) -> bytes:
    whole = _encoded("JPEG")
    return whole[:2] + header + whole[2:]


def _webp(chunks: bytes) -> bytes:
    """A small WebP with more chunks behind its own."""
    whole = _encoded("WEBP") + chunks
    return whole[:4] + struct.pack("<I", len(whole) - 8) + whole[8:]


def _resources(code: bytes, size: int = 0) -> bytes:
    """A segment full of Photoshop's resources."""
    resource = b"8BIM" + code + b"\0\0" + size.to_bytes(4, "big") + bytes(size)
    segment = b"Photoshop 3.0\0" + resource * (65_519 // len(resource))
    return b"\xff\xed" + struct.pack(">H", len(segment) + 2) + segment


_TABLES = b"\xff\xdb" + struct.pack(">H", 2 + 65 * 1_000) + (b"\0" + b"\1" * 64) * 1_000


def _exif(tag: int, values: int) -> bytes:
    """Exif with so many fractions under one tag."""
    head = b"II*\0" + struct.pack("<IHHHII", 8, 1, tag, 5, values, 26) + bytes(4)
    return b"Exif\0\0" + head + b"\1\0\0\0\1\0\0\0" * values


def _jpeg_with(exif: bytes) -> bytes:
    parts = (exif[start : start + 60_000] for start in range(6, len(exif), 60_000))
    return _jpeg(b"".join(b"\xff\xe1" + struct.pack(">H", len(part) + 8) + exif[:6] + part for part in parts))


def _iso_with(kind: str, values: int) -> bytes:
    """A file in the ISO container, written with a tag that nobody knows in place of the orientation."""
    data = _encoded(kind, exif=_exif(0x9999, values))
    return data.replace(struct.pack("<HH", 0x9999, 5), struct.pack("<HH", 0x0112, 5))


def _tiff_with(exif: bytes) -> bytes:
    """A TIFF whose first page leads to a directory of Exif behind its pixels."""
    tags = [(256, 4, 1, 16), (257, 4, 1, 16), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1)]
    tags += [(273, 4, 1, 200), (278, 4, 1, 16), (279, 4, 1, 256), (0x8769, 4, 1, 456)]
    head = b"II*\0" + struct.pack("<IH", 8, len(tags))
    page = head + b"".join(struct.pack("<HHII", *tag) for tag in tags)
    directory = exif[14:24] + struct.pack("<I", 456 + 18) + exif[28:]
    return page.ljust(456, b"\0") + directory


def _gif(before: bytes = b"", after: bytes = b"") -> bytes:
    frame = b"," + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\0"
    screen = struct.pack("<HHBBB", 1000, 1000, 0x80, 0, 0) + bytes(6)
    return b"GIF89a" + screen + before + frame + after + b";"


def _tiff(*, strips: int, order: str = "<") -> bytes:
    tags = [(256, 4, 1, 1), (257, 4, 1, strips), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1)]
    tags += [(273, 4, strips, 200), (278, 4, 1, 1), (279, 4, strips, 200)]
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}IH", 8, len(tags))
    entries = b"".join(struct.pack(f"{order}HHII", *tag) for tag in tags)
    return head + entries + bytes(4) + bytes(200 + 4 * strips)


def _big_tiff() -> bytes:
    head = b"II+\0" + struct.pack("<HHQQ", 8, 0, 16, 1)
    return head + struct.pack("<HHQQ", 273, 16, _MANY, 0) + bytes(8 * _MANY)


def _tiff_pages(pages: int) -> bytes:
    data = b"II*\0" + struct.pack("<I", 8)
    tags = [(256, 4, 1, 8), (257, 4, 1, 8), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, 0)]
    size = 2 + 12 * len(tags) + 4
    page = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags)
    return data + b"".join(
        page + struct.pack("<I", 8 + size * number if number < pages else 0) for number in range(1, pages + 1)
    )


def _ico(picture: bytes, *, entries: int = 1) -> bytes:
    entry = struct.pack("<BBBBHHII", 0, 0, 0, 0, 1, 32, len(picture), 6 + 16 * entries)
    return struct.pack("<HHH", 0, 1, entries) + entry * entries + picture


def _rle_bmp(run: bytes, count: int, size: tuple[int, int] = (4000, 4000)) -> bytes:
    data, start = run * count, 54 + 1024
    head = b"BM" + struct.pack("<IHHI", start + len(data), 0, 0, start)
    return (
        head + struct.pack("<IiiHHIIiiII", 40, *size, 1, 8, 1, len(data), 0, 0, 256, 0) + bytes(1024) + data
    )


_HOSTILE_TO_OPEN: dict[str, Callable[[], bytes]] = {
    "chunks before the pixels": lambda: _png(16, 16, before=_chunk(b"zzZz") * _MANY),
    "texts before the pixels": lambda: _png(16, 16, before=_chunk(b"tEXt", b"a\0b") * _MANY),
    "chunks after the pixels": lambda: _png(16, 16, after=_chunk(b"tEXt", b"a\0b") * _MANY),
    "empty chunks of pixels": lambda: _png(16, 16, after=_chunk(b"IDAT") * _MANY),
    "comments of a JPEG": lambda: _jpeg(b"\xff\xfe\0\2" * _MANY),
    "Exif of a JPEG": lambda: _jpeg((b"\xff\xe1\xff\xffExif\0\0" + bytes(65_527)) * 300),
    "Exif of a JPEG that names a resolution": lambda: _jpeg_with(_exif(0x011A, 70_000)),
    "chunks of a PNG that say nothing": lambda: _png(16, 16, before=_chunk(b"abCd", b"") * 60_000),
    "chunks of a WebP that say nothing": lambda: _webp(b"ABCD\0\0\0\0" * 60_000),
    "chunks in a frame": lambda: _webp(
        b"ANMF" + struct.pack("<I", 16 + 8 * 60_000) + bytes(16) + b"ABCD\0\0\0\0" * 60_000
    ),
    "resources of Photoshop": lambda: _jpeg(_resources(b"\x04\x04") * 5),
    "tables of a JPEG": lambda: _jpeg(_TABLES * 60),
    "tables behind what is no marker": lambda: _jpeg(b"\xff\xfe\0\2junk" + _TABLES * 60),
    "tables behind the end": lambda: _jpeg(b"\xff\xd9" + _TABLES * 60),
    "tables behind a marker that has no length": lambda: _jpeg(b"\xff\xf0\xff\0" + _TABLES * 60),
    "JFIF of a JPEG": lambda: _jpeg((b"\xff\xe0\0\x10JFIF\0" + bytes(9)) * 60_000),
    "resolutions of Photoshop": lambda: _jpeg(_resources(b"\x03\xed", 16) * 10),
    "Exif of an AVIF": lambda: _encoded("AVIF") + b"Exif" * 100,
    "fractions of a TIFF": lambda: _exif(0x0112, 6_000)[6:],
    "junk between segments": lambda: _jpeg(b"\xff\xfe\0\2" + bytes(600_000)),
    "ends before the pixels": lambda: _jpeg(b"\xff\xd9" * _MANY * 2),
    "comments of a GIF": lambda: _gif(b"!\xfe\1a\0" * _MANY),
    "blocks of a GIF's frame": lambda: _gif(b"," + bytes(9) + b"\2" + b"\1\1" * 600_000 + b"\0"),
    "junk in a GIF": lambda: _gif(b"\1" * 600_000),
    "strips": lambda: _tiff(strips=_MANY),
    "strips in the other order": lambda: _tiff(strips=_MANY, order=">"),
    "strips of a BigTIFF": _big_tiff,
    "runs of a BMP": lambda: _rle_bmp(b"\0\0", 9_000_000),
    "a picture too large for an icon": lambda: _ico(_png(30_000, 30_000)),
}


@pytest.mark.parametrize("make", _HOSTILE_TO_OPEN.values(), ids=_HOSTILE_TO_OPEN)
@pytest.mark.timeout(60)
def test_a_file_of_too_many_parts_is_refused_everywhere(make: Callable[[], bytes]) -> None:
    data = make()
    with pytest.raises(InputRejected, match=r"photo\.x is too large: it is made of so many"):
        normalise(data, source="photo.x", is_first=False)
    assert read_picture(data)  # what was paid for is kept


_LARGE_EXIF: dict[str, Callable[[int], bytes]] = {
    "PNG": lambda values: _png(16, 16, before=_chunk(b"eXIf", _exif(0x0112, values)[6:])),
    "WebP": lambda values: _encoded("WEBP", exif=_exif(0x0112, values)),
    "AVIF": lambda values: _iso_with("AVIF", values),
    "TIFF": lambda values: _tiff_with(_exif(0x829A, values)),
}


@pytest.mark.parametrize("make", _LARGE_EXIF.values(), ids=_LARGE_EXIF)
def test_no_object_is_made_of_a_value_in_exif(make: Callable[[int], bytes]) -> None:
    values = 50_000
    data = make(values)
    decode(make(1))  # imports what it needs
    tracemalloc.start()
    try:
        ready = normalise(data, source="photo", is_first=True)
        decode(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (ready.picture.width, ready.picture.height) == (16, 16)
    assert peak < 10 * len(data) < values * 100


@pytest.mark.parametrize("size", [(1, MAX_EDGE + 1), (80_000_000, 1), (1, 80_000_000), (10_000, 10_000)])
@pytest.mark.parametrize("interlaced", [0, 1])
def test_too_many_pixels_along_an_edge_or_in_all_are_refused(size: tuple[int, int], interlaced: int) -> None:
    data = _png(*size, interlaced=interlaced)
    picture = read_picture(data)
    assert picture
    assert (picture.width, picture.height) == size
    with pytest.raises(Oversized, match=f"it has {size[0]}x{size[1]} pixels"):
        decode(data)
    with pytest.raises(InputRejected, match="too large"):
        normalise(data, source="photo", is_first=True)
    with pytest.raises(InputRejected, match="The mask photo is too large"):
        read_mask(data, size, source="photo")
    with pytest.raises(StorageFailed, match="pixels"):
        make_preview(data, View(max_bytes=50_000, max_edge=100))


def test_an_animation_on_a_huge_canvas_is_refused() -> None:
    data = _gif()
    data = data[:6] + struct.pack("<HH", 65_535, 65_535) + data[10:]
    with pytest.raises(InputRejected, match="65535x65535"):
        normalise(data, source="photo", is_first=True)


@pytest.mark.timeout(60)
def test_a_jpeg_with_too_many_scans_is_refused_whatever_is_around_them() -> None:
    whole = _encoded("JPEG", size=(2000, 2000), progressive=True)
    last = whole.rindex(b"\xff\xda")
    hostile = whole[:-2] + whole[last:-2] * 1000 + whole[-2:]
    with pytest.raises(InputRejected, match="scans"):
        normalise(hostile, source="photo", is_first=True)
    film = whole + b"\xff\xda" * 10_000
    assert decode(film).image.size == (2000, 2000)


def test_many_pages_cost_nothing_because_only_the_first_is_read() -> None:
    ready = normalise(_tiff_pages(_MANY), source="photo", is_first=True)
    assert "it has several frames, of which the first is used" in ready.notes[0]


def test_usual_files_of_all_formats_are_read_as_before() -> None:
    frames = [Image.new("RGB", (16, 16), (number * 50, 0, 0)) for number in range(5)]
    for kind in ("PNG", "GIF", "WEBP", "TIFF", "AVIF"):
        stream = io.BytesIO()
        frames[0].save(stream, kind, save_all=True, append_images=frames[1:])
        assert decode(stream.getvalue()).is_animated, kind
        assert not decode(_encoded(kind)).is_animated, kind
    for data in (
        _encoded("JPEG"),
        _encoded("BMP"),
        _encoded("ICO"),
        _encoded("ICO", "RGBA"),
    ):
        assert decode(data).image.size == (16, 16)
    assert decode(_rle_bmp(b"\x10\0\0\0", 16, (16, 16))).image.size == (16, 16)


@pytest.fixture
def _small_budget() -> object:
    whole = MEMORY.limit_bytes
    MEMORY.limit_bytes = 1_000_000
    yield
    MEMORY.limit_bytes = whole


@pytest.mark.usefixtures("_small_budget")
def test_a_picture_that_needs_more_memory_than_there_is_is_refused_with_the_figure() -> None:
    data = _encoded("PNG", size=(1000, 1000))
    said = r"it would take 20 MB of memory; GPT_IMAGE_MEMORY_MB allows 1"
    with pytest.raises(InputRejected, match=said):
        normalise(_encoded("BMP", size=(1000, 1000)), source="photo", is_first=True)
    with pytest.raises(InputRejected, match=said):
        read_mask(data, (1000, 1000), source="photo")
    with pytest.raises(StorageFailed, match=said):
        make_preview(data, View(max_bytes=50_000, max_edge=100))
    with pytest.raises(StorageFailed, match=said):
        composite(data, Backdrop(original=data, coverage=data), output_format="png")


@pytest.mark.usefixtures("_small_budget")
def test_a_picture_that_goes_up_untouched_needs_no_memory() -> None:
    data = _encoded("PNG", size=(1000, 1000))
    assert normalise(data, source="photo", is_first=True).data == data


@pytest.mark.usefixtures("_small_budget")
def test_a_paid_jpeg_whose_end_cannot_be_looked_for_counts_as_whole() -> None:
    data = _encoded("JPEG", size=(1000, 1000)) + bytes(200)
    picture = read_picture(data)
    assert picture
    assert is_complete(data, picture)


@given(
    st.sampled_from(["tiff", "ico"]), st.sampled_from([b"II*\0", b"MM\0*", b"II+\0"]), st.binary(max_size=300)
)
def test_any_bytes_are_judged_without_an_error_of_another_kind(name: str, start: bytes, junk: bytes) -> None:
    with suppress(Oversized):
        require_openable(start + junk, name)


@given(st.sampled_from(["PNG", "JPEG", "GIF", "TIFF", "BMP", "ICO", "WEBP", "AVIF"]), st.data())
def test_a_cut_or_flipped_file_is_read_or_damaged(kind: str, chosen: st.DataObject) -> None:
    data = bytearray(_encoded(kind))
    place = chosen.draw(st.integers(0, len(data) - 1))
    data[place] ^= chosen.draw(st.integers(0, 255))
    cut = bytes(data[: chosen.draw(st.integers(0, len(data)))])
    for file in (bytes(data), cut):
        try:
            decode(file)
        except DamagedImage:
            continue
