"""What happens around the tools: which of them are offered, other spellings of calls, errors in our words."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, cast

from fastmcp.exceptions import NotFoundError, ToolError
from fastmcp.exceptions import ValidationError as InvalidCall
from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext
from fastmcp.tools import ToolResult
from pydantic import ValidationError

from gpt_image_mcp.errors import ImageError, InternalError, InvalidArgument, NotFound
from gpt_image_mcp.mcp_app.lifespan import settings_of
from gpt_image_mcp.mcp_app.tool_results import ToolFailure, add_notes, failure
from gpt_image_mcp.settings import TOOL_GROUPS
from gpt_image_mcp.studio import Studio

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fastmcp.server.context import Context
    from fastmcp.tools import Tool
    from mcp.types import CallToolRequestParams, ListToolsRequest
    from pydantic_core import ErrorDetails

    from gpt_image_mcp.settings import ToolGroup

# Which tools each group of GPT_IMAGE_TOOLS stands for. FastMCP's tags would say it too, but they are
# published with every tool.
TOOLS_OF_GROUP: Mapping[ToolGroup, frozenset[str]] = {
    "core": frozenset(
        {"generate_image", "edit_image", "batch_edit_images", "get_image", "find_images", "estimate_cost"}
    ),
    "sessions": frozenset(
        {"start_edit_session", "continue_edit_session", "end_edit_session", "list_edit_sessions"}
    ),
    "export": frozenset({"export_image"}),
}


class ToolGroups(Middleware):
    """Offers the tools of the groups in ``GPT_IMAGE_TOOLS``; the others are neither listed nor run.

    Every schema costs tokens in every conversation, so a user who never needs a group can leave it out.
    """

    async def on_list_tools(
        self,
        context: MiddlewareContext[ListToolsRequest],
        call_next: CallNext[ListToolsRequest, Sequence[Tool]],
    ) -> Sequence[Tool]:
        """The tools of the configured groups.

        They are asked of the server's own provider. FastMCP's next step would ask the same provider, and
        look for rules of the session, of which there are none; importing the store for them would delay the
        first list after every start by 0.3 s.
        """
        server = context.fastmcp_context
        tools = await (server.fastmcp.local_provider.list_tools() if server else call_next(context))
        groups = _groups(server)
        return [tool for tool in tools if group_of(tool.name) in groups]

    async def on_call_tool(
        self,
        context: MiddlewareContext[CallToolRequestParams],
        call_next: CallNext[CallToolRequestParams, ToolResult],
    ) -> ToolResult:
        """Runs the tool, or says which setting hides it."""
        name, groups = context.message.name, _groups(context.fastmcp_context)
        group = group_of(name)
        if group is not None and group not in groups:
            message = f"{name} is not offered here: GPT_IMAGE_TOOLS is {','.join(sorted(groups))}."
            step = (
                f"Ask the user to add {group} to GPT_IMAGE_TOOLS, or to unset it, and to restart the server."
            )
            raise ToolFailure(NotFound(message, next_step=step))
        return await call_next(context)


class ToolCalls(Middleware):
    """Turns other spellings into ours, nulls into defaults, failures into results that say what to do."""

    async def on_call_tool(
        self,
        context: MiddlewareContext[CallToolRequestParams],
        call_next: CallNext[CallToolRequestParams, ToolResult],
    ) -> ToolResult:
        """Runs one tool call; see the class."""
        from gpt_image_mcp.mcp_app.aliases import translate

        call = context.message
        arguments = {name: value for name, value in (call.arguments or {}).items() if value is not None}
        try:
            meant = translate(call.name, arguments)
            call = call.model_copy(update={"name": meant.tool, "arguments": meant.arguments})
            with Studio.answering():
                outcome: Any = await call_next(context.copy(message=call))
            # An extension may answer with something else than a result, such as a task.
            result: ToolResult = outcome
            return add_notes(result, meant.notes) if isinstance(outcome, ToolResult) else result
        except InvalidArgument as error:
            return failure(error)
        except ToolFailure as problem:
            return failure(problem.error)
        except InvalidCall as problem:
            accepted = await _accepted(context.fastmcp_context, call.name)
            return failure(_bad_arguments(problem, call.name, accepted))
        except NotFoundError:
            raise
        except ToolError as problem:
            return failure(_defect(problem))


def group_of(tool_name: str) -> ToolGroup | None:
    """The group that a tool belongs to; None for one that is not ours."""
    return next((group for group, names in TOOLS_OF_GROUP.items() if tool_name in names), None)


def _groups(context: Context | None) -> frozenset[ToolGroup]:
    """The configured groups; all of them where a server is only inspected."""
    settings = settings_of(context)
    return settings.tools if settings else frozenset(TOOL_GROUPS)


async def _accepted(context: Context | None, tool_name: str) -> list[str]:
    tool = await context.fastmcp.get_tool(tool_name) if context else None
    return list(cast("dict[str, Any]", tool.parameters["properties"])) if tool else []


def _bad_arguments(problem: InvalidCall, tool_name: str, accepted: list[str]) -> ImageError:
    """All that is wrong with a call's arguments, in one message."""
    cause = problem.__cause__
    if not isinstance(cause, ValidationError):
        return InvalidArgument(str(problem), next_step=f"Correct the arguments of {tool_name}.")
    details = cause.errors(include_url=False)
    complaints = "; ".join(_complaint(detail, tool_name, accepted) for detail in details)
    return InvalidArgument(
        f"{complaints}.",
        next_step=f"Call {tool_name} again with the corrected arguments; it takes {', '.join(accepted)}.",
    )


def _complaint(detail: ErrorDetails, tool_name: str, accepted: list[str]) -> str:
    name = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "unexpected_keyword_argument":
        close = difflib.get_close_matches(name, accepted, n=1)
        meant = f" (did you mean {close[0]}?)" if close else ""
        return f"{tool_name} has no argument {name!r}{meant}"
    if detail["type"] in ("missing_argument", "missing_keyword_only_argument"):
        return f"the argument {name} is missing"
    reason = detail["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return f"{name} is {_shown(detail['input'])}, but it {reason}"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:99]}…"  # noqa: PLR2004 - enough to recognise the value


def _defect(problem: ToolError) -> ImageError:
    return InternalError(
        f"{problem}: an unexpected {type(problem.__cause__).__name__}.",
        next_step="Report it with the server's log on stderr. If an image was being made, the output folder "
        "may have it: look before you call again.",
    )
