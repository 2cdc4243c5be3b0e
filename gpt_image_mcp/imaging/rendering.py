"""Drawing an image into the files of an export. CPU work, for a worker thread.

Of the metadata only the label of an AI-made picture is written: no camera data, no prompt, no owner, and no
colour profile because the pixels are in sRGB.
"""

from __future__ import annotations

import contextlib
import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gpt_image_mcp.errors import InvalidArgument, quoted
from gpt_image_mcp.imaging.encoding import encode, longest_edge
from gpt_image_mcp.imaging.file_limit import MOST_PIXELS, Fitted, fit_bytes
from gpt_image_mcp.imaging.fit import Placement, fit_into
from gpt_image_mcp.imaging.limits import MAX_PIXELS
from gpt_image_mcp.imaging.normalise import flattened, visible_ground
from gpt_image_mcp.values.pixels import Pixels

if TYPE_CHECKING:
    from PIL import Image

    from gpt_image_mcp.imaging.animation import Animation
    from gpt_image_mcp.imaging.export_presets import Target
    from gpt_image_mcp.imaging.source_type import SourceType

Colour = tuple[int, int, int]
TRANSPARENT = "transparent"
_HIGHEST_LEVEL = 255
# How well each format is written: no difference is visible at these.
_TIMES_SLOWER = 4  # AVIF is, than the other formats
_QUALITY: dict[str, dict[str, Any]] = {
    "png": {"compress_level": 6},
    "jpeg": {"quality": 92, "progressive": True},
    "webp": {"quality": 90, "method": 4},
    "avif": {"quality": 80, "speed": 6},
}
# Larger pictures take a third to a fifth of the time like this, and 4 % more bytes at most.
_CAREFUL_PIXELS = 2_000_000
_QUICKLY: dict[str, dict[str, Any]] = {"webp": {"method": 2}, "avif": {"speed": 9}}
# These encoders take up to 32 bytes for each pixel: 0.8 GB for as many, and 8 seconds of processor for noise.
_MOST_PIXELS_OF_SLOW_FORMATS = 25_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """A file, still in memory, and what had to be done to the picture.

    Attributes:
        size: Of the picture, or of the largest in an ico.
        quality: That of the file; 0 for a format that has none.
        shrunk_from: The size that was meant, if the picture lost pixels to stay within its limit.
        fill: The colour that took the place of transparency and is in bars; None if there is none.
        is_flattened: Whether transparency of the source was replaced by a colour that nobody chose.
        is_barred: Whether bars of such a colour were added.
    """

    data: bytes
    size: Pixels
    is_cropped: bool = False
    is_enlarged: bool = False
    quality: int = 0
    shrunk_from: Pixels | None = None
    fill: Colour | None = None
    is_flattened: bool = False
    is_barred: bool = False


def read_colour(background: str) -> Colour | None:
    """The colour that a background names; None if it names none.

    Raises:
        InvalidArgument: If it is no colour in CSS's spelling, or a partly transparent one.
    """
    from PIL import ImageColor

    name, fault = background.strip().lower(), "which is no colour"
    if name in ("", TRANSPARENT):
        return None
    with contextlib.suppress(ValueError):
        red, green, blue, *alpha = ImageColor.getrgb(name)
        if max(red, green, blue, *alpha) <= _HIGHEST_LEVEL:
            if alpha in ([], [_HIGHEST_LEVEL]):
                return red, green, blue
            fault = "a colour that is partly transparent"
    message = f"background is {quoted(background)}, {fault}."
    raise InvalidArgument(message, next_step='Pass "#rrggbb", a name such as "white", or "transparent".')


def css_colour(colour: Colour) -> str:
    """A colour as ``#rrggbb``."""
    return "#{:02x}{:02x}{:02x}".format(*colour)


def require_writer(output_format: str) -> None:
    """Refuses a format that this installation of Pillow cannot write.

    Raises:
        InvalidArgument: If it cannot; only AVIF is left out of some builds.
    """
    if output_format != "avif":
        return
    from PIL import Image

    importlib.import_module("PIL.AvifImagePlugin")
    if "AVIF" not in Image.SAVE:
        message = "output_format is avif, which the installed Pillow was built without."
        raise InvalidArgument(message, next_step="Pass webp, or install Pillow from its own wheels.")


def render(
    image: Image.Image,
    target: Target,
    *,
    background: Colour | None,
    source_type: SourceType = "",
    animation: Animation | None = None,
) -> Rendered:
    """Draws an image in RGB or RGBA into the file that is wanted, with the label of its source type.

    With an animation, whose first frame the image is, all frames are drawn; that needs a WebP.

    Raises:
        InvalidArgument: If the file would have more pixels than are written, or than its format takes, or
            cannot be made within its limit of bytes.
        DamagedImage: If a frame cannot be decoded.
    """
    placement = fit_into(Pixels(*image.size), target.box, fit=target.fit, fills_box=target.fills_box)
    _require_possible(placement.canvas, target, frames=animation.count if animation else 1)
    drawn, fill = _filled(_drawn(image, placement), target, background)
    moving: dict[str, Any] = {}
    if animation:
        # All are held at once, because Pillow wants them so.
        frames = [
            (_filled(_drawn(frame, placement), target, background)[0], lasting_ms)
            for frame, lasting_ms in animation.frames()
        ]
        moving = {"save_all": True, "append_images": [frame for frame, _ in frames[1:]]}
        moving |= {"duration": [lasting_ms for _, lasting_ms in frames], "loop": animation.loops}
    file = _file(drawn, target, source_type=source_type, moving=moving)
    is_automatic = fill is not None and background is None
    return Rendered(
        data=file.data,
        size=file.size,
        is_cropped=target.fit == "cover" and placement.is_cropped(Pixels(*image.size)),
        is_enlarged=placement.magnification > 1 and file.size == placement.canvas,
        quality=file.quality,
        shrunk_from=None if file.size == placement.canvas else placement.canvas,
        fill=fill,
        is_flattened=is_automatic and image.mode == "RGBA",
        is_barred=is_automatic and placement.scaled != placement.canvas,
    )


def _require_possible(size: Pixels, target: Target, *, frames: int) -> None:
    longest = longest_edge(target.output_format)
    is_slow = target.output_format in _QUICKLY and not target.max_bytes
    most_pixels = _MOST_PIXELS_OF_SLOW_FORMATS if is_slow else MAX_PIXELS
    if max(size) > longest or size.area * frames > most_pixels:
        each = f"{frames} frames of " if frames > 1 else ""
        message = (
            f"The export would have {each}{size} pixels; {target.output_format} files are written with at "
            f"most {most_pixels:,} in all and {longest:,} along an edge."
        )
        is_possible = frames == 1 and size.area <= MAX_PIXELS
        able = [name for name in ("png", "jpeg") if is_possible and max(size) <= longest_edge(name)]
        other = f", or output_format {' or '.join(able)}" if able else ""
        raise InvalidArgument(message, next_step=f"Pass a smaller width or height{other}.")
    if target.max_bytes and not target.icon_edges and not _may_shrink(target, frames=frames):
        _require_few(size, target, frames=frames)


def _require_few(size: Pixels, target: Target, *, frames: int) -> None:
    """Refuses what has too many pixels to be encoded again and again, until it fits."""
    most = _most_pixels_to_fit(target)
    if size.area * frames > most:
        asked = f"{frames} frames of {size}" if frames > 1 else str(size)
        message = f"max_kb is for up to {most:,} pixels, and {asked} are asked for."
        step = "Ask for fewer with width or height"
        step += "." if frames > 1 else ", or leave all of preset, width and height out."
        raise InvalidArgument(message, next_step=step)


def _may_shrink(target: Target, *, frames: int) -> bool:
    return target.may_shrink and frames == 1


def _most_pixels_to_fit(target: Target) -> int:
    return MOST_PIXELS // (_TIMES_SLOWER if target.output_format == "avif" else 1)


def _drawn(image: Image.Image, placement: Placement) -> Image.Image:
    from PIL import Image

    if placement.scaled != image.size or placement.is_cropped(Pixels(*image.size)):
        image = image.resize(placement.scaled, Image.Resampling.LANCZOS, box=placement.part, reducing_gap=3.0)
    if placement.scaled == placement.canvas:
        return image
    canvas = Image.new("RGBA", placement.canvas, (0, 0, 0, 0))
    canvas.paste(image, placement.corner)
    return canvas


def _filled(
    image: Image.Image, target: Target, background: Colour | None
) -> tuple[Image.Image, Colour | None]:
    """The image without what is transparent, where that has to go, and the colour that took its place."""
    needs_colour = background is not None or target.is_opaque or target.output_format == "jpeg"
    if image.mode == "RGB" or not needs_colour:
        return image, None
    colour = visible_ground(image) if background is None else background
    return flattened(image, colour), colour


def _file(image: Image.Image, target: Target, *, source_type: SourceType, moving: dict[str, Any]) -> Fitted:
    """The file of a drawn image, within its limit if it has one; ``moving`` tells of the other frames."""
    if target.icon_edges:
        return Fitted(_icon(image, target.icon_edges), 0, Pixels(*image.size))
    kind, usual = target.output_format.upper(), _QUALITY[target.output_format]
    frames = 1 + len(moving.get("append_images", ()))

    def encoded(picture: Image.Image, quality: int) -> bytes:
        chosen: dict[str, Any] = {**usual, "quality": quality} if quality else usual
        if picture.width * picture.height * frames > _CAREFUL_PIXELS:
            chosen = chosen | _QUICKLY.get(target.output_format, {})
        return encode(picture, kind, source_type=source_type, **chosen, **moving)

    best = target.quality or usual.get("quality", 0)
    if not target.max_bytes:
        return Fitted(encoded(image, best), best, Pixels(*image.size))
    fitted = fit_bytes(
        image,
        encoded,
        max_bytes=target.max_bytes,
        best_quality=best,
        may_shrink=_may_shrink(target, frames=frames),
        most_pixels=_most_pixels_to_fit(target),
    )
    if len(fitted.data) > target.max_bytes:
        raise _too_many_bytes(fitted, target)
    return fitted


def _too_many_bytes(smallest: Fitted, target: Target) -> InvalidArgument:
    at = f"{smallest.size}" + (f" and quality {smallest.quality}" if smallest.quality else "")
    kilobytes = -(-len(smallest.data) // 100) / 10
    message = (
        f"max_kb is {target.max_bytes / 1000:g}, and the smallest {target.output_format} that was reached, "
        f"at {at}, has {kilobytes:g} kB."
    )
    steps = [f"Pass max_kb {kilobytes:g} or more"]
    steps += [] if smallest.quality else ["pass output_format webp or jpeg, which have qualities"]
    steps += (
        [] if target.may_shrink else ["leave out preset, width and height, so that it may become smaller"]
    )
    return InvalidArgument(message, next_step=f"{', or '.join(steps)}.")


def _icon(image: Image.Image, edges: tuple[int, ...]) -> bytes:
    """An ico with pictures of several sizes, each made from the large one."""
    from PIL import Image

    frames = [image.resize((edge, edge), Image.Resampling.LANCZOS) for edge in edges]
    return encode(frames[-1], "ICO", sizes=[frame.size for frame in frames], append_images=frames[:-1])
