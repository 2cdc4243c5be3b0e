"""The vector files of the sandbox: shapes that follow from the prompt, with the request written on them."""

from __future__ import annotations

import hashlib
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gpt_image_mcp.openai_api.sandbox.drawing import Drawing

AUTHOR = "gpt-6-luna"
_SHAPES = 6
_LONGEST_PROMPT = 60


def draw_vector(drawing: Drawing) -> bytes:
    """The SVG of a picture; the same values give the same bytes. Only an opaque one has a background."""
    width, height = drawing.width, drawing.height
    numbers = hashlib.sha256(drawing.prompt.encode("utf-8", "surrogatepass")).digest()
    unit = min(width, height)
    shapes = [
        f'<circle cx="{x * width // 255}" cy="{y * height // 255}" r="{(z + 64) * unit // 1600}" '
        f'fill="hsl({x * 360 // 256} 70% 55%)"/>'
        for x, y, z in zip(*[iter(numbers[: 3 * _SHAPES])] * 3, strict=True)
    ]
    ground = [] if drawing.transparent else [f'<rect width="{width}" height="{height}" fill="#ffffff"/>']
    words = drawing.prompt[:_LONGEST_PROMPT]
    lines = ("SANDBOX - not a real image", words, f"{drawing.model}, {width}x{height}")
    step = unit // 20
    text = [
        f'<text x="{step}" y="{height - step * (len(lines) - number)}" font-size="{step * 2 // 3}" '
        f'font-family="sans-serif">{escape(line)}</text>'
        for number, line in enumerate(lines)
    ]
    root = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"'
    return "\n".join([f'{root} viewBox="0 0 {width} {height}">', *ground, *shapes, *text, "</svg>"]).encode()


def author_usage(drawing: Drawing, data: bytes) -> dict[str, object]:
    """The tokens of the model that wrote it, as the API would report them."""
    read, written = len(drawing.prompt) // 4 + 800, len(data) // 3
    return {
        "model": AUTHOR,
        "input_tokens": read,
        "output_tokens": written,
        "reasoning_tokens": 0,
        "total_tokens": read + written,
    }
