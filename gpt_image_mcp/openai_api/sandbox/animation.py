"""The animations of the sandbox: its still picture, with a ball that goes round in it."""

from __future__ import annotations

import io
import math
from dataclasses import replace
from typing import TYPE_CHECKING

from gpt_image_mcp.openai_api.sandbox.drawing import Drawing, draw, draw_edit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL import Image

_LONGEST_MS, _STEP_MS = 655_350, 10  # a GIF counts in hundredths of a second, up to 65,535 of them
# Where the ball goes, as shares of the edges: above the card with the prompt.
_MIDDLE, _ORBIT, _RADIUS = (0.5, 0.27), 0.16, 0.075
_BALL = (250, 204, 21)


def draw_animation(
    drawing: Drawing, *, frame_count: int, frame_duration_ms: int, pictures: Sequence[bytes] = ()
) -> bytes:
    """The GIF of a generation or, with input files, of an edit. CPU work, for a worker thread.

    Args:
        drawing: What each frame shows; a transparent one has pixels that are clear or opaque, none between.
        frame_count: How many frames, no two of them alike.
        frame_duration_ms: Of each; rounded to 10.
        pictures: The input files of an edit, which stay visible.
    """
    from PIL import Image

    still = replace(drawing, output_format="png")
    base = Image.open(io.BytesIO(draw_edit(still, pictures, None) if pictures else draw(still)))
    if drawing.transparent:
        base.putalpha(base.getchannel("A").point([0] * 128 + [255] * 128))
    frames = [_frame(base, index, frame_count) for index in range(frame_count)]
    milliseconds = min(_LONGEST_MS, (frame_duration_ms + _STEP_MS // 2) // _STEP_MS * _STEP_MS)
    stream = io.BytesIO()
    # Disposal 2 clears a frame before the next, without which a ball would stay where it was seen through.
    frames[0].save(
        stream,
        "GIF",
        save_all=True,
        append_images=frames[1:],
        duration=milliseconds,
        loop=0,
        disposal=2 if drawing.transparent else 1,
    )
    return stream.getvalue()


def _frame(base: Image.Image, index: int, count: int) -> Image.Image:
    from PIL import ImageDraw

    frame = base.copy()
    unit = min(frame.size)
    angle = math.tau * index / count
    x = frame.width * _MIDDLE[0] + unit * _ORBIT * math.sin(angle)
    y = frame.height * _MIDDLE[1] - unit * _ORBIT * math.cos(angle)
    ImageDraw.Draw(frame).circle((x, y), unit * _RADIUS, fill=_BALL)
    return frame
