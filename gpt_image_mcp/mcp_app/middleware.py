"""What happens around every tool call: forgiving names and arguments, errors in the words of the contract."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, cast

from fastmcp.exceptions import NotFoundError, ToolError
from fastmcp.exceptions import ValidationError as InvalidCall
from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext
from fastmcp.tools import ToolResult
from pydantic import ValidationError

from gpt_image_mcp.calls.acknowledgements import held_back
from gpt_image_mcp.errors import ImageError, InternalError, InvalidArgument
from gpt_image_mcp.mcp_app.tool_results import ToolFailure, add_notes, failure

if TYPE_CHECKING:
    from fastmcp.server.context import Context
    from mcp.types import CallToolRequestParams
    from pydantic_core import ErrorDetails


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
            with held_back():
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
