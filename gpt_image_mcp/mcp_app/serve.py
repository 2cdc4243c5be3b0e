"""Running the server over stdio."""

from __future__ import annotations

import gc
import sys

from gpt_image_mcp.errors import InvalidSetting
from gpt_image_mcp.settings import read_settings

EXIT_USAGE = 2
_OBJECTS_BETWEEN_COLLECTIONS = 20_000
# A walk over everything takes 70 ms, during which no client is answered.
_COLLECTIONS_BETWEEN_LARGER_ONES = (10, 100)
_LONGEST_TURN_SECONDS = 0.001


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
