"""The items of a HEIC or AVIF file: a large picture may be a grid of many, each with bytes of its own.

Boxes: ISO/IEC 14496-12, section 4.2; where the bytes of items are (``iloc``): 8.11.3; which items one is made
of (``iref``): 8.11.12.
"""

from __future__ import annotations

import struct
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# More boxes, items, pieces of their bytes, references and properties than any camera makes: a picture
# of 340 tiles has 3,000. Decoders compare each item with each, and nothing else runs meanwhile.
_MOST = 10_000
_MADE_OF = b"dimg"
_CHANGES = (b"irot", b"imir", b"clap")
# A grid of tiles may be put on a canvas, and that be turned.
_MOST_LEVELS = 4
# Tiles reach beyond a picture that is smaller than they are.
_MOST_OF_SMALL = 16_000_000


def takes_too_long(data: bytes) -> bool:
    """Whether bytes are decoded for several parts, or parts are too many, too large or changed too often."""
    try:
        reads = _Reads()
        meta = [body for kind, body in _boxes(memoryview(data), reads) if kind == b"meta"]
        inside = [box for body in meta for box in _boxes(body[4:], reads)]
        where = [body for kind, body in inside if kind == b"iloc"]
        lengths = [length for body in where for length in _lengths(_Numbers(body, reads), len(data))]
        parts = [pair for kind, body in inside if kind == b"iref" for pair in _parts(body, reads)]
        for kind, body in inside:
            if kind == b"iinf":
                _count_items(body, reads)
        areas = [each for kind, body in inside if kind == b"iprp" for each in _areas(body, reads)]
    except OverflowError:
        return True
    made_into = {part: item for item, part in parts}
    is_shared = sum(lengths) > len(data) or len(made_into) < len(parts)
    return is_shared or _is_nested(made_into) or _is_larger_inside(made_into, dict(areas))


def _is_nested(made_into: dict[int, int]) -> bool:
    """Whether an item is made into another that is made into another, more often than any camera does."""
    for item in made_into:
        above: int | None = item
        for _ in range(_MOST_LEVELS):
            above = made_into.get(above) if above is not None else None
        if above in made_into:
            return True
    return False


def _is_larger_inside(made_into: dict[int, int], areas: dict[int, int]) -> bool:
    """Whether the parts of an item have far more pixels than it has."""
    inside: Counter[int] = Counter()
    for part, item in made_into.items():
        inside[item] += areas.get(part, 0)
    return any(pixels > max(_MOST_OF_SMALL, 4 * areas.get(item, 0)) for item, pixels in inside.items())


class _Reads:
    """Counts what is read of one file, in however many boxes it stands."""

    def __init__(self) -> None:
        self._left = _MOST

    def count(self, number: int = 1) -> None:
        self._left -= number
        if self._left < 0:
            raise OverflowError


class _Numbers:
    """Reads numbers one after the other; what lies behind the end is 0."""

    def __init__(self, data: memoryview, reads: _Reads) -> None:
        self._data = data
        self._place = 0
        self._reads = reads

    def skip(self, size: int) -> None:
        self._place += size

    def next(self, size: int) -> int:
        self._reads.count()
        found = int.from_bytes(self._data[self._place : self._place + size], "big")
        self._place += size
        return found


def _boxes(data: memoryview, reads: _Reads) -> Iterator[tuple[bytes, memoryview]]:
    """The boxes in some bytes, by name and content; the last may break off."""
    start = 0
    while start + 8 <= len(data):
        reads.count()
        size, kind = struct.unpack_from(">I4s", data, start)
        head = 8
        if size == 1 and start + 16 <= len(data):
            (size,), head = struct.unpack_from(">Q", data, start + 8), 16
        end = start + size if size else len(data)
        yield kind, data[start + head : end]
        if end < start + head:
            return
        start = end


def _lengths(numbers: _Numbers, whole: int) -> Iterator[int]:
    """How many bytes each piece of each item has: a piece without a length goes to the end of the file."""
    version = numbers.next(4) >> 24
    sizes = numbers.next(2)
    offset, length, base, index = (sizes >> shift & 15 for shift in (12, 8, 4, 0))
    has_method, wide = version in {1, 2}, 2 if version < 2 else 4  # noqa: PLR2004 - bytes of an id
    for _ in range(numbers.next(wide)):
        numbers.skip(wide + (2 if has_method else 0) + 2 + base)
        for _ in range(numbers.next(2)):
            numbers.skip((index if has_method else 0) + offset)
            yield numbers.next(length) or whole


def _parts(body: memoryview, reads: _Reads) -> Iterator[tuple[int, int]]:
    """Each item that is made of others, with one of these, as often as they are named."""
    wide = 4 if bytes(body[:1]) == b"\1" else 2
    for kind, references in _boxes(body[4:], reads):
        numbers = _Numbers(references, reads)
        item = numbers.next(wide)
        for _ in range(numbers.next(2)):
            part = numbers.next(wide)
            if kind == _MADE_OF:
                yield item, part


def _count_items(body: memoryview, reads: _Reads) -> None:
    """Counts the items: ISO/IEC 14496-12, 8.11.6."""
    for _ in _boxes(body[6 if bytes(body[:1]) == b"\0" else 8 :], reads):
        pass


def _areas(body: memoryview, reads: _Reads) -> Iterator[tuple[int, int]]:
    """How many pixels each item has, by its properties: ISO/IEC 23008-12, 9.3.

    Raises:
        OverflowError: If an item is turned, mirrored and cut more often than once each.
    """
    boxes = list(_boxes(body, reads))
    known = [each for kind, inside in boxes if kind == b"ipco" for each in _boxes(inside, reads)]
    for _, inside in (box for box in boxes if box[0] == b"ipma"):
        for item, properties in _associations(inside, reads):
            named = [known[number - 1] for number in properties if 0 < number <= len(known)]
            if sum(kind in _CHANGES for kind, _ in named) > len(_CHANGES):
                raise OverflowError
            sizes = [struct.unpack_from(">II", size, 4) for kind, size in named if _is_size(kind, size)]
            yield item, max((width * height for width, height in sizes), default=0)


def _associations(body: memoryview, reads: _Reads) -> Iterator[tuple[int, list[int]]]:
    """The items, and the numbers of the properties of each."""
    numbers = _Numbers(body, reads)
    head = numbers.next(4)
    wide, mask = (2, 0x7FFF) if head & 1 else (1, 0x7F)
    for _ in range(numbers.next(4)):
        item = numbers.next(4 if head >> 24 else 2)
        yield item, [numbers.next(wide) & mask for _ in range(numbers.next(1))]


def _is_size(kind: bytes, inside: memoryview) -> bool:
    return kind == b"ispe" and len(inside) >= 12  # noqa: PLR2004 - a head and two numbers
