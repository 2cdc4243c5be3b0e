"""Drawing SVG files, with the optional package resvg-py.

It binds resvg (https://github.com/linebender/resvg), a renderer in safe Rust that draws most of a large test
suite rightly, needs no library of the system (CairoSVG needs Cairo, which Windows and macOS lack),
runs no scripts and knows no network. resvg-py is released every few months, with wheels for Linux (glibc and
musl), macOS and Windows on Intel and ARM. It would read image files that an SVG names; the sanitised copy
names none. It lets no other thread run meanwhile, and takes whatever time and memory a filter asks for, and
reading XML can too. Both happen in a process of their own, which is bounded and can be ended.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys

from gpt_image_mcp.imaging import svg_child
from gpt_image_mcp.imaging.svg import LARGEST_EDGE, MAX_BYTES, is_svg, measure, scaled_to
from gpt_image_mcp.memory import BYTES_PER_PIXEL, MEMORY
from gpt_image_mcp.pillow_errors import DamagedImage, DrawingUnavailable, Oversized
from gpt_image_mcp.values.pixels import Pixels

INSTALL = "Install gpt-image-mcp-server[svg], which brings the library that draws SVG files."
_MOST_SECONDS, _MOST_PROCESSOR_SECONDS = 10, 5
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
    size = scaled_to(measure(data), min(longest_edge, LARGEST_EDGE))
    if importlib.util.find_spec("resvg_py") is None:
        message = "an SVG can only be shown with the extra svg"
        raise DrawingUnavailable(message)
    with MEMORY.reserved(size.area * BYTES_PER_PIXEL):
        return _made(data, size)


def sanitised(data: bytes) -> bytes:
    """The copy of an SVG that only draws. CPU work.

    Raises:
        Oversized: If reading it takes too much memory or time.
        DamagedImage: If it cannot be read, or declares entities.
    """
    return _made(data, Pixels(0, 0))


def _made(data: bytes, size: Pixels) -> bytes:
    """What the process makes of a file."""
    if len(data) > MAX_BYTES:
        message = f"it has {len(data):,} bytes; an SVG is read with at most {MAX_BYTES:,}"
        raise Oversized(message)
    numbers = (_OWN_BYTES + size.area * BYTES_PER_PIXEL, _MOST_PROCESSOR_SECONDS, *size)
    try:
        done = subprocess.run(  # noqa: S603 - this interpreter, and numbers
            [sys.executable, "-P", svg_child.__file__, *map(str, numbers)],
            input=data,
            capture_output=True,
            timeout=_MOST_SECONDS,
            check=False,
            creationflags=_NO_WINDOW,
        )
    except subprocess.TimeoutExpired as error:
        message = f"reading or drawing it takes more than {_MOST_SECONDS} seconds"
        raise Oversized(message) from error
    except OSError as error:
        message = f"no process could be started to read it: {error.strerror or error}"
        raise DamagedImage(message) from error
    if done.returncode:
        raise _refused(done.returncode, done.stderr.decode(errors="replace"))
    return done.stdout


def _refused(code: int, reason: str) -> DamagedImage:
    """What is wrong with a file that the process could not make anything of."""
    if code == svg_child.DAMAGED:
        return DamagedImage(reason)
    if code == svg_child.OVERSIZED:
        return Oversized(reason)
    return Oversized("reading or drawing it takes too much memory or time")
