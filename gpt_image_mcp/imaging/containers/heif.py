"""The items of a HEIC or AVIF file: a large picture may be a grid of many, each with bytes of its own.

Boxes: ISO/IEC 14496-12, section 4.2; where the bytes of items are (``iloc``): 8.11.3; which items one is made
of (``iref``): 8.11.12.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# More boxes, items, pieces of their bytes, references and properties than any camera makes: a picture
# of 340 tiles has 3,000. Decoders compare each item with each, and nothing else runs meanwhile.
_MOST = 10_000
_MADE_OF = b"dimg"


def has_shared_parts(data: bytes) -> bool:
    """Whether the same bytes may be decoded for several parts of the picture, or there are endless parts."""
    try:
        reads = _Reads()
        meta = [body for kind, body in _boxes(memoryview(data), reads) if kind == b"meta"]
        inside = [box for body in meta for box in _boxes(body[4:], reads)]
        where = [body for kind, body in inside if kind == b"iloc"]
        lengths = [length for body in where for length in _lengths(_Numbers(body, reads), len(data))]
        parts = [part for kind, body in inside if kind == b"iref" for part in _parts(body, reads)]
        for kind, body in inside:
            if kind == b"iinf":
                _count_items(body, reads)
            if kind == b"iprp":
                _count_properties(body, reads)
    except OverflowError:
        return True
    return sum(lengths) > len(data) or len(set(parts)) < len(parts)


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


def _parts(body: memoryview, reads: _Reads) -> Iterator[int]:
    """The items that others are made of, as often as they are named."""
    wide = 4 if bytes(body[:1]) == b"\1" else 2
    for kind, references in _boxes(body[4:], reads):
        numbers = _Numbers(references, reads)
        numbers.skip(wide)
        for _ in range(numbers.next(2)):
            item = numbers.next(wide)
            if kind == _MADE_OF:
                yield item


def _count_items(body: memoryview, reads: _Reads) -> None:
    """Counts the items: ISO/IEC 14496-12, 8.11.6."""
    for _ in _boxes(body[6 if bytes(body[:1]) == b"\0" else 8 :], reads):
        pass


def _count_properties(body: memoryview, reads: _Reads) -> None:
    """Counts the properties, and which items have them: ISO/IEC 23008-12, 9.3."""
    for kind, inside in _boxes(body, reads):
        if kind != b"ipma":
            for _ in _boxes(inside, reads):
                pass
            continue
        numbers = _Numbers(inside, reads)
        head = numbers.next(4)
        for _ in range(numbers.next(4)):
            numbers.skip(4 if head >> 24 else 2)
            properties = numbers.next(1)
            reads.count(properties)
            numbers.skip(properties * (2 if head & 1 else 1))
