"""What happens around the tools: which of them are offered, other spellings of calls, errors in our words."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from fastmcp.exceptions import ToolError
from fastmcp.exceptions import ValidationError as InvalidCall
from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext
from fastmcp.tools import ToolResult
from mcp.shared.exceptions import MCPError
from mcp.types import INVALID_PARAMS
from pydantic import ValidationError

from gpt_image_mcp.errors import ImageError, InternalError, InvalidArgument, NotFound, cut, quoted
from gpt_image_mcp.mcp_app.lifespan import settings_of
from gpt_image_mcp.mcp_app.published import as_listed
from gpt_image_mcp.mcp_app.tool_results import ToolFailure, add_notes, failure
from gpt_image_mcp.setting_types import TOOL_GROUPS
from gpt_image_mcp.studio import Studio
from gpt_image_mcp.team.links import links_of
from gpt_image_mcp.threads import drop_frames

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fastmcp.server.context import Context
    from fastmcp.tools import Tool
    from mcp.types import CallToolRequestParams, ListToolsRequest
    from pydantic_core import ErrorDetails

    from gpt_image_mcp.mcp_app.aliases import Call
    from gpt_image_mcp.setting_types import ToolGroup
    from gpt_image_mcp.settings import Settings
    from gpt_image_mcp.values.json import JsonObject

# Which tools each group of GPT_IMAGE_TOOLS stands for. FastMCP's tags would say it too, but they are
# published with every tool.
TOOLS_OF_GROUP: Mapping[ToolGroup, frozenset[str]] = {
    "core": frozenset(
        {
            *("generate_image", "edit_image", "batch_edit_images", "get_image", "find_images"),
            *("delete_image", "estimate_cost"),
        }
    ),
    "sessions": frozenset(
        {"start_edit_session", "continue_edit_session", "end_edit_session", "list_edit_sessions"}
    ),
    "export": frozenset({"export_image"}),
    "remote": frozenset({"create_upload_link"}),
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
        return [as_listed(tool) for tool in tools if group_of(tool.name) in groups]

    async def on_call_tool(
        self,
        context: MiddlewareContext[CallToolRequestParams],
        call_next: CallNext[CallToolRequestParams, ToolResult],
    ) -> ToolResult:
        """Runs the tool, or says which setting hides it."""
        name, groups = context.message.name, _groups(context.fastmcp_context)
        group = group_of(name)
        if group is not None and group not in groups:
            raise ToolFailure(_not_offered(name, group, settings_of(context.fastmcp_context)))
        return await call_next(context)


class ToolCalls(Middleware):
    """Turns other spellings into ours, failures into results that say what to do."""

    async def on_call_tool(
        self,
        context: MiddlewareContext[CallToolRequestParams],
        call_next: CallNext[CallToolRequestParams, ToolResult],
    ) -> ToolResult:
        """Runs one tool call; see the class."""
        call = context.message
        try:
            meant, accepted = await _meant(call, context.fastmcp_context)
        except InvalidArgument as error:
            return failure(error)
        call = call.model_copy(update={"name": meant.tool, "arguments": meant.arguments})
        try:
            with Studio.answering():
                outcome: Any = await call_next(context.copy(message=call))
        except ToolFailure as problem:
            drop_frames(problem)
            return failure(problem.error)
        except InvalidCall as problem:
            return failure(_bad_arguments(problem, meant, accepted))
        except ToolError as problem:
            return failure(_defect(problem))
        # An extension may answer with something else than a result, such as a task.
        result: ToolResult = outcome
        return add_notes(result, meant.notes) if isinstance(outcome, ToolResult) else result


def group_of(tool_name: str) -> ToolGroup | None:
    """The group that a tool belongs to; None for one that is not ours."""
    return next((group for group, names in TOOLS_OF_GROUP.items() if tool_name in names), None)


def _groups(context: Context | None) -> frozenset[ToolGroup]:
    """The configured groups, but none that needs links without a link key; all where it is only inspected."""
    settings = settings_of(context)
    if settings is None:
        return frozenset(TOOL_GROUPS)
    return settings.tools if links_of(settings) else settings.tools - {"remote"}


def _not_offered(name: str, group: ToolGroup, settings: Settings | None) -> NotFound:
    """The error for a tool of a group that is not offered."""
    named = settings.tools if settings else ()
    if group in named:
        message = f"{name} is not offered here: there is no link key, or nobody signs in."
        step = "Pass an http address or a data URL. An operator turns links on with GPT_IMAGE_LINK_KEY."
        return NotFound(message, next_step=step)
    message = f"{name} is not offered here: GPT_IMAGE_TOOLS is {','.join(sorted(named))}."
    step = f"Ask the user to add {group} to GPT_IMAGE_TOOLS, or to unset it, and to restart the server."
    return NotFound(message, next_step=step)


async def _meant(params: CallToolRequestParams, context: Context | None) -> tuple[Call, list[str]]:
    """The call that is meant, with the names of what its tool takes; no such tool is an error of MCP."""
    from gpt_image_mcp.mcp_app.aliases import bind, translate

    call = translate(params.name, params.arguments or {})
    tool = await context.fastmcp.get_tool(call.tool) if context else None
    if tool is None:
        raise _unknown_tool(params.name, context)
    parameters: dict[str, JsonObject] = tool.parameters["properties"]
    return bind(call, parameters), list(parameters)


def _unknown_tool(name: str, context: Context | None) -> MCPError:
    offered = sorted(tool for group in _groups(context) for tool in TOOLS_OF_GROUP[group])
    meant = difflib.get_close_matches(name, offered) or offered
    return MCPError(code=INVALID_PARAMS, message=f"Unknown tool: {quoted(name)}. Try {', '.join(meant)}.")


def _bad_arguments(problem: InvalidCall, call: Call, accepted: Sequence[str]) -> ImageError:
    """All that is wrong with a call's arguments, in one message."""
    cause = problem.__cause__
    if not isinstance(cause, ValidationError):
        return InvalidArgument(str(problem), next_step=f"Correct the arguments of {call.tool}.")
    complaints = "; ".join(_complaint(detail) for detail in cause.errors(include_url=False))
    return InvalidArgument(
        " ".join((f"{complaints}.", *call.notes)),
        next_step=f"Call {call.tool} again with the corrected arguments; it takes {', '.join(accepted)}.",
    )


def _complaint(detail: ErrorDetails) -> str:
    name = cut(".".join(str(part) for part in detail["loc"]))
    if detail["type"] in ("missing_argument", "missing_keyword_only_argument"):
        return f"the argument {name} is missing"
    reason = detail["msg"].removeprefix("Value error, ").removeprefix("Input ")
    joint = ", but it" if reason.startswith("should") else ":"
    return f"{name} is {quoted(detail['input'])}{joint} {reason}"


def _defect(problem: ToolError) -> ImageError:
    return InternalError(
        f"{problem}: an unexpected {type(problem.__cause__).__name__}.",
        next_step="Report it with the server's log on stderr. If an image was being made, the output folder "
        "may have it: look before you call again.",
    )
