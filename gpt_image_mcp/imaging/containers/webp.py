"""WebP files: XMP in an ``XMP `` chunk, C2PA in ``C2PA``, and how long frames are shown.

Chunks, the ``VP8X`` header and the order of chunks: RFC 9649, section 2. Headers of the two kinds of pixels:
RFC 6386, section 9.1 and RFC 9649, section 3.4. ``C2PA``: C2PA technical specification 2.1, appendix A.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from gpt_image_mcp.imaging.containers import MOST_PARTS

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEAD = struct.Struct("<4sI")
_BODY_START = 12
_XMP_FLAG, _ALPHA_FLAG = 0x04, 0x10
_EXTENDED_BYTES = 10
_FRAME_HEAD_BYTES, _DURATION = 16, slice(12, 15)  # of an ANMF chunk, before the chunks in it
_LOSSY_HEADER_BYTES, _LOSSY_CODE = 10, b"\x9d\x01\x2a"
_LOSSLESS_HEADER_BYTES, _LOSSLESS_CODE = 5, 0x2F
_FOURTEEN_BITS, _ALPHA_BIT = 0x3FFF, 28


class Chunk(NamedTuple):
    """A chunk and where it begins and ends in the file, its padding included."""

    kind: bytes
    start: int
    end: int
    length: int

    def body(self, data: bytes) -> bytes:
        """What the chunk holds."""
        return data[self.start + _HEAD.size : self.start + _HEAD.size + self.length]


def has_c2pa(data: bytes) -> bool:
    """Whether there is a C2PA manifest store."""
    return any(chunk.kind == b"C2PA" for chunk in _chunks(data))


def find_xmp(data: bytes) -> bytes | None:
    """The XMP packet; None if there is none."""
    return next((chunk.body(data) for chunk in _chunks(data) if chunk.kind == b"XMP "), None)


def with_xmp(data: bytes, packet: bytes) -> bytes:
    """The file, in its extended form, with this XMP packet at its end instead of any that was there.

    Raises:
        ValueError: If the file is not a whole WebP.
    """
    chunks = list(_chunks(data))
    end = _file_end(data)
    if not chunks or chunks[-1].end != end or end > len(data):
        message = "not a whole WebP file"
        raise ValueError(message)
    first = chunks[0].body(data)
    header = _flagged(first) if chunks[0].kind == b"VP8X" else _header(chunks[0].kind, first)
    kept = [data[chunk.start : chunk.end] for chunk in chunks if chunk.kind not in (b"VP8X", b"XMP ")]
    body = b"".join((b"WEBP", _written(b"VP8X", header), *kept, _written(b"XMP ", packet)))
    return _HEAD.pack(b"RIFF", len(body)) + body + data[end:]


def _file_end(data: bytes) -> int:
    """Where the file says that it ends; something else may follow."""
    return _HEAD.size + int.from_bytes(data[4:8], "little")


def all_chunks(data: bytes) -> Iterator[Chunk]:
    """Those inside the frames of an animation too."""
    return _chunks(data, in_frames=True)


def _chunks(data: bytes, *, in_frames: bool = False) -> Iterator[Chunk]:
    """The chunks up to the end of the file, or to where it breaks off; ``MOST_PARTS`` at most."""
    if data[:4] != b"RIFF" or data[8:_BODY_START] != b"WEBP":
        return
    start, stop = _BODY_START, min(_file_end(data), len(data))
    for _ in range(MOST_PARTS):
        if start + _HEAD.size > stop:
            return
        kind, length = _HEAD.unpack_from(data, start)
        end = start + _HEAD.size + length + length % 2
        yield Chunk(kind, start, end, length)
        start = start + _HEAD.size + _FRAME_HEAD_BYTES if in_frames and kind == b"ANMF" else end


def durations_ms(data: bytes) -> Iterator[int]:
    """The milliseconds of each frame of an animation: RFC 9649, section 2.7.1.2."""
    for chunk in _chunks(data):
        if chunk.kind == b"ANMF":
            yield int.from_bytes(chunk.body(data)[_DURATION], "little")


def _flagged(header: bytes) -> bytes:
    """An extended header that announces XMP.

    Raises:
        ValueError: If it has not the length that it must have.
    """
    if len(header) != _EXTENDED_BYTES:
        message = "a WebP file with a damaged header"
        raise ValueError(message)
    return bytes((header[0] | _XMP_FLAG,)) + header[1:]


def _header(kind: bytes, pixels: bytes) -> bytes:
    """The extended header of a file that has only pixels so far.

    Raises:
        ValueError: If the pixels do not begin as they must.
    """
    if kind == b"VP8 " and len(pixels) >= _LOSSY_HEADER_BYTES and pixels[3:6] == _LOSSY_CODE:
        # The two highest bits are a hint for scaling.
        width, height = (edge & _FOURTEEN_BITS for edge in struct.unpack_from("<HH", pixels, 6))
        return _canvas(width - 1, height - 1, has_alpha=False)
    if kind == b"VP8L" and len(pixels) >= _LOSSLESS_HEADER_BYTES and pixels[0] == _LOSSLESS_CODE:
        bits = int.from_bytes(pixels[1:5], "little")
        has_alpha = bool(bits >> _ALPHA_BIT & 1)
        return _canvas(bits & _FOURTEEN_BITS, bits >> 14 & _FOURTEEN_BITS, has_alpha=has_alpha)
    message = "a WebP file without pixels"
    raise ValueError(message)


def _canvas(width_less_one: int, height_less_one: int, *, has_alpha: bool) -> bytes:
    """The body of ``VP8X``, which stores each edge less one.

    Raises:
        ValueError: If an edge has no pixels.
    """
    if min(width_less_one, height_less_one) < 0:
        message = "a WebP file without pixels"
        raise ValueError(message)
    flags = _XMP_FLAG | (_ALPHA_FLAG if has_alpha else 0)
    edges = width_less_one.to_bytes(3, "little") + height_less_one.to_bytes(3, "little")
    return bytes((flags, 0, 0, 0)) + edges


def _written(kind: bytes, body: bytes) -> bytes:
    return _HEAD.pack(kind, len(body)) + body + b"\0" * (len(body) % 2)
