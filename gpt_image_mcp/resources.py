"""Resources: images by their address."""

from __future__ import annotations

from fastmcp import Context
from fastmcp.dependencies import CurrentContext
from fastmcp.exceptions import ResourceError
from fastmcp.resources import ResourceContent, ResourceResult

from gpt_image_mcp.application import resource, studio_of
from gpt_image_mcp.errors import ImageError


@resource("gpt-image://images/{image_id}", mime_type="application/octet-stream")
async def image_file(image_id: str, context: Context = CurrentContext()) -> ResourceResult:
    """The file of an image, by its id."""
    studio = studio_of(context)
    try:
        image = await studio.find(image_id)
        data = await studio.read(image)
    except ImageError as error:
        raise ResourceError(str(error)) from error
    return ResourceResult([ResourceContent(data, mime_type=image.mime_type)])
