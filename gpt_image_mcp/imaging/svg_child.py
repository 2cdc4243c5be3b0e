"""The process that reads and draws an SVG, from standard input to standard output.

It is bounded, because a small file can take any time and memory, to be read as well as to be drawn.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

# How it ends where a file cannot be had; the reason stands on standard error.
DAMAGED, OVERSIZED = 3, 4
_KILL, _WHEN_PARENT_DIES = 9, 1
# The library takes Arial and Times for the general names, which few Linux machines have, and leaves text out
# where it has no font. What is not found becomes serif.
_ON_LINUX: Any = {
    "serif_family": "DejaVu Serif",
    "sans_serif_family": "DejaVu Sans",
    "monospace_family": "DejaVu Sans Mono",
}


def main() -> None:
    """Writes a PNG of a size, or for 0x0 the sanitised copy, within the bytes and seconds that are given."""
    room_bytes, seconds, width, height = map(int, sys.argv[1:])
    _bound(room_bytes, seconds)
    sys.path.append(str(Path(__file__).parents[2]))
    from gpt_image_mcp.imaging.svg import measure, sanitise
    from gpt_image_mcp.pillow_errors import DamagedImage, Oversized

    data = sys.stdin.buffer.read()
    try:
        copy = sanitise(data)
        made = _drawn(copy, measure(data), (width, height)) if width else copy
    except Oversized as error:
        _end(OVERSIZED, str(error))
    except DamagedImage as error:
        _end(DAMAGED, str(error))
    except ValueError:
        _end(DAMAGED, "it cannot be drawn")
    else:
        sys.stdout.buffer.write(made)


def _bound(room_bytes: int, seconds: int) -> None:
    """Lets this process take no more, and on Linux not outlive the one that started it."""
    if sys.platform == "win32":
        return
    import resource

    for kind, most in (("AS", room_bytes), ("CPU", seconds), ("CORE", 0)):
        resource.setrlimit(getattr(resource, f"RLIMIT_{kind}"), (most, most))
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_WHEN_PARENT_DIES, _KILL)


def _drawn(copy: bytes, own: tuple[float, float], size: tuple[int, int]) -> bytes:
    """The PNG of a sanitised copy that has a size of its own."""
    import resvg_py

    # Inside another one, because whole pixels are never quite in the shape of the drawing.
    frame = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{size[0]}" height="{size[1]}" '
        f'viewBox="0 0 {own[0]:.9g} {own[1]:.9g}" preserveAspectRatio="none">'
    )
    framed = f"{frame}{copy.decode()}</svg>"
    families = _ON_LINUX if sys.platform == "linux" else {}
    # Only text needs the fonts of the system, which take time to find.
    return resvg_py.svg_to_bytes(svg_string=framed, skip_system_fonts="<text" not in framed, **families)


def _end(code: int, reason: str) -> None:
    sys.stderr.write(reason)
    sys.exit(code)


if __name__ == "__main__":
    main()
