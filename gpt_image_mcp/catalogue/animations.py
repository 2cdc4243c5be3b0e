"""Animations: how many frames a GIF has, how long each is shown, and how large they may be.

The frames of one GIF are made as one sheet, which has the limits of a picture. How frames are laid out was
worked out from the numbers at which the price changes (2-8, 9, 10-12 and 13-16 frames) and from the largest
squares that were reported (960, 816 and 720 pixels), which follow from these grids.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpt_image_mcp.catalogue.models import CustomSizes
from gpt_image_mcp.errors import InvalidArgument
from gpt_image_mcp.values.pixels import Pixels
from gpt_image_mcp.values.requests import GIF

if TYPE_CHECKING:
    from gpt_image_mcp.catalogue.models import ImageModel

FEWEST_FRAMES, MOST_FRAMES, USUAL_FRAMES = 2, 16, 9
# openai-python 3.57.0, images.generate, parameter frame_duration_ms.
SHORTEST_MS, LONGEST_MS, USUAL_MS, STEP_MS = 10, 655_350, 200, 10
# The most frames of each grid, with its columns and rows.
_GRIDS = ((8, (4, 2)), (9, (3, 3)), (12, (4, 3)), (MOST_FRAMES, (4, 4)))


def frame_count_of(count: int, output_format: str) -> int:
    """The number of frames to ask for; 0 for a format that has none.

    Raises:
        InvalidArgument: If an animation cannot have so many, or the format has none.
    """
    _require_animation("frame_count", count, output_format)
    if output_format != GIF or not count:
        return USUAL_FRAMES if output_format == GIF else 0
    if not FEWEST_FRAMES <= count <= MOST_FRAMES:
        message = f"frame_count is {count}; a gif has {FEWEST_FRAMES} to {MOST_FRAMES} frames."
        raise InvalidArgument(message, next_step=f"Pass a number in this range, or 0 for {USUAL_FRAMES}.")
    return count


def frame_duration_of(milliseconds: int, output_format: str) -> int:
    """How long each frame is shown, in the hundredths of a second that the format has; 0 without frames.

    Raises:
        InvalidArgument: If that is too short or too long, or the format has no frames.
    """
    _require_animation("frame_duration_ms", milliseconds, output_format)
    if output_format != GIF or not milliseconds:
        return USUAL_MS if output_format == GIF else 0
    if not SHORTEST_MS <= milliseconds <= LONGEST_MS:
        message = f"frame_duration_ms is {milliseconds}; it goes from {SHORTEST_MS} to {LONGEST_MS:,}."
        raise InvalidArgument(message, next_step=f"Pass how long a frame is shown, or 0 for {USUAL_MS}.")
    return max(SHORTEST_MS, STEP_MS * round(milliseconds / STEP_MS))


def as_animator(model: ImageModel, frame_count: int) -> ImageModel:
    """The model with the sizes that each of so many frames may have, all on one sheet of its largest size."""
    rule = model.sizes
    if not frame_count or not isinstance(rule, CustomSizes):
        return model
    columns, rows = _grid_of(frame_count)
    frames = {
        "max_edge": rule.max_edge // max(columns, rows),
        "max_pixels": rule.max_pixels // (columns * rows),
        "min_pixels": -(-rule.min_pixels // (columns * rows)),
    }
    return model.model_copy(update={"sizes": rule.model_copy(update=frames)})


def sheet_size(frame: Pixels, frame_count: int) -> Pixels:
    """The size of the sheet that frames are made as, which is what is paid for; a still is its own sheet."""
    if not frame_count:
        return frame
    columns, rows = _grid_of(frame_count)
    return Pixels(columns * frame.width, rows * frame.height)


def _grid_of(frame_count: int) -> tuple[int, int]:
    return next(grid for most, grid in _GRIDS if frame_count <= most)


def _require_animation(name: str, value: int, output_format: str) -> None:
    if value and output_format != GIF:
        message = f"{name} is {value}, but output_format is {output_format}, which has no frames."
        raise InvalidArgument(message, next_step=f"Use output_format gif, or leave {name} at 0.")
