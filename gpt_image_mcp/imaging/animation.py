"""Animations: their frames, decoded one after the other, so that never more than one is held here.

Only GIF and WebP count: what the API makes, and what we write of it. The other files with several pictures
are their first one everywhere.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gpt_image_mcp.imaging.containers import gif, webp
from gpt_image_mcp.imaging.decoding import in_profile, pixels_of, upright
from gpt_image_mcp.imaging.formats import announced_format, open_picture
from gpt_image_mcp.pillow_errors import DamagedImage
from gpt_image_mcp.steps import step
from gpt_image_mcp.values.pixels import Pixels

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL import Image

# Decoding and drawing as many takes up to 3.5 seconds; a frame takes as long as so many pixels at least.
_MOST_PIXELS, _PIXELS_PER_FRAME = {"gif": 150_000_000, "webp": 100_000_000}, 10_000
_DURATIONS_MS = {"gif": gif.durations_ms, "webp": webp.durations_ms}


@dataclass(frozen=True, slots=True, kw_only=True)
class Animation:
    """A file of several frames.

    Attributes:
        count: How many.
        size: Of each.
        loops: How often it is played; 0 for ever.
    """

    data: bytes = field(repr=False)
    count: int
    size: Pixels
    loops: int

    def durations_ms(self) -> list[int]:
        """How long each frame is shown; nothing is decoded."""
        return list(_DURATIONS_MS[announced_format(self.data)](self.data))

    def frames(self, most: int = 0) -> Iterator[tuple[Image.Image, int]]:
        """Each frame in sRGB, with its milliseconds; of more than so many, that number evenly chosen.

        Raises:
            DamagedImage: If one cannot be decoded.
        """
        chosen = min(most or self.count, self.count)
        with open_picture(self.data) as image:
            for position in range(chosen):
                step()
                image.seek(position * self.count // chosen)
                # Upright makes a copy, without which the next frame would have no profile.
                pixels = pixels_of(upright(image))
                yield in_profile(pixels, b"").image, int(image.info.get("duration", 0))


def find_animation(data: bytes) -> Animation | None:
    """The animation that a file is; None of a still, of what is damaged or takes too long to decode."""
    if (kind := announced_format(data)) not in _MOST_PIXELS:
        return None
    with suppress(DamagedImage), open_picture(data) as image:
        count, size = getattr(image, "n_frames", 1), Pixels(*image.size)
        if count == 1 or count * max(size.area, _PIXELS_PER_FRAME) > _MOST_PIXELS[kind]:
            return None
        loops: int = image.info.get("loop", 0)
        if image.format == "GIF" and (loops or "loop" not in image.info):
            loops += 1  # a GIF says how often it is played again, and nothing if never
        return Animation(data=data, count=count, size=size, loops=loops)
    return None
