"""Metadata in JPEG files: XMP in an ``APP1`` segment, C2PA as JUMBF boxes in ``APP11``.

Segments: ITU-T T.81, annex B. XMP: XMP specification part 3, section 1.1.3. C2PA: technical specification
2.1, appendix A; JUMBF in JPEG: ISO/IEC 19566-5, annex D.
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, NamedTuple

from gpt_image_mcp.imaging.containers import MOST_PARTS

if TYPE_CHECKING:
    from collections.abc import Iterator

_START = b"\xff\xd8"
_PADDING = re.compile(rb"\xff+")
_NAMESPACE = b"http://ns.adobe.com/xap/1.0/\0"
_END_OF_IMAGE = b"\xff\xd9"
_LENGTH_BYTES = 2
_MARK = 0xFF
_APP0, _APP1, _APP11 = 0xE0, 0xE1, 0xEB
_SCAN, _TABLES = 0xDA, 0xDB
# With values of 8 bits; one with 16 counts twice.
_TABLE_BYTES = 65
# What Pillow takes for markers without a length: restarts, start, end, and those that nothing uses.
_BARE = frozenset({0x00, 0x01, 0xC8, *range(0xD0, 0xDA), *range(0xF0, 0xFE)})
# A segment's length counts its own two bytes and must fit into them.
LARGEST_PACKET_BYTES = 0xFFFF - _LENGTH_BYTES - len(_NAMESPACE)


class _Segment(NamedTuple):
    """A segment before the pixels and where it begins and ends in the file."""

    marker: int
    body: bytes
    start: int
    end: int


def parts(data: bytes) -> Iterator[_Segment]:
    """The segments, and once more each quantisation table in them: Pillow makes a list of each."""
    for segment in _segments(data):
        yield from itertools.repeat(
            segment, 1 + len(segment.body) // _TABLE_BYTES * (segment.marker == _TABLES)
        )


def has_c2pa(data: bytes) -> bool:
    """Whether there is a C2PA manifest store."""
    return any(_is_c2pa(segment) for segment in _segments(data))


def find_xmp(data: bytes) -> bytes | None:
    """The XMP packet; None if there is none."""
    return next((entry.body[len(_NAMESPACE) :] for entry in _segments(data) if _is_xmp(entry)), None)


def with_xmp(data: bytes, packet: bytes) -> bytes:
    """The file with this XMP packet, behind the JFIF and Exif segments, instead of any that was there.

    Raises:
        ValueError: If the file breaks off, or the packet is over ``LARGEST_PACKET_BYTES``.
    """
    segments = list(_segments(data))
    if not segments or segments[-1].marker != _SCAN or _END_OF_IMAGE not in data[segments[-1].end :]:
        message = "not a whole JPEG file"
        raise ValueError(message)
    if len(packet) > LARGEST_PACKET_BYTES:
        message = f"a packet of {len(packet)} bytes does not fit into a segment"
        raise ValueError(message)
    kept = [entry for entry in segments if not _is_xmp(entry)]
    place = next(index for index, entry in enumerate(kept) if entry.marker not in (_APP0, _APP1))
    parts = [data[entry.start : entry.end] for entry in kept]
    parts.insert(place, _written(packet))
    return b"".join((_START, *parts, data[segments[-1].end :]))


def _segments(data: bytes) -> Iterator[_Segment]:
    """The segments up to the first scan, whose header is the last, or to where the file breaks off."""
    start = len(_START)
    for _ in range(MOST_PARTS if data.startswith(_START) else 0):
        start = data.find(_MARK, start)  # Pillow passes over what is no marker
        if start < 0 or start + 1 >= len(data):
            return
        marker = data[start + 1]
        if marker == _MARK:
            end = _padding_end(data, start)
        elif marker in _BARE:
            end = start + 2
        else:
            length = int.from_bytes(data[start + 2 : start + 2 + _LENGTH_BYTES], "big")
            end = start + 2 + max(length, _LENGTH_BYTES)
        yield _Segment(marker, data[start + 2 + _LENGTH_BYTES : end], start, end)
        if marker == _SCAN:
            return
        start = end


def _padding_end(data: bytes, start: int) -> int:
    """Where the last of the bytes is that only fill the place before a marker."""
    found = _PADDING.match(data, start)
    return found.end() - 1 if found else start + 1


def _is_xmp(segment: _Segment) -> bool:
    return segment.marker == _APP1 and segment.body.startswith(_NAMESPACE)


def _is_c2pa(segment: _Segment) -> bool:
    """Whether a segment holds a part of a box whose label names C2PA; rather one too many than one missed."""
    return segment.marker == _APP11 and segment.body.startswith(b"JP") and b"c2pa" in segment.body


def _written(packet: bytes) -> bytes:
    body = _NAMESPACE + packet
    return bytes((_MARK, _APP1)) + (len(body) + _LENGTH_BYTES).to_bytes(_LENGTH_BYTES, "big") + body
