"""Pictures with profiles and transparency of every kind, and how a colour-managed program shows a file."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any, cast

from PIL import Image, ImageCms

Colour = tuple[int, int, int]
_PRIMARIES = {
    # Red, green and blue as XYZ, adapted to D50, as the profiles of these names hold them.
    "P3": ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407)),
    "swapped": ((0.15710, 0.06657, 0.78407), (0.29198, 0.69225, 0.04189), (0.51512, 0.24120, -0.00105)),
}


def srgb_profile() -> bytes:
    """The profile of sRGB, without the second in which it was made."""
    made = ImageCms.ImageCmsProfile(cast("Any", ImageCms).createProfile("sRGB")).tobytes()
    return made[:24] + bytes(12) + made[36:]


def rgb_profile(name: str = "P3") -> bytes:
    """A profile with the curve of sRGB and other primaries: those of Display P3, or red for blue."""
    profile = bytearray(srgb_profile().replace("sRGB".encode("utf-16-be"), "test".encode("utf-16-be")))
    for tag, xyz in zip((b"rXYZ", b"gXYZ", b"bXYZ"), _PRIMARIES[name], strict=True):
        entry = profile.find(tag, 128)
        place = int.from_bytes(profile[entry + 4 : entry + 8], "big") + 8
        profile[place : place + 12] = struct.pack(">3i", *(round(value * 65536) for value in xyz))
    return bytes(profile)


def with_tag(profile: bytes, name: bytes, data: bytes) -> bytes:
    """The profile with one more tag, at its end."""
    (count,) = struct.unpack_from(">I", profile, 128)
    tags = [struct.unpack_from(">4sII", profile, 132 + 12 * number) for number in range(count)]
    tags = [(tag, place + 12, length) for tag, place, length in tags] + [(name, len(profile) + 12, len(data))]
    table = b"".join(struct.pack(">4sII", *tag) for tag in tags)
    whole = profile[4:128] + struct.pack(">I", count + 1) + table + profile[132 + 12 * count :] + data
    return struct.pack(">I", len(whole) + 4) + whole


def _tagged(kind: bytes, space: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    """A version 2 profile of these tags."""
    start = 128 + 4 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for tag, data in tags.items():
        table += struct.pack(">4sII", tag, start + len(body), len(data))
        body += data + b"\0" * (-len(data) % 4)
    size = start + len(body)
    illuminant = struct.pack(">3i", 0xF6D6, 0x10000, 0xD32D)
    header = struct.pack(
        ">I4sI4s4s4s12s4s", size, b"\0" * 4, 0x02100000, kind, space, connection, b"", b"acsp"
    )
    return header.ljust(68, b"\0") + illuminant + b"\0" * 48 + table + body


def grey_profile(gamma: float) -> bytes:
    """A profile of grey with a plain power curve."""
    white = b"XYZ \0\0\0\0" + struct.pack(">3i", 0xF6D6, 0x10000, 0xD32D)
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256))
    name = b"desc\0\0\0\0" + struct.pack(">I", 5) + b"grey\0" + b"\0" * 78
    return _tagged(b"mntr", b"GRAY", b"XYZ ", {b"desc": name, b"wtpt": white, b"kTRC": curve})


def cmyk_profile() -> bytes:
    """A profile in which every ink is a grey: none is white, all are black, and others half light."""
    corners = 2**4
    lab = b"".join(
        struct.pack(">3H", {0: 0xFF00, corners - 1: 0}.get(corner, 0x8000), 0x8000, 0x8000)
        for corner in range(corners)
    )
    matrix = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    straight = struct.pack(">2H", 0, 65535)
    table = (
        b"mft2\0\0\0\0" + bytes((4, 3, 2, 0)) + matrix + struct.pack(">2H", 2, 2) + straight * 4 + lab
    ) + straight * 3
    name = b"desc\0\0\0\0" + struct.pack(">I", 5) + b"cmyk\0" + b"\0" * 78
    white = b"XYZ \0\0\0\0" + struct.pack(">3i", 0xF6D6, 0x10000, 0xD32D)
    return _tagged(b"prtr", b"CMYK", b"Lab ", {b"desc": name, b"wtpt": white, b"A2B0": table})


def saved(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """The file of an image."""
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def opened(data: bytes) -> Image.Image:
    """An image of a file, decoded."""
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def shown(data: bytes, at: tuple[int, int]) -> Colour:
    """The colour in sRGB that a colour-managed program shows at a place of an RGB file."""
    image = opened(data)
    colours, profile = image.convert("RGB"), image.info.get("icc_profile") or b""
    if profile[16:20] == b"RGB ":
        srgb = cast("Any", ImageCms).createProfile("sRGB")
        colours = cast(
            "Image.Image",
            ImageCms.profileToProfile(colours, ImageCms.ImageCmsProfile(io.BytesIO(profile)), srgb),
        )
    return cast("Colour", colours.getpixel(at))


def alpha_at(data: bytes, at: tuple[int, int]) -> int:
    """How opaque a place of a file is, from 0 to 255."""
    return cast("int", opened(data).convert("RGBA").getchannel("A").getpixel(at))


def is_near(found: Colour, wanted: Colour, tolerance: int = 4) -> bool:
    """Whether two colours look the same."""
    return max(abs(one - other) for one, other in zip(found, wanted, strict=True)) <= tolerance


def png(size: tuple[int, int], *, depth: int, colour: int, rows: bytes, transparent: bytes = b"") -> bytes:
    """A PNG of a kind that Pillow does not write, with a transparent colour if wanted."""
    header = struct.pack(">IIBBBBB", *size, depth, colour, 0, 0, 0)
    key = _chunk(b"tRNS", transparent) if transparent else b""
    body = _chunk(b"IHDR", header) + key + _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
