"""The process that draws an SVG, from standard input to a PNG on standard output; it imports none of ours."""

import sys
from typing import Any

# The library takes Arial and Times for the general names, which few Linux machines have, and leaves text out
# where it has no font. What is not found becomes serif.
_ON_LINUX: Any = {
    "serif_family": "DejaVu Serif",
    "sans_serif_family": "DejaVu Sans",
    "monospace_family": "DejaVu Sans Mono",
}


def main() -> None:
    """Draws within the bytes and the seconds that are given, with the fonts of the system if wanted."""
    room_bytes, seconds, has_text = map(int, sys.argv[1:])
    if sys.platform != "win32":
        import resource

        # Also where the one that started it is gone, it ends.
        for kind, most in (("AS", room_bytes), ("CPU", seconds), ("CORE", 0)):
            resource.setrlimit(getattr(resource, f"RLIMIT_{kind}"), (most, most))
    import resvg_py

    svg = sys.stdin.buffer.read().decode()
    families = _ON_LINUX if sys.platform == "linux" else {}
    made = resvg_py.svg_to_bytes(svg_string=svg, skip_system_fonts=not has_text, **families)
    sys.stdout.buffer.write(made)


if __name__ == "__main__":
    main()
