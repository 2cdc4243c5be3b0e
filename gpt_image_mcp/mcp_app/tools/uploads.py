"""The tool that lets a client that is elsewhere send a picture of its own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from fastmcp.dependencies import Depends
from fastmcp.tools import ToolResult

from gpt_image_mcp.errors import InvalidArgument
from gpt_image_mcp.mcp_app.app import CONVERTS, current_studio, mcp
from gpt_image_mcp.mcp_app.signed_addresses import signed_addresses
from gpt_image_mcp.mcp_app.tool_results import present_upload_link
from gpt_image_mcp.mcp_app.tools.parameters import LocalFile
from gpt_image_mcp.presentation.schemas import OUTPUT_SCHEMAS
from gpt_image_mcp.studio import Studio
from gpt_image_mcp.team.links import LINK_SECONDS


@mcp.tool(
    title="Create upload link",
    description=(
        "Get an address that takes one picture from the user's machine, which this server cannot read: call "
        "it when edit_image or another tool needs a local file. Returns upload_url, a curl line that sends "
        "the file, and the ref to pass as an image afterwards. Works once, for five minutes. Free."
    ),
    annotations=CONVERTS,
    output_schema=OUTPUT_SCHEMAS["create_upload_link"],
)
async def create_upload_link(
    *, local_file: LocalFile = "", studio: Studio = Depends(current_studio)
) -> ToolResult:
    # An object without members, which would do, is refused by OpenAI's strict mode and by Gemini's API.
    addresses = signed_addresses(studio.settings)
    if addresses is None:
        message = "Upload links are for callers over HTTP; this one is on the server's own machine."
        raise InvalidArgument(message, next_step="Pass the path of the file instead.")
    ends_at = datetime.now(UTC) + timedelta(seconds=LINK_SECONDS)
    ref = await (await studio.transfers()).begin_upload(ends_at=ends_at)
    url, max_mb = addresses.of_upload(ref), studio.settings.max_input_mb
    return present_upload_link(url, ref, file=local_file, ends_at=ends_at, max_mb=max_mb)
