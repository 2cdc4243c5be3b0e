"""Entry point: ``gpt-image-mcp`` and ``python -m gpt_image_mcp``.

Starting fast is a feature, because clients wait for it at every launch. Serving over stdio therefore does
not load the command line, and the garbage collector is off while modules are imported and schemas are built:
it would only walk objects that stay.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import warnings
from contextlib import suppress

_SERVE_STDIO: tuple[list[str], ...] = (
    [],
    ["serve"],
    ["serve", "--transport", "stdio"],
    ["serve", "--transport=stdio"],
)


def main() -> None:
    """Serves MCP over stdio, or runs the command that the arguments name."""
    gc.disable()
    # While modules are imported, Ctrl-C ends the process without a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if sys.platform != "win32":
        # Who started it may have blocked them while it was busy, and what it starts inherits that.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM, signal.SIGHUP))
    # What a picture lacks is told in its result, or does not matter.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    if sys.getfilesystemencoding() == "ascii":
        # The C locale with PYTHONUTF8=0, in which prompts arrive damaged and most file names cannot be used.
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])  # noqa: S606
    if sys.argv[1:] in _SERVE_STDIO:
        from gpt_image_mcp.cli.commands.serve import serve
        from gpt_image_mcp.errors import InvalidSetting
        from gpt_image_mcp.open_files import require_open_files

        with suppress(InvalidSetting):  # which the command line explains
            require_open_files()
            sys.exit(serve())
    from gpt_image_mcp.cli.app import run
    from gpt_image_mcp.signals import interrupt_on_all

    gc.enable()
    interrupt_on_all()
    sys.exit(run(sys.argv[1:] or ["serve"]))


if __name__ == "__main__":
    main()
