"""From the call that is meant to the parameters that its tool declares: which there are, and their form.

What pydantic does by itself, such as a number that is text, is left to it.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from os.path import commonprefix
from typing import TYPE_CHECKING, cast

from gpt_image_mcp.coercion import as_list
from gpt_image_mcp.errors import InvalidArgument, cut
from gpt_image_mcp.mcp_app.aliases.breadth import require_narrow, require_words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gpt_image_mcp.mcp_app.aliases.translation import Call
    from gpt_image_mcp.values.json import JsonObject

_MOST_UNKNOWN = 20  # more are no slip of the pen
# What stands for an argument that was left out; clients fill forms and templates with it.
_LEFT_OUT: tuple[object, ...] = ("", "null", "undefined", [], {})


def bind(call: Call, parameters: Mapping[str, JsonObject]) -> Call:
    """The call with declared arguments only; its notes name the others.

    Args:
        call: In our spelling.
        parameters: The schema of each parameter that the tool declares.

    Raises:
        InvalidArgument: If the name of an argument is nearly one that is declared, or a list sent as text
            has too many entries.
    """
    given = {
        name: value
        for name, value in call.arguments.items()
        if not _is_left_out(value) or (name in parameters and "default" not in parameters[name])
    }
    unknown = {name: cut(call.spellings.get(name, name)) for name in given if name not in parameters}
    for name, real in product(list(unknown)[:_MOST_UNKNOWN], parameters):
        if _is_near(name, real, edits=min(2, (len(real) + 1) // 4)):
            message = f"{call.tool} has no argument {unknown[name]!r} (did you mean {real}?)."
            step = f"Call {call.tool} again with the corrected arguments; it takes {', '.join(parameters)}."
            raise InvalidArgument(message, next_step=step)
    named = list(unknown.values())[:_MOST_UNKNOWN]
    notes = [f"{said} was ignored: {call.tool} has no such argument." for said in named]
    if more := len(unknown) - len(named):
        notes.append(f"{more:,} more arguments were ignored.")
    bound = {name: _in_form(value, parameters[name]) for name, value in given.items() if name in parameters}
    require_narrow(bound)
    require_words(bound)
    return replace(call, arguments=bound, notes=(*call.notes, *notes))


def _is_left_out(value: object) -> bool:
    return (value.strip().lower() if isinstance(value, str) else value) in _LEFT_OUT


def _is_near(one: str, other: str, *, edits: int) -> bool:
    """Whether so few letters changed, added, dropped or swapped with their neighbour make one the other."""
    if abs(len(one) - len(other)) > edits:
        return False
    shared = len(commonprefix([one, other]))  # noqa: RUF071 - they are names, not paths
    one, other = one[shared:], other[shared:]
    if not one or not other:
        return len(one) + len(other) <= edits
    swap = [(2, 2)] if one[:2] == other[1::-1] else []
    steps = [(1, 0), (0, 1), (1, 1), *swap]
    return edits > 0 and any(_is_near(one[a:], other[b:], edits=edits - 1) for a, b in steps)


def _in_form(value: object, declared: JsonObject) -> object:
    """A value in the form that is declared, where only the form differs."""
    if declared["type"] == "array":
        return as_list(value)
    listed: list[object] = cast("list[object]", value) if isinstance(value, list) else [value]
    if len(listed) != 1:
        return listed
    if declared["type"] == "string" and type(listed[0]) in {int, float}:
        return str(listed[0])
    word = str(listed[0]).strip().lower().replace(" ", "_").replace("-", "_")
    return word if word in declared.get("enum", ()) else listed[0]
