"""Unpacks bodies by what they are, because gateways name encodings falsely or not at all."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import httpx2

from gpt_image_mcp.threads import taking_turns

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

# How gzip and zlib begin. No JSON, text or picture does.
_GZIP, _ZLIB = b"\x1f\x8b", (b"x\x01", b"x\x5e", b"x\x9c", b"x\xda")
_EITHER = 47
_PIECE_BYTES = 1_000_000
# Ten pictures of the largest size, of noise, in base64 have 330 MB.
MOST_BYTES = 400_000_000
# Of an answer without pictures: an error, a file's id, the list of a gateway's models.
MOST_BYTES_OF_WORDS = 4_000_000
# The largest picture in base64, in lines of 76 characters, has nearly as many; a stream some thousands.
MOST_LINES = 600_000


class UnpackedStream(httpx2.AsyncByteStream):
    """The pieces of a body, unpacked as they come; of a damaged or endless one, those before that.

    Args:
        stream: The body as it is sent.
        most_bytes: How much of it is read.
    """

    def __init__(self, stream: httpx2.AsyncByteStream, *, most_bytes: int = MOST_BYTES) -> None:
        self._stream = stream
        self._most_bytes = most_bytes

    async def __aiter__(self) -> AsyncIterator[bytes]:
        pieces = aiter(taking_turns(self._stream))
        head = b""
        async for piece in pieces:
            head += piece
            if len(head) >= len(_GZIP):
                break
        unpack = _Unpacker(is_packed=head.startswith((_GZIP, *_ZLIB)), most_bytes=self._most_bytes)
        for unpacked in unpack(head):
            yield unpacked
        async for piece in pieces:
            for unpacked in unpack(piece):
                yield unpacked
            if unpack.has_enough:
                return

    async def aclose(self) -> None:
        """Closes the stream below."""
        await self._stream.aclose()


class _Unpacker:
    """Unpacks a body piece by piece: into pieces of a size at most, and into so much at most in all."""

    def __init__(self, *, is_packed: bool, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._inner = zlib.decompressobj(_EITHER) if is_packed else None
        self._is_damaged = False
        self._bytes = self._feeds = self._returns = 0

    @property
    def has_enough(self) -> bool:
        """Whether no body is so large, or has so many lines, each of which costs whoever reads it."""
        return self._bytes > self._most_bytes or max(self._feeds, self._returns) > MOST_LINES

    def __call__(self, piece: bytes) -> Iterator[bytes]:
        for unpacked in self._unpacked(piece):
            self._bytes += len(unpacked)
            self._feeds += unpacked.count(b"\n")
            self._returns += unpacked.count(b"\r")
            if self.has_enough:
                return
            yield unpacked

    def _unpacked(self, piece: bytes) -> Iterator[bytes]:
        if self._inner is None:
            yield piece
            return
        while not self._is_damaged:
            try:
                unpacked = self._inner.decompress(piece, _PIECE_BYTES)
            except zlib.error:
                self._is_damaged = True
                return
            yield unpacked
            if self._inner.eof:
                piece = self._inner.unused_data
                self._inner = zlib.decompressobj(_EITHER)  # another member of the same file may follow
            else:
                piece = self._inner.unconsumed_tail
            if not piece and len(unpacked) < _PIECE_BYTES:
                return
