"""Files in which the same bytes stand for many parts: a little to send, and a lot of work."""

from __future__ import annotations

import io
import struct
import zlib

import pytest
from PIL import Image

from gpt_image_mcp.errors import InputRejected
from gpt_image_mcp.imaging.decoding import decode
from gpt_image_mcp.imaging.limits import require_openable
from gpt_image_mcp.imaging.normalise import normalise
from gpt_image_mcp.pillow_errors import Oversized

SIZE = (2000, 2000)
_LONG, _SHORT = 4, 3


def _encoded(kind: str, image: Image.Image, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def _tiff_of_jpegs(
    jpeg: bytes, edge: int, *, planes: int = 1, more: tuple[tuple[int, ...], ...] = ()
) -> bytes:
    """A TIFF whose planes are all the same JPEG; of a tag with several values, these are behind the tags."""
    tags = [(256, _LONG, edge), (257, _LONG, edge), (258, _SHORT, *(8,) * planes), (259, _SHORT, 7)]
    tags += [(262, _SHORT, 2 if planes > 1 else 1), (273, _LONG, *(1000,) * planes), (277, _SHORT, planes)]
    tags += [
        (278, _LONG, edge),
        (279, _LONG, *(len(jpeg),) * planes),
        (284, _SHORT, 2 if planes > 1 else 1),
        *more,
    ]
    return _tiff(tags, jpeg)


def _tiff_of_tiles(size: tuple[int, int], tile: tuple[int, int]) -> bytes:
    """A grey TIFF whose tiles are all the same bytes."""
    black = zlib.compress(bytes(tile[0] * tile[1]), 9)
    tiles = -(-size[0] // tile[0]) * -(-size[1] // tile[1])
    tags = [(256, _LONG, size[0]), (257, _LONG, size[1]), (258, _SHORT, 8), (259, _SHORT, 8)]
    tags += [(262, _SHORT, 1), (277, _SHORT, 1), (322, _LONG, tile[0]), (323, _LONG, tile[1])]
    return _tiff([*tags, (324, _LONG, *(1000,) * tiles), (325, _LONG, *(len(black),) * tiles)], black)


def _tiff(tags: list[tuple[int, ...]], content: bytes) -> bytes:
    """A TIFF with its content behind the tags, from byte 1,000 on."""
    table, behind = struct.pack("<H", len(tags)), b""
    for tag, kind, *values in tags:
        packed = struct.pack(f"<{len(values)}{'I' if kind == _LONG else 'H'}", *values)
        place = struct.pack("<I", 8 + 2 + 12 * len(tags) + 4 + len(behind))
        table += struct.pack("<HHI", tag, kind, len(values)) + (
            packed.ljust(4, b"\0") if len(packed) <= 4 else place
        )
        behind += b"" if len(packed) <= 4 else packed
    return (b"II*\0" + struct.pack("<I", 8) + table + bytes(4) + behind).ljust(1000, b"\0") + content


def _with_scans(jpeg: bytes, scans: int) -> bytes:
    last = jpeg.rindex(b"\xff\xda")
    return jpeg[:-2] + jpeg[last:-2] * scans + jpeg[-2:]


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("planes", "scans", "more"),
    [
        (1, 1_000, ()),
        (3, 300, ()),
        (4, 200, ()),
        # The second of a tag is not the one that libtiff takes.
        (3, 300, ((284, _SHORT, 1), (278, _LONG, 1))),
        (1, 1_000, ((278, _LONG, 1), (259, _SHORT, 5))),
    ],
)
def test_a_tiff_of_jpegs_with_too_many_scans_is_refused(
    planes: int, scans: int, more: tuple[tuple[int, ...], ...]
) -> None:
    jpeg = _encoded("JPEG", Image.new("L", SIZE), progressive=True)
    with pytest.raises(InputRejected, match="scans"):
        normalise(
            _tiff_of_jpegs(_with_scans(jpeg, scans), 2000, planes=planes, more=more),
            source="scan",
            is_first=True,
        )
    usual = _tiff_of_jpegs(jpeg, 2000, planes=planes)
    assert decode(usual).image.size == SIZE


@pytest.mark.timeout(60)
@pytest.mark.parametrize("code", [b"\xff\xc9", b"\xff\xca", b"\xff\xcb"])
def test_scans_coded_by_arithmetic_count_more_because_what_is_not_in_the_file_takes_time_too(
    code: bytes,
) -> None:
    jpeg = _with_scans(_encoded("JPEG", Image.new("L", SIZE), progressive=True), 300)
    assert decode(jpeg).image.size == SIZE
    coded = jpeg.replace(b"\xff\xc2\0\x0b\x08", code + b"\0\x0b\x08")
    for file in (coded, _tiff_of_jpegs(coded, 2000, planes=1)):
        with pytest.raises(InputRejected, match="scans"):
            normalise(file, source="scan", is_first=True)


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("size", "tile"), [((16, 16), (32_768, 20_000)), ((16, 1_600), (65_520, 16)), ((200, 16), (208, 2**20))]
)
def test_a_tiff_whose_tiles_are_far_larger_than_it_is_refused(
    size: tuple[int, int], tile: tuple[int, int]
) -> None:
    with pytest.raises(InputRejected, match="its tiles have"):
        normalise(_tiff_of_tiles(size, tile), source="scan", is_first=True)


@pytest.mark.parametrize("tile", [(16, 16), (256, 256), (1024, 1024)])
def test_a_tiff_of_usual_tiles_is_read_however_narrow_it_is(tile: tuple[int, int]) -> None:
    assert decode(_tiff_of_tiles((16, 400), tile)).image.size == (16, 400)


def test_a_tiff_of_more_tags_than_any_page_has_is_refused() -> None:
    jpeg = _encoded("JPEG", Image.new("L", SIZE))
    more = tuple((tag, _SHORT, 1) for tag in range(1_000, 2_000))
    with pytest.raises(InputRejected, match="many or such large parts"):
        normalise(_tiff_of_jpegs(jpeg, 2000, more=more)[:20_000], source="scan", is_first=True)


@pytest.mark.parametrize("rows", [16, 2000])
def test_a_tiff_of_many_jpegs_is_read(rows: int) -> None:
    strips = _encoded("TIFF", Image.new("RGB", SIZE), compression="jpeg", tiffinfo={278: rows}, strip_size=1)
    assert decode(strips).image.size == SIZE


@pytest.mark.parametrize("brand", [b"avif", b"heic"])
def test_what_would_decode_for_longer_than_five_seconds_is_refused_by_its_bytes(brand: bytes) -> None:
    with pytest.raises(InputRejected, match="at most 40 are read"):
        normalise(b"\0\0\0\x1cftyp" + brand + bytes(40_000_000), source="photo", is_first=True)


def _box(kind: bytes, body: bytes, version: int | None = None) -> bytes:
    start = b"" if version is None else struct.pack(">I", version << 24)
    return struct.pack(">I4s", len(start + body) + 8, kind) + start + body


def _heif(brand: bytes, *, lengths: list[int], made_of: list[int], wide: bool = False) -> bytes:
    """A file of items with so many bytes each, the first of which is made of some, also twice."""
    number = "I" if wide else "H"
    items = b"".join(
        struct.pack(f">{number}HHHII", item, 0, 0, 1, 0, length) for item, length in enumerate(lengths, 1)
    )
    places = b"\x44\0" + struct.pack(f">{number}", len(lengths)) + items
    parts = _box(b"dimg", struct.pack(f">{number}H{len(made_of)}{number}", 1, len(made_of), *made_of))
    inside = _box(b"iref", parts, int(wide)) + _box(b"iloc", places, 2 if wide else 1)
    return _box(b"ftyp", brand + bytes(4)) + _box(b"meta", inside, 0) + _box(b"mdat", bytes(1_000))


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("brand", [b"avif", b"heic"])
@pytest.mark.parametrize(
    ("lengths", "made_of"),
    [
        ([0, 1], [2]),
        ([8, 900, 900], [2, 3]),
        ([8, 100], [2, 2]),
        ([8], [7, 8] * 30_000),
    ],
)
def test_a_picture_whose_parts_share_their_bytes_is_refused(
    lengths: list[int], made_of: list[int], brand: bytes, *, wide: bool
) -> None:
    with pytest.raises(InputRejected, match="many or such large parts"):
        normalise(_heif(brand, lengths=lengths, made_of=made_of, wide=wide), source="x", is_first=True)
    require_openable(_heif(brand, lengths=[8, 400, 400], made_of=[2, 3], wide=wide), brand.decode())


@pytest.mark.timeout(60)
@pytest.mark.parametrize("brand", [b"avif", b"heic"])
@pytest.mark.parametrize(
    "boxes",
    [
        _box(b"iref", _box(b"dimg", b"\0\1\xff\xff") * 30_000, 0),
        _box(b"iref", _box(b"dimg", b"\0\1\xff\xff"), 0) * 20_000,
        _box(b"iloc", b"\x44\0\xff\xff\0\1\0\0\xff\xff", 0) * 20_000,
        _box(b"free", b"") * 400_000,
        # What decoders compare with each other, for minutes.
        _box(b"iinf", b"\xff\xff" + _box(b"infe", b"\0\1\0\0av01\0", 2) * 20_000, 0),
        _box(b"iref", _box(b"cdsc", b"\0\1\0\1\0\2") * 20_000, 0),
        _box(b"iprp", _box(b"ipma", b"\0\0\xff\xff" + b"\0\1\1\1" * 20_000, 0)),
        _box(b"iprp", _box(b"ipma", b"\0\0\0\xff" + (b"\0\1\xff" + bytes(255)) * 255, 0)),
        _box(b"iprp", _box(b"ipco", _box(b"ispe", bytes(8), 0) * 20_000)),
    ],
)
def test_boxes_that_claim_more_than_they_hold_or_hold_too_much_are_not_read_to_an_end(
    boxes: bytes, brand: bytes
) -> None:
    file = _box(b"ftyp", brand + bytes(4)) + _box(b"meta", boxes, 0) + _box(b"mdat", bytes(1_000))
    with pytest.raises(InputRejected, match="many or such large parts"):
        normalise(file, source="x", is_first=True)


def _sizes(own: int, parts: int, *, changes: int = 0) -> bytes:
    """Properties: item 1 is so wide and high and turned so often, and items 2 to 101 have another size."""
    known = b"".join(_box(b"ispe", struct.pack(">II", edge, edge), 0) for edge in (own, parts))
    first = struct.pack(">HB", 1, 1 + changes) + b"\1" + b"\3" * changes
    others = b"".join(struct.pack(">HBB", item, 1, 2) for item in range(2, 102))
    named = _box(b"ipma", struct.pack(">I", 101) + first + others, 0)
    return _box(b"iprp", _box(b"ipco", known + _box(b"irot", b"\1")) + named)


def _made_of(*parts: tuple[int, list[int]]) -> bytes:
    """References: each item with those that it is made of."""
    named = [_box(b"dimg", struct.pack(f">HH{len(of)}H", item, len(of), *of)) for item, of in parts]
    return _box(b"iref", b"".join(named), 0)


_TILES = list(range(2, 102))


@pytest.mark.parametrize("brand", ["avif", "heic"])
@pytest.mark.parametrize(
    ("boxes", "is_read"),
    [
        (_sizes(5000, 512) + _made_of((1, _TILES)), True),
        (_sizes(100, 400) + _made_of((1, _TILES)), True),
        (_sizes(2100, 2048) + _made_of((1, _TILES)), False),
        (_sizes(2100, 2048), True),
        (_sizes(2048, 512, changes=3), True),
        (_sizes(2048, 512, changes=4), False),
        (_made_of((1, [2]), (2, [3]), (3, [4]), (4, [5])), True),
        (_made_of(*((item, [item + 1]) for item in range(1, 31))), False),
        (_made_of((1, [2]), (2, [1])), False),
    ],
)
def test_parts_that_are_far_larger_than_the_picture_or_changed_again_and_again_are_refused(
    boxes: bytes, brand: str, *, is_read: bool
) -> None:
    file = _box(b"ftyp", brand.encode() + bytes(4)) + _box(b"meta", boxes, 0)
    if is_read:
        require_openable(file, brand)
    else:
        with pytest.raises(Oversized):
            require_openable(file, brand)
