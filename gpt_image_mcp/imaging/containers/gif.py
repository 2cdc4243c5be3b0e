"""How long the frames of a GIF are shown: GIF89a specification, sections 15 (data blocks) and 20 to 25."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_FLAGS_AT, _HEAD_BYTES = 10, 13  # of the file: signature and logical screen
_EXTENSION, _IMAGE = b"!", b","
_CONTROL, _DESCRIPTOR_BYTES = b"\xf9\x04", 9  # with the length of what follows
_HUNDREDTH_MS = 10


def durations_ms(data: bytes) -> Iterator[int]:
    """The milliseconds of each frame, up to where the file ends or breaks off."""
    position = _HEAD_BYTES + _palette_bytes(data[_FLAGS_AT : _FLAGS_AT + 1])
    lasting_ms = 0
    while (kind := data[position : position + 1]) in (_EXTENSION, _IMAGE):
        if kind == _EXTENSION:
            if data[position + 1 : position + 3] == _CONTROL:
                lasting_ms = int.from_bytes(data[position + 4 : position + 6], "little") * _HUNDREDTH_MS
            position += 2
        else:
            yield lasting_ms
            lasting_ms = 0
            position += 1 + _DESCRIPTOR_BYTES
            position += _palette_bytes(data[position - 1 : position]) + 1  # the size of codes
        while size := data[position : position + 1]:
            position += 1 + size[0]
            if not size[0]:
                break


def _palette_bytes(flags: bytes) -> int:
    """How long the palette after the flags of a screen or a frame is; 0 without one."""
    return 3 << (flags[0] & 7) + 1 if flags and flags[0] & 0x80 else 0
