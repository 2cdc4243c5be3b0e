"""Metadata in PNG files: XMP in an ``iTXt`` chunk, C2PA in ``caBX``.

Chunks: PNG specification, third edition, sections 5.3 and 11.3.3. The keyword: XMP specification part 3,
section 1.1.5. ``caBX``: C2PA technical specification 2.1, appendix A.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, NamedTuple

from gpt_image_mcp.imaging.containers import MOST_PARTS

if TYPE_CHECKING:
    from collections.abc import Iterator

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEAD = struct.Struct(">I4s")
_CRC_BYTES = 4
_KEYWORD = b"XML:com.adobe.xmp\0"
# Not compressed, no language, no translated keyword.
_PLAIN = b"\0\0\0\0"


class Chunk(NamedTuple):
    """A chunk and where it begins and ends in the file."""

    kind: bytes
    start: int
    end: int


def has_c2pa(data: bytes) -> bool:
    """Whether there is a C2PA manifest."""
    return any(chunk.kind == b"caBX" for chunk in chunks(data))


def find_xmp(data: bytes) -> bytes | None:
    """The text of the XMP chunk; None if there is none."""
    return next((_text(data, chunk) for chunk in chunks(data) if _is_xmp(data, chunk)), None)


def with_xmp(data: bytes, packet: bytes) -> bytes:
    """The file with this XMP packet, right after the header, instead of any that was there.

    Raises:
        ValueError: If the file is not a whole PNG.
    """
    found = list(chunks(data))
    if not found or found[0].kind != b"IHDR" or found[-1].kind != b"IEND" or found[-1].end > len(data):
        message = "not a whole PNG file"
        raise ValueError(message)
    kept = [data[chunk.start : chunk.end] for chunk in found if not _is_xmp(data, chunk)]
    kept.insert(1, _written(b"iTXt", _KEYWORD + _PLAIN + packet))
    return b"".join((_SIGNATURE, *kept, data[found[-1].end :]))


def chunks(data: bytes) -> Iterator[Chunk]:
    """The chunks up to ``IEND``, or to where the file breaks off; ``MOST_PARTS`` at most."""
    start = len(_SIGNATURE)
    for _ in range(MOST_PARTS if data.startswith(_SIGNATURE) else 0):
        if start + _HEAD.size > len(data):
            return
        length, kind = _HEAD.unpack_from(data, start)
        end = start + _HEAD.size + length + _CRC_BYTES
        yield Chunk(kind, start, end)
        if kind == b"IEND":
            return
        start = end


def _is_xmp(data: bytes, chunk: Chunk) -> bool:
    return chunk.kind == b"iTXt" and data.startswith(_KEYWORD, chunk.start + _HEAD.size)


def _text(data: bytes, chunk: Chunk) -> bytes:
    """What stands behind the keyword; ours is plain, and that of others may be compressed."""
    body = data[chunk.start + _HEAD.size : chunk.end - _CRC_BYTES]
    return body.removeprefix(_KEYWORD).removeprefix(_PLAIN)


def _written(kind: bytes, body: bytes) -> bytes:
    return _HEAD.pack(len(body), kind) + body + struct.pack(">I", zlib.crc32(kind + body))
