"""The items of a HEIC or AVIF file: a large picture may be a grid of many, each with bytes of its own.

Boxes: ISO/IEC 14496-12, section 4.2; where the bytes of items are (``iloc``): 8.11.3; which items one is made
of (``iref``): 8.11.12.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# More items, or pieces of their bytes, than any camera makes.
_MOST = 200_000
_MADE_OF = b"dimg"


def has_shared_parts(data: bytes) -> bool:
    """Whether the same bytes may be decoded for several parts of the picture, or there are endless parts."""
    try:
        meta = [body for kind, body in _boxes(memoryview(data)) if kind == b"meta"]
        inside = [box for body in meta for box in _boxes(body[4:])]
        lengths = [length for kind, body in inside if kind == b"iloc" for length in _lengths(body, len(data))]
        parts = [part for kind, body in inside if kind == b"iref" for part in _parts(body)]
    except OverflowError:
        return True
    return sum(lengths) > len(data) or len(set(parts)) < len(parts)


def _boxes(data: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """The boxes in some bytes, by name and content; the last may break off."""
    start = 0
    for _ in range(_MOST):
        if start + 8 > len(data):
            return
        size, kind = struct.unpack_from(">I4s", data, start)
        head = 8
        if size == 1 and start + 16 <= len(data):
            (size,), head = struct.unpack_from(">Q", data, start + 8), 16
        end = start + size if size else len(data)
        yield kind, data[start + head : end]
        if end < start + head:
            return
        start = end
    raise OverflowError


def _lengths(body: memoryview, whole: int) -> Iterator[int]:
    """How many bytes each piece of each item has: a piece without a length goes to the end of the file."""
    reader = _Reader(body)
    version = reader.number(4) >> 24
    sizes = reader.number(2)
    offset, length, base, index = (sizes >> shift & 15 for shift in (12, 8, 4, 0))
    has_method, wide = version in {1, 2}, 2 if version < 2 else 4  # noqa: PLR2004 - bytes of an id
    for _ in range(reader.number(wide)):
        reader.skip(wide + (2 if has_method else 0) + 2 + base)
        for _ in range(reader.number(2)):
            reader.skip((index if has_method else 0) + offset)
            yield reader.number(length) or whole


def _parts(body: memoryview) -> Iterator[int]:
    """The items that others are made of, as often as they are named."""
    wide = 4 if bytes(body[:1]) == b"\1" else 2
    for kind, references in _boxes(body[4:]):
        if kind == _MADE_OF:
            reader = _Reader(references)
            reader.skip(wide)
            for _ in range(reader.number(2)):
                yield reader.number(wide)


class _Reader:
    """Reads numbers one after the other; what lies behind the end is 0."""

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._place = self._reads = 0

    def skip(self, size: int) -> None:
        self._place += size

    def number(self, size: int) -> int:
        self._reads += 1
        if self._reads > _MOST:
            raise OverflowError
        found = int.from_bytes(self._data[self._place : self._place + size], "big")
        self._place += size
        return found
