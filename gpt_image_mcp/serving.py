"""Running the server over stdio."""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import sys
import threading

from gpt_image_mcp.errors import InvalidSetting
from gpt_image_mcp.settings import read_settings

EXIT_USAGE = 2
_OBJECTS_BETWEEN_COLLECTIONS = 20_000
# A walk over everything takes 70 ms, during which no client is answered.
_COLLECTIONS_BETWEEN_LARGER_ONES = (10, 100)
_LONGEST_TURN_SECONDS = 0.001
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_STDIN = 0
_PIECE_BYTES = 65536


def serve_stdio() -> int:
    """Serves MCP over stdin and stdout until stdin closes; returns the exit code.

    Malformed settings stop the start with a message on stderr. stdout belongs to the protocol.
    """
    try:
        settings = read_settings()
    except InvalidSetting as error:
        print(error, file=sys.stderr)  # noqa: T201 - the one message a client's log should show
        return EXIT_USAGE
    from gpt_image_mcp.server import mcp

    keep_what_is_loaded()
    _end_input_on_signals()
    # Below WARNING, FastMCP renders a line at every start, which takes longer than it tells.
    mcp.run(transport="stdio", show_banner=False, log_level="DEBUG" if settings.debug else "WARNING")
    return 0


def keep_what_is_loaded() -> None:
    """Takes the load off the garbage collector once everything that stays is imported."""
    gc.enable()
    gc.freeze()
    # The SDK and the database layer come with the first call and stay too. Python would walk their objects
    # several times during each call, which takes longer than saving an image.
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS, *_COLLECTIONS_BETWEEN_LARGER_ONES)
    # Worker threads save and preview images; the loop, which answers clients, must not wait long for them.
    sys.setswitchinterval(_LONGEST_TURN_SECONDS)


def _end_input_on_signals() -> None:
    """Makes SIGTERM and SIGINT the end of stdin, after which requests that were sent still finish.

    The SDK reads stdin in a thread that only input or its end can wake, so a signal by itself would stop the
    server at once, or never. stdin therefore comes through a pipe whose end is ours. A second signal stops
    the server at once. Windows has no such signals for processes without a console.
    """
    if sys.platform == "win32":
        return
    source, (served, relay), (alarm, ring) = os.dup(_STDIN), os.pipe(), os.pipe()
    os.dup2(served, _STDIN)
    os.close(served)

    def stop(number: int, _frame: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        os.write(ring, b"!")

    for number in _SIGNALS:
        signal.signal(number, stop)
    threading.Thread(target=_pass_on, args=(source, relay, alarm), daemon=True).start()


def _pass_on(source: int, relay: int, alarm: int) -> None:
    """Copies from one file descriptor to another until the input ends or the alarm rings."""
    with contextlib.suppress(OSError), open(relay, "wb", buffering=0) as passed_on:
        while alarm not in select.select([source, alarm], [], [])[0]:
            piece = memoryview(os.read(source, _PIECE_BYTES))
            if not piece:
                return
            while piece:
                piece = piece[passed_on.write(piece) :]
