"""The command that serves MCP."""

from __future__ import annotations

from importlib import import_module
from typing import Literal

from pydantic import ValidationError

from gpt_image_mcp.environment import refused, telemetry_understood
from gpt_image_mcp.errors import InvalidSetting
from gpt_image_mcp.mcp_app.standard_streams import protocol_streams, unwaited_stderr
from gpt_image_mcp.settings import read_settings

DEFAULT_HOST, DEFAULT_PORT, DEFAULT_PATH = "127.0.0.1", 8000, "/mcp"


def serve(
    *,
    transport: Literal["stdio", "http"] = "stdio",
    host: str = DEFAULT_HOST,
    port: int = DEFAULT_PORT,
    path: str = DEFAULT_PATH,
) -> int:
    """Serve MCP to a client.

    Args:
        transport: stdio for a client that starts the server itself, http (Streamable HTTP) for several.
        host: Where to listen, for http: an address that no other machine can reach, unless people sign in.
        port: Where to listen, for http; 0 picks a free one.
        path: The path of MCP, for http; /health is beside it.
    """
    settings = read_settings()  # before FastMCP is imported, which without a home fails
    if settings.budgets_file is not None:
        from gpt_image_mcp.library.budgets import Budgets

        Budgets(settings)  # refuses models that nobody knows, before anybody is served
    if transport == "http":
        with unwaited_stderr():
            _load_libraries()
            from gpt_image_mcp.mcp_app.http import serve_http
            from gpt_image_mcp.server import mcp

            return serve_http(mcp, host=host, port=port, path=path)
    if (host, port, path) != (DEFAULT_HOST, DEFAULT_PORT, DEFAULT_PATH):
        message = "--host, --port and --path are for --transport http."
        raise InvalidSetting(message, next_step="Add --transport http, or leave them out.")
    with protocol_streams() as streams:
        _load_libraries()
        from gpt_image_mcp.mcp_app.serve import serve_stdio
        from gpt_image_mcp.server import mcp

        return serve_stdio(mcp, streams)


def _load_libraries() -> None:
    """Imports FastMCP and OpenTelemetry, which read variables of their own then.

    Raises:
        InvalidSetting: If they cannot use one.
    """
    with telemetry_understood():
        try:
            import_module("gpt_image_mcp.server")
        except ValidationError as error:
            faults = {f"FASTMCP_{fault['loc'][0]}".upper(): fault["msg"] for fault in error.errors()}
            raise refused(faults) from error
