"""The body of an answer as it comes: in memory while it is small, and then on disk."""

from __future__ import annotations

from tempfile import TemporaryFile
from typing import IO

from gpt_image_mcp.openai_api.content_encoding import MOST_BYTES
from gpt_image_mcp.threads import in_saving

# Few pictures have more in base64, and so many answers of this size may come at once.
LARGE_BYTES = 16_000_000


class ReceivedBody:
    """What has come of a body; to be closed.

    Args:
        most_bytes: How much of it is read.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._pieces: list[bytes] = []
        self._bytes_in_memory = self._bytes_on_disk = 0
        self._file: IO[bytes] | None = None
        self._is_disk_full = False

    def __len__(self) -> int:
        """How many bytes there are."""
        return self._bytes_on_disk + self._bytes_in_memory

    def close(self) -> None:
        """Deletes what is on disk."""
        if self._file is not None:
            self._file.close()

    @property
    def is_large(self) -> bool:
        """Whether several like it would take more memory than other work leaves."""
        return len(self) > LARGE_BYTES

    @property
    def has_enough(self) -> bool:
        """Whether no more of it is to be read."""
        return len(self) >= self._most_bytes

    async def add(self, piece: bytes) -> None:
        """Takes the next piece; where the disk is full, what is paid for stays in memory."""
        self._pieces.append(piece)
        self._bytes_in_memory += len(piece)
        if self._bytes_in_memory > LARGE_BYTES and not self._is_disk_full:
            await in_saving(self._write)

    async def read(self) -> bytes:
        """All that came."""
        return self._whole() if self._file is None else await in_saving(self._whole)

    def _write(self) -> None:
        try:
            self._file = self._file or TemporaryFile(buffering=0)  # noqa: SIM115 - closed with this
            self._file.seek(self._bytes_on_disk)
            rest = memoryview(b"".join(self._pieces))
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError:
            self._is_disk_full = True
            return
        self._bytes_on_disk, self._bytes_in_memory = len(self), 0
        self._pieces.clear()

    def _whole(self) -> bytes:
        """All of it, of which the pieces are kept no longer: they would take as much again."""
        if self._file is None:
            self._pieces = [b"".join(self._pieces)]
            return self._pieces[0]
        if not self._is_disk_full:
            self._write()
        self._file.truncate(self._bytes_on_disk)
        self._file.seek(0)
        whole = self._file.read()
        return b"".join((whole, *self._pieces)) if self._pieces else whole
