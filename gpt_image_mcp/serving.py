"""Running the server on a transport."""

from __future__ import annotations

import gc
import sys

from gpt_image_mcp.errors import InvalidSetting
from gpt_image_mcp.settings import read_settings

EXIT_USAGE = 2
_OBJECTS_BETWEEN_COLLECTIONS = 20_000


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

    gc.enable()
    gc.freeze()
    # The SDK and the database layer come with the first call and stay too. Python would walk their objects
    # several times during each call, which takes longer than saving an image.
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    # Below WARNING, FastMCP renders a line at every start, which takes longer than it tells.
    mcp.run(transport="stdio", show_banner=False, log_level="DEBUG" if settings.debug else "WARNING")
    return 0
