"""Unpacks bodies by what they are, because gateways name encodings falsely or not at all."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import httpx2

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

# How gzip and zlib begin. No JSON, text or picture does.
_GZIP, _ZLIB = b"\x1f\x8b", (b"x\x01", b"x\x5e", b"x\x9c", b"x\xda")
_EITHER = 47


class UnpackedStream(httpx2.AsyncByteStream):
    """The pieces of a body, unpacked as they come; of a damaged one, those before the damage."""

    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        pieces = aiter(self._stream)
        head = b""
        async for piece in pieces:
            head += piece
            if len(head) >= len(_GZIP):
                break
        unpack = _Unpacker(is_packed=head.startswith((_GZIP, *_ZLIB)))
        yield unpack(head)
        async for piece in pieces:
            yield unpack(piece)

    async def aclose(self) -> None:
        """Closes the stream below."""
        await self._stream.aclose()


class _Unpacker:
    """Unpacks a body piece by piece."""

    def __init__(self, *, is_packed: bool) -> None:
        self._inner = zlib.decompressobj(_EITHER) if is_packed else None
        self._is_damaged = False

    def __call__(self, piece: bytes) -> bytes:
        if self._inner is None:
            return piece
        unpacked = b""
        while piece and not self._is_damaged:
            try:
                unpacked += self._inner.decompress(piece)
            except zlib.error:
                self._is_damaged = True
            piece = self._inner.unused_data
            if piece:  # another member of the same file follows
                self._inner = zlib.decompressobj(_EITHER)
        return unpacked
