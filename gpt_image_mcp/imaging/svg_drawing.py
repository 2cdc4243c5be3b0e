"""Drawing SVG files, with the optional package resvg-py.

It binds resvg (https://github.com/linebender/resvg), a renderer in safe Rust that draws most of a large test
suite rightly, needs no library of the system (CairoSVG needs Cairo, which Windows and macOS lack),
runs no scripts and knows no network. resvg-py is released every few months, with wheels for Linux (glibc and
musl), macOS and Windows on Intel and ARM. It would read image files that an SVG names; the sanitised copy
names none. It lets no other thread run meanwhile, and takes whatever time and memory a filter asks for: so it
draws in a process of its own, which is bounded and can be ended.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

from gpt_image_mcp.imaging.svg import LARGEST_EDGE, is_svg, measure, sanitise, scaled_to
from gpt_image_mcp.memory import BYTES_PER_PIXEL, MEMORY
from gpt_image_mcp.pillow_errors import DamagedImage, DrawingUnavailable, Oversized

INSTALL = "Install gpt-image-mcp-server[svg], which brings the library that draws SVG files."
_CHILD = Path(__file__).with_name("svg_child.py")
_MOST_SECONDS = 10
# Of the process itself, with the fonts that it maps.
_OWN_BYTES = 512_000_000
_NO_WINDOW: int = getattr(subprocess, "CREATE_NO_WINDOW", 0)  # on Windows


def rasterised(data: bytes, longest_edge: int) -> bytes:
    """A PNG of the sanitised copy of an SVG, its longest edge so large; any other file as it is. CPU work.

    Args:
        data: A file of any kind.
        longest_edge: In pixels; more than ``LARGEST_EDGE`` is not drawn.

    Raises:
        DrawingUnavailable: If the extra ``svg`` is not installed.
        Oversized: If reading or drawing it takes too much memory or time.
        DamagedImage: If it cannot be read.
    """
    if not is_svg(data):
        return data
    width, height = own = measure(data)
    size = scaled_to(own, min(longest_edge, LARGEST_EDGE))
    # Inside another one, because whole pixels are never quite in the shape of the drawing.
    frame = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{size.width}" height="{size.height}" '
        f'viewBox="0 0 {width:.9g} {height:.9g}" preserveAspectRatio="none">'
    )
    framed = b"".join((frame.encode(), sanitise(data), b"</svg>"))
    if importlib.util.find_spec("resvg_py") is None:
        message = "an SVG can only be shown with the extra svg"
        raise DrawingUnavailable(message)
    with MEMORY.reserved(size.area * BYTES_PER_PIXEL):
        return _drawn(framed, room_bytes=_OWN_BYTES + size.area * BYTES_PER_PIXEL)


def _drawn(copy: bytes, *, room_bytes: int) -> bytes:
    """What the process draws."""
    has_text = str(int(b"<text" in copy))  # only text needs the fonts of the system, which take time to find
    command = [sys.executable, "-P", str(_CHILD), str(room_bytes), str(_MOST_SECONDS), has_text]
    try:
        done = subprocess.run(  # noqa: S603 - this interpreter, and numbers
            command,
            input=copy,
            capture_output=True,
            timeout=_MOST_SECONDS,
            check=False,
            creationflags=_NO_WINDOW,
        )
    except subprocess.TimeoutExpired as error:
        message = f"drawing it takes more than {_MOST_SECONDS} seconds"
        raise Oversized(message) from error
    except OSError as error:
        message = f"no process could be started to draw it: {error.strerror or error}"
        raise DamagedImage(message) from error
    if done.returncode < 0:
        message = "drawing it takes too much memory or time"
        raise Oversized(message)
    if done.returncode:
        message = "it cannot be drawn"
        raise DamagedImage(message)
    return done.stdout
