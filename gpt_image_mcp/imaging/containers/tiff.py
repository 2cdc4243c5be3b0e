"""The tags of the first page of a TIFF, as libtiff takes them: of a tag that is named twice, the first.

Directories and types: TIFF 6.0, section 2, and of files beyond 4 GB, https://libtiff.gitlab.io/libtiff/specification/bigtiff.html
"""

from __future__ import annotations

import struct
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# More entries, or values of one, are not looked at. No page has so many kinds of tags.
_MOST = 100_000
_BYTES_AND_TEXTS, _FRACTIONS = (1, 2, 7), (5, 10)
# Pillow makes an object of each fraction, which takes as long as so many other values.
_VALUES_PER_FRACTION = 20
_WHOLE_NUMBERS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q", 18: "Q"}
_COMPRESSION, _JPEG = 259, (6, 7)
_SAMPLES, _MOST_SAMPLES, _PLANES, _SEPARATE = 277, 4, 284, 2
_ROWS, _STRIP_SIZES, _TILE_WIDTH, _TILE_HEIGHT, _TILE_SIZES = 278, 279, 322, 323, 325


class _Entry(NamedTuple):
    """A tag, type and number of its values, and where they are or, if they are long, where that is said."""

    tag: int
    kind: int
    values: int
    place: int


def count_tags(data: bytes) -> int:
    """How many tags the page has."""
    return sum(1 for _ in _entries(data))


def longest_list(data: bytes) -> int:
    """How much the longest tag has, other than bytes and text, in whole numbers."""
    lists = [entry for entry in _entries(data) if entry.kind not in _BYTES_AND_TEXTS]
    return max(
        (each.values * (_VALUES_PER_FRACTION if each.kind in _FRACTIONS else 1) for each in lists), default=0
    )


def readings(data: bytes, *, width: int, height: int) -> float:
    """How often all bytes of a page are read as JPEG for each of its pixels; 0 if it is not made of JPEGs.

    Of a page in parts each pixel takes the bytes of its part alone; but parts may share their bytes.
    """
    values = _values_of(data)
    if (values(_COMPRESSION) or _JPEG)[0] not in _JPEG:
        return 0
    sizes = values(_STRIP_SIZES) or values(_TILE_SIZES)
    if not sizes or min(sizes) < 0 or sum(sizes) > len(data):
        is_separate = _SEPARATE in values(_PLANES)
        return max(values(_SAMPLES), default=_MOST_SAMPLES) if is_separate else 1
    across = values(_TILE_WIDTH) or (width,)
    down = values(_TILE_HEIGHT) or values(_ROWS) or (height,)
    return 1 / (-(-width // max(1, across[0])) * -(-height // max(1, down[0])))


def decoded_pixels(data: bytes, *, width: int, height: int) -> int:
    """How many pixels are decoded for a page: of tiles all of each, however little is in the picture."""
    values = _values_of(data)
    across, down = values(_TILE_WIDTH), values(_TILE_HEIGHT)
    if not across or not down:
        return width * height
    return _rounded_up(width, max(1, across[0])) * _rounded_up(height, max(1, down[0]))


def _rounded_up(edge: int, part: int) -> int:
    return -(-edge // part) * part


def _values_of(data: bytes) -> Callable[[int], tuple[int, ...]]:
    """What gives the values of a tag of the first page; none of one that is not there."""
    tags: dict[int, _Entry] = {}
    for entry in _entries(data):
        tags.setdefault(entry.tag, entry)
    return lambda tag: _numbers(data, tags[tag]) if tag in tags else ()


def _numbers(data: bytes, entry: _Entry) -> tuple[int, ...]:
    """The values of a tag; none if they are no whole numbers."""
    letter = _WHOLE_NUMBERS.get(entry.kind)
    if letter is None or entry.values > _MOST:
        return ()
    order, is_big = _form(data)
    values = struct.Struct(f"{order}{entry.values}{letter}")
    try:
        place = entry.place
        if values.size > (8 if is_big else 4):
            (place,) = struct.unpack_from(f"{order}{'Q' if is_big else 'I'}", data, place)
        return values.unpack_from(data, place)
    except struct.error:
        return ()


def _entries(data: bytes) -> Iterator[_Entry]:
    """The tags of the first page; those before its end if it breaks off."""
    order, is_big = _form(data)
    entry = struct.Struct(order + ("HHQ8x" if is_big else "HHI4x"))
    try:
        (start,) = struct.unpack_from(f"{order}{'Q' if is_big else 'I'}", data, 8 if is_big else 4)
        (count,) = struct.unpack_from(f"{order}{'Q' if is_big else 'H'}", data, start)
        first = start + (8 if is_big else 2)
        for place in islice(range(first, first + count * entry.size, entry.size), _MOST):
            tag, kind, values = entry.unpack_from(data, place)
            yield _Entry(tag, kind, values, place + entry.size - (8 if is_big else 4))
    except (struct.error, OverflowError):
        return  # it breaks off, which Pillow notices


def _form(data: bytes) -> tuple[str, bool]:
    """The order of bytes, and whether places in the file have 64 bits."""
    return "<" if data[:1] == b"I" else ">", b"+" in data[2:4]
