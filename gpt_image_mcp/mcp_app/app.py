"""The MCP application: ``mcp``, which tools and resources register with, and what tools ask of a request."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from fastmcp import Context, FastMCP
from fastmcp.dependencies import CurrentContext
from mcp.types import ToolAnnotations
from mcp_types.version import is_version_at_least

from gpt_image_mcp.errors import ImageError
from gpt_image_mcp.mcp_app.access import ToolScopes
from gpt_image_mcp.mcp_app.http_answers import AnswersOnDisk
from gpt_image_mcp.mcp_app.http_middleware import LenientRequests, guards, take_large_bodies
from gpt_image_mcp.mcp_app.incoming import require_short
from gpt_image_mcp.mcp_app.lifespan import lifespan, studio_of
from gpt_image_mcp.mcp_app.listening import address_to_bind, answered_hosts, transport_options
from gpt_image_mcp.mcp_app.middleware import ToolCalls, ToolGroups
from gpt_image_mcp.mcp_app.outgoing import PROGRESS_MESSAGES_SINCE, send_what_is_known
from gpt_image_mcp.mcp_app.tool_results import ToolFailure
from gpt_image_mcp.settings import read_settings
from gpt_image_mcp.studio import Studio
from gpt_image_mcp.visible_text import visible

if TYPE_CHECKING:
    from fastmcp.server.http import StarletteWithLifespan

    from gpt_image_mcp.values.progress import Progress, ProgressWatcher

INSTRUCTIONS = """\
Makes and edits images with OpenAI's gpt-image models and saves them to disk. generate_image draws from \
words; edit_image changes or combines images; sessions refine one over several turns. These cost money and \
take seconds to minutes: if a call returns a job_id, call get_image with it and never repeat the call. Draft \
with quality low (n for variations), finish the chosen draft by editing it with high. The other tools are \
free: estimate_cost before, find_images for what was spent and made, get_image to look closer and compare, \
export_image for icons and other formats. Results carry a small preview, the file path and the id; show the \
user the path, or the download_url where there is one, and pass the id on. An error text ends with what to \
do next."""

_becomes_a_task: ContextVar[bool] = ContextVar("becomes_a_task", default=False)

# Only what differs from the defaults of the protocol, by which a tool writes, destroys, gives something else
# when called again, and reaches the world outside.
READS = ToolAnnotations(read_only_hint=True, open_world_hint=False)
SPENDS = ToolAnnotations(destructive_hint=False)
# Writes new files and nothing else; a second call writes them again, under other names.
CONVERTS = ToolAnnotations(destructive_hint=False, open_world_hint=False)
# A second call finds nothing left to delete, and says so as an error.
DELETES = ToolAnnotations(destructive_hint=True, open_world_hint=False)
ENDS = ToolAnnotations(idempotent_hint=True, open_world_hint=False)


@asynccontextmanager
async def current_studio(context: Context = CurrentContext()) -> AsyncGenerator[Studio]:
    """The studio, for tools; an error raised by one leaves through here and is made ready for FastMCP."""
    try:
        yield studio_of(context)
    except ImageError as error:
        raise ToolFailure(error) from error


class ImageServer(FastMCP):
    """FastMCP's server with guards before its web application, whoever serves it: we, or ``fastmcp run``."""

    def http_app(self, *args: Any, **options: Any) -> StarletteWithLifespan:
        """The web application; raises ``InvalidSetting`` if the environment is malformed.

        Where people sign in, requests before protocol 2026-07-28 have no sessions either, so that any replica
        may answer any of them.
        """
        settings = read_settings()
        if settings.is_served:
            from gpt_image_mcp.team.sign_in import auth_provider

            self.auth = auth_provider(settings)
            options["stateless_http"] = True
        app = super().http_app(*args, **{**options, **guards(answered_hosts(settings))})
        take_large_bodies(app)
        app.add_middleware(LenientRequests, path=app.state.path)
        app.add_middleware(AnswersOnDisk)
        return app

    async def run_http_async(self, *args: Any, **options: Any) -> None:
        """Serves it, for ``fastmcp run``; raises ``InvalidSetting`` too."""
        from gpt_image_mcp.mcp_app.http_connections import connection_options

        settings = read_settings()
        if host := options.get("host"):
            address_to_bind(host, 0, settings)
        ours = connection_options() | transport_options(settings)
        options["uvicorn_config"] = ours | (options.get("uvicorn_config") or {})
        await super().run_http_async(*args, **options)


mcp = ImageServer(
    "gpt-image-mcp",
    instructions=INSTRUCTIONS,
    version=version("gpt-image-mcp-server"),
    lifespan=lifespan,
    middleware=[ToolCalls(), ToolScopes(), ToolGroups()],
    mask_error_details=True,
    # Our schemas have no references, and looking for them takes a third of the time of tools/list.
    dereference_schemas=False,
)
# FastMCP's middleware sees each kind of result in another shape; the SDK's, for which FastMCP has no public
# name, sees what is sent. test_upstream.py fails if it changes.
_protocol = mcp._mcp_server  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
_protocol.middleware += [send_what_is_known, require_short]


@contextmanager
def as_task() -> Generator[None]:
    """Lets a call inside the block hand out its job id sooner, unless it says how long to wait."""
    token = _becomes_a_task.set(True)
    try:
        yield
    finally:
        _becomes_a_task.reset(token)


def patience(wait_seconds: float, studio: Studio) -> float:
    """How long to wait before handing out a job id: the argument, else the setting, whose 0 is for ever."""
    if wait_seconds >= 0:
        return wait_seconds
    if _becomes_a_task.get():
        return studio.settings.task_after_seconds
    return studio.settings.wait_seconds or math.inf


def watcher(context: Context) -> ProgressWatcher | None:
    """Sends progress to a client that asked for it with a progress token; None for the others."""
    request = context.request_context
    if request is None or "progressToken" not in (request.meta or {}):
        return None
    has_messages = is_version_at_least(request.protocol_version, PROGRESS_MESSAGES_SINCE)

    async def watch(progress: Progress) -> None:
        message = visible(progress.message) if has_messages else None
        await context.report_progress(progress.fraction, 1.0, message)

    return watch
