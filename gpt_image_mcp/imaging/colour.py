"""Colour management: pixels from one ICC profile to another.

No profile (empty bytes) means sRGB, because that is what every program takes an untagged picture for.
"""

from __future__ import annotations

import functools
import io
import struct
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from PIL import Image, ImageCms

# Fields of a profile's header: the colour space that it is for, and its date (ICC.1:2022, section 7.2).
_SPACE_FIELD = slice(16, 20)
_SPACES = {"RGB": b"RGB ", "L": b"GRAY", "CMYK": b"CMYK"}
_DATE_FIELD, _DATE = slice(24, 36), struct.pack(">6H", 2026, 1, 1, 0, 0, 0)
# Profiles that differ by no more than this, in 8 bits, show the same colours.
_SAME_COLOUR = 2
# The largest for presses have 9 MB. Some stay in memory.
_MOST_BYTES = 10_000_000
# A profile's table of tags, name, place and length of each, of which Little CMS reads so many; and the type
# whose list of steps may name a single step a million times, each of which is done for every colour.
_TAGS, _TAG, _MOST_TAGS, _ENDLESS = 132, struct.Struct(">4x2I"), 100, b"mpet"
_SAMPLE_LEVELS = (0, 64, 128, 192, 255)


@functools.cache
def srgb_profile() -> bytes:
    """The profile of sRGB, for files whose colours were converted from another profile."""
    made = _opened(b"").tobytes()
    # With the second in which it was made, equal pictures would become different files.
    return made[: _DATE_FIELD.start] + _DATE + made[_DATE_FIELD.stop :]


def describes(profile: bytes, mode: str) -> bool:
    """Whether a profile is for pixels of this mode: RGB, L or CMYK; none is that would take long to apply."""
    is_quick = len(profile) <= _MOST_BYTES and not _is_endless(profile)
    return is_quick and profile[_SPACE_FIELD] == _SPACES.get(mode)


def _is_endless(profile: bytes) -> bool:
    """Whether a profile holds a list of steps."""
    table = profile[_TAGS : _TAGS + _MOST_TAGS * _TAG.size]
    places = (place for place, _ in _TAG.iter_unpack(table[: len(table) // _TAG.size * _TAG.size]))
    return any(profile[place : place + len(_ENDLESS)] == _ENDLESS for place in places)


@functools.lru_cache(maxsize=4)
def is_writable(profile: bytes) -> bool:
    """Whether colours can be converted into a profile and back; those of scanners lead only one way."""
    sample = _sample()
    there = converted(sample, source=b"", target=profile)
    return there is not None and converted(there, source=profile, target=b"") is not None


@functools.lru_cache(maxsize=4)
def is_srgb(profile: bytes) -> bool:
    """Whether a profile for RGB shows the same colours as sRGB, whatever it is called."""
    if not profile:
        return True
    from PIL import ImageChops

    sample = _sample()
    seen = converted(sample, source=profile, target=b"")
    if seen is None:
        return False
    extremes = cast("tuple[tuple[int, int], ...]", ImageChops.difference(sample, seen).getextrema())
    return max(highest for _, highest in extremes) <= _SAME_COLOUR


def converted(image: Image.Image, *, source: bytes, target: bytes) -> Image.Image | None:
    """The same colours in the numbers of another RGB profile; None if a profile is damaged or does not fit.

    Args:
        image: In RGB, L or CMYK, without alpha, as the source profile wants it; or in LAB.
        source: The profile of its numbers.
        target: The profile that is wanted.
    """
    from PIL import ImageCms

    try:
        origin = _lab() if image.mode == "LAB" else _opened(source)
        made = ImageCms.profileToProfile(image, origin, _opened(target), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        # Programs that show pictures ignore a damaged profile, too.
        return None
    if made is not None:
        made.info = {}
    return made


def _opened(profile: bytes) -> ImageCms.ImageCmsProfile:
    from PIL import ImageCms

    # Pillow does not say of what type its own profiles are.
    inside = io.BytesIO(profile) if profile else cast("Any", ImageCms).createProfile("sRGB")
    return ImageCms.ImageCmsProfile(inside)


def _lab() -> ImageCms.ImageCmsProfile:
    from PIL import ImageCms

    return ImageCms.ImageCmsProfile(cast("Any", ImageCms).createProfile("LAB"))


def _sample() -> Image.Image:
    """A small picture of colours from all parts of the space."""
    from PIL import Image

    levels = _SAMPLE_LEVELS
    colours = [(red, green, blue) for red in levels for green in levels for blue in levels]
    return Image.frombytes("RGB", (len(colours), 1), bytes(value for colour in colours for value in colour))
