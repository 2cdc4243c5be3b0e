"""The tasks extension of MCP (SEP-2663): a client that speaks it gets a task instead of waiting.

A task is one of our jobs and has the job's id. So it survives a restart, ``get_image`` collects it too, and
a client without the extension loses nothing. FastMCP has an extension of its own, but that runs tools from a
queue which needs a Redis client and may run one twice; a paid call must not be made twice.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from fastmcp.server.dependencies import get_context
from fastmcp.server.extensions import MethodBinding, ServerExtension, ToolCallContinuation, ToolCallOutcome
from fastmcp.tools import ToolResult
from fastmcp.utilities.tasks import TASKS_EXTENSION_ID
from mcp.shared.exceptions import MCPError
from mcp.types import INVALID_PARAMS, CallToolRequestParams, CallToolResult, RequestParams
from mcp_types.jsonrpc import MISSING_REQUIRED_CLIENT_CAPABILITY
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from gpt_image_mcp.errors import ImageError, NotFound, quoted
from gpt_image_mcp.mcp_app.app import as_task, mcp
from gpt_image_mcp.mcp_app.lifespan import studio_of
from gpt_image_mcp.mcp_app.tool_results import failure, present_found
from gpt_image_mcp.values.json import JsonObject

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastmcp import Context
    from mcp.server.context import ServerRequestContext

SPENDING = frozenset(
    {"generate_image", "edit_image", "batch_edit_images", "start_edit_session", "continue_edit_session"}
)
POLL_SECONDS = 2.0
KEPT_FOR = timedelta(days=30)


class _Wire(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, serialize_by_alias=True)


class _Task(_Wire):
    """What every answer about a task says of it."""

    task_id: str
    status: Literal["working", "completed"]
    created_at: str
    last_updated_at: str
    ttl_ms: int = int(KEPT_FOR / timedelta(milliseconds=1))
    poll_interval_ms: int = int(POLL_SECONDS * 1000)
    status_message: str | None = None


class TaskCreated(_Task):
    """The answer to a tool call that became a task."""

    result_type: Literal["task"] = "task"


class TaskState(_Task):
    """The state of a task, with its result when it is done; a failure is a result with ``isError``."""

    result_type: Literal["complete"] = "complete"
    result: JsonObject | None = None


class Acknowledged(_Wire):
    """The answer to a request that needs none."""

    result_type: Literal["complete"] = "complete"


class TaskParams(RequestParams):
    """The parameters of a request about one task."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="allow")

    task_id: str = Field()


class Tasks(ServerExtension):
    """Offers the jobs of calls that cost money as tasks."""

    identifier = TASKS_EXTENSION_ID

    def methods(self) -> Sequence[MethodBinding]:
        """The requests about tasks, each with its handler."""
        versions = frozenset(MODERN_PROTOCOL_VERSIONS)
        handlers = {"tasks/get": self._get, "tasks/update": self._acknowledge, "tasks/cancel": self._cancel}
        return [
            MethodBinding(method=name, params_type=TaskParams, handler=handler, protocol_versions=versions)
            for name, handler in handlers.items()
        ]

    async def intercept_tool_call(
        self, params: CallToolRequestParams, context: Context, call_next: ToolCallContinuation
    ) -> ToolCallOutcome:
        """Answers with a task if the client knows tasks and the call is not done at once."""
        if params.name not in SPENDING or not _speaks_tasks(context):
            return await call_next()
        with as_task():
            outcome = await call_next()
        structured = outcome.structured_content if isinstance(outcome, ToolResult) else None
        job_id = (structured or {}).get("job_id")
        if not job_id:
            return outcome
        return TaskCreated(
            task_id=job_id, status="working", created_at=_started(job_id), last_updated_at=_now()
        )

    async def _get(self, request: ServerRequestContext[Any, Any], params: TaskParams) -> TaskState:
        self._require_tasks(request)
        result = await _result_of(_job_id(params), get_context())
        structured = result.structured_content or {}
        state = TaskState(
            task_id=params.task_id,
            status="completed",
            created_at=_started(params.task_id),
            last_updated_at=_now(),
        )
        if structured.get("status") == "running":
            message = f"not finished after {structured.get('elapsed_seconds', 0):.0f} s"
            return state.model_copy(update={"status": "working", "status_message": message})
        return state.model_copy(update={"result": _whole(result)})

    async def _cancel(self, request: ServerRequestContext[Any, Any], params: TaskParams) -> Acknowledged:
        """Stops what was not sent yet; a request that was sent finishes, and its image is kept."""
        self._require_tasks(request)
        studio_of(get_context()).abandon(_job_id(params))
        return Acknowledged()

    async def _acknowledge(
        self, request: ServerRequestContext[Any, Any], _params: TaskParams
    ) -> Acknowledged:
        """Takes a client's input for a task; ours never ask for any."""
        self._require_tasks(request)
        return Acknowledged()

    def _require_tasks(self, request: ServerRequestContext[Any, Any]) -> None:
        if self.client_settings(request) is None:
            raise MCPError(
                code=MISSING_REQUIRED_CLIENT_CAPABILITY,
                message=f"The client did not declare the extension {TASKS_EXTENSION_ID}.",
                data={"requiredCapabilities": {"extensions": {TASKS_EXTENSION_ID: {}}}},
            )


def _speaks_tasks(context: Context) -> bool:
    request = context.request_context
    is_modern = request is not None and request.protocol_version in MODERN_PROTOCOL_VERSIONS
    return is_modern and context.client_extension_settings(TASKS_EXTENSION_ID) is not None


def _job_id(params: TaskParams) -> str:
    """The job id in a request.

    Raises:
        MCPError: If the id is another, such as that of an image.
    """
    from gpt_image_mcp.references import classify

    if classify(params.task_id).kind != "job":
        message = f"{quoted(params.task_id)} is no task; pass the taskId that a tool call was answered with."
        raise MCPError(code=INVALID_PARAMS, message=message)
    return params.task_id


def _whole(result: ToolResult) -> JsonObject:
    """A result as JSON, as the answer to a plain tool call would carry it."""
    whole = CallToolResult(
        content=result.content,
        structured_content=result.structured_content,
        is_error=result.is_error,
        _meta=result.meta,
    )
    return whole.model_dump(mode="json", by_alias=True, exclude_none=True)


async def _result_of(job_id: str, context: Context) -> ToolResult:
    """The result of a job so far, as ``get_image`` would answer.

    Raises:
        MCPError: If there is no such job.
    """
    studio = studio_of(context)
    try:
        found = await studio.get(job_id, wait_seconds=0)
    except NotFound as error:
        raise MCPError(code=INVALID_PARAMS, message=error.message) from error
    except ImageError as error:
        return failure(error)
    return await present_found(found, studio)


def _started(job_id: str) -> str:
    from gpt_image_mcp.ids import started_at

    return _as_text(started_at(job_id))


def _now() -> str:
    return _as_text(datetime.now(UTC))


def _as_text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")


mcp.add_extension(Tasks())
