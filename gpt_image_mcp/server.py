"""The MCP server: ``mcp`` with its tools and resources. Each tool states its contract and asks the studio.

Nothing is opened and nothing in the environment is read at import; the lifespan makes the ``Studio``.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, TypeVar, cast

from fastmcp import Context, FastMCP
from fastmcp.dependencies import CurrentContext, Depends
from fastmcp.exceptions import ResourceError
from fastmcp.resources import ResourceContent, ResourceResult
from fastmcp.tools import ToolResult
from mcp.types import ToolAnnotations

from gpt_image_mcp.crops import parse_crop
from gpt_image_mcp.errors import ImageError
from gpt_image_mcp.middleware import ToolCalls
from gpt_image_mcp.parameters import (
    Background,
    Count,
    CropBox,
    Filename,
    FilenamePrefix,
    Grid,
    InputImages,
    MaxEdge,
    Model,
    Moderation,
    OutputCompression,
    OutputDir,
    OutputFormat,
    Prompt,
    Quality,
    Ref,
    Size,
    User,
    WaitSeconds,
)
from gpt_image_mcp.results import ToolFailure, present, present_estimate
from gpt_image_mcp.schemas import ESTIMATE_SCHEMA, IMAGES_SCHEMA, Schema
from gpt_image_mcp.settings import read_settings
from gpt_image_mcp.studio import Studio

INSTRUCTIONS = """\
Makes images with OpenAI's gpt-image models and saves them to disk. generate_image costs money and takes \
seconds to minutes: if it returns a job_id, call get_image with it and never repeat the call. Draft with \
quality low, finish with high. estimate_cost is free. Results carry a small preview, the file path and \
the id; show the user the path. An error text ends with what to do next."""

_Tool = TypeVar("_Tool", bound=Callable[..., Awaitable[ToolResult]])
_Resource = TypeVar("_Resource", bound=Callable[..., Awaitable[ResourceResult]])

if TYPE_CHECKING:
    from gpt_image_mcp.progress import Progress, ProgressWatcher

READS = ToolAnnotations(
    read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
)
SPENDS = ToolAnnotations(
    read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=True
)


@asynccontextmanager
async def lifespan(_server: FastMCP) -> AsyncGenerator[dict[str, Studio]]:
    """Opens the studio for as long as the server runs."""
    async with Studio(read_settings()) as studio:
        yield {"studio": studio}


@asynccontextmanager
async def current_studio(context: Context = CurrentContext()) -> AsyncGenerator[Studio]:
    """The studio, for tools; an error raised by one leaves through here and is made ready for FastMCP."""
    try:
        yield _studio(context)
    except ImageError as error:
        raise ToolFailure(error) from error


mcp = FastMCP(
    "gpt-image-mcp",
    instructions=INSTRUCTIONS,
    version=version("gpt-image-mcp-server"),
    lifespan=lifespan,
    middleware=[ToolCalls()],
    mask_error_details=True,
)


@contextmanager
def _docstring_aside(function: Callable[..., Any]) -> Generator[str]:
    """Hides a docstring from FastMCP while it registers the function; gives its text.

    FastMCP would load a docstring parser, which costs more start-up time than all our tools.
    """
    docstring = function.__doc__
    function.__doc__ = None
    yield inspect.cleandoc(docstring or "")
    function.__doc__ = docstring


def _tool(title: str, *, annotations: ToolAnnotations, output_schema: Schema) -> Callable[[_Tool], _Tool]:
    """Registers a tool; its docstring is its description."""

    def register(function: _Tool) -> _Tool:
        with _docstring_aside(function) as description:
            tool = mcp.tool(
                title=title, description=description, annotations=annotations, output_schema=output_schema
            )
            tool(function)
        return function

    return register


def _resource(uri: str, *, mime_type: str) -> Callable[[_Resource], _Resource]:
    """Registers a resource; its docstring is its description."""

    def register(function: _Resource) -> _Resource:
        with _docstring_aside(function) as description:
            mcp.resource(uri, description=description, mime_type=mime_type)(function)
        return function

    return register


@_tool("Generate image", annotations=SPENDS, output_schema=IMAGES_SCHEMA)
async def generate_image(
    prompt: Prompt,
    model: Model = "",
    size: Size = "auto",
    quality: Quality = "auto",
    n: Count = 1,
    background: Background = "auto",
    output_format: OutputFormat = "png",
    output_compression: OutputCompression = 100,
    moderation: Moderation = "auto",
    output_dir: OutputDir = "",
    filename_prefix: FilenamePrefix = "",
    filename: Filename = "",
    user: User = "",
    wait_seconds: WaitSeconds = -1,
    context: Context = CurrentContext(),
    studio: Studio = Depends(current_studio),
) -> ToolResult:
    """Make new images from a text prompt with OpenAI's gpt-image models.

    Costs money (about $0.006 to $0.40 an image; estimate_cost tells) and takes 5 s to 2 min. Saves the files
    and returns their paths, ids, pixel sizes and cost with a small preview. If it takes long it returns a
    job_id: collect that with get_image and do not call this again.
    """
    result = await studio.generate(
        prompt,
        moderation=moderation,
        wait_seconds=_patience(wait_seconds, studio),
        watch=_watcher(context),
        model=model,
        size=size,
        quality=quality,
        n=n,
        background=background,
        output_format=output_format,
        output_compression=output_compression,
        output_dir=output_dir,
        filename_prefix=filename_prefix,
        filename=filename,
        user=user,
    )
    return await present(result, studio)


@_tool("Get image", annotations=READS, output_schema=IMAGES_SCHEMA)
async def get_image(
    ref: Ref,
    max_edge: MaxEdge = 0,
    crop: CropBox = "",
    grid: Grid = False,  # noqa: FBT002 - tools are called by name
    wait_seconds: WaitSeconds = -1,
    context: Context = CurrentContext(),
    studio: Studio = Depends(current_studio),
) -> ToolResult:
    """Look at a saved image again, larger, or at a part of it, or collect the result of a job_id.

    Returns its path, prompt, pixel size and cost with a preview. Free, changes nothing.
    """
    part = parse_crop(crop)
    result = await studio.get(ref, wait_seconds=_patience(wait_seconds, studio), watch=_watcher(context))
    return await present(result, studio, max_edge=max_edge, crop=part, grid=grid)


@_tool("Estimate cost", annotations=READS, output_schema=ESTIMATE_SCHEMA)
async def estimate_cost(
    model: Model = "",
    size: Size = "auto",
    quality: Quality = "auto",
    n: Count = 1,
    output_format: OutputFormat = "png",
    input_images: InputImages = 0,
    studio: Studio = Depends(current_studio),
) -> ToolResult:
    """Quote in US dollars what generate_image, or an edit with input_images, would cost.

    Also gives the price at every quality and the budget left. Free, sends nothing.
    """
    quoted = await studio.estimate(
        model=model,
        size=size,
        quality=quality,
        n=n,
        output_format=output_format,
        input_images=input_images,
    )
    return present_estimate(quoted)


@_resource("gpt-image://images/{image_id}", mime_type="application/octet-stream")
async def image_file(image_id: str, context: Context = CurrentContext()) -> ResourceResult:
    """The file of an image, by its id."""
    studio = _studio(context)
    try:
        result = await studio.get(image_id)
        image = result.images[0]
        data = await studio.read(image)
    except ImageError as error:
        raise ResourceError(str(error)) from error
    return ResourceResult([ResourceContent(data, mime_type=image.mime_type)])


def _studio(context: Context) -> Studio:
    return cast("Studio", context.lifespan_context["studio"])


def _patience(wait_seconds: float, studio: Studio) -> float | None:
    """How long to wait before handing out a job id: the argument, else the setting; None is for ever."""
    if wait_seconds >= 0:
        return wait_seconds
    return studio.settings.wait_seconds or None


def _watcher(context: Context) -> ProgressWatcher | None:
    """Sends progress to a client that asked for it with a progress token; None for the others."""
    request = context.request_context
    if request is None or "progressToken" not in (request.meta or {}):
        return None

    async def watch(progress: Progress) -> None:
        await context.report_progress(progress.fraction, 1.0, progress.message)

    return watch
