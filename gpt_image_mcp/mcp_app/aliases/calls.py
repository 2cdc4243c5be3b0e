"""From a call as it came to the call that is meant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gpt_image_mcp.mcp_app.aliases.drafts import Draft, apply, snake_case
from gpt_image_mcp.mcp_app.aliases.tables import ARGUMENTS, TOOLS

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call in our spelling.

    Attributes:
        notes: What the caller should know about the differences, a sentence each.
    """

    tool: str
    arguments: dict[str, object]
    notes: tuple[str, ...] = ()


def translate(tool: str, arguments: Mapping[str, object]) -> Call:
    """The call that is meant. A tool that is not known stays as it is, with its arguments.

    Raises:
        InvalidArgument: If two spellings of one argument contradict each other, or an argument could have
            no effect; says what to write instead.
    """
    tool = TOOLS.get(tool, tool)
    rules = ARGUMENTS.get(tool)
    if rules is None:
        return Call(tool, dict(arguments))
    draft = Draft(tool)
    others: dict[str, list[tuple[str, object]]] = {}
    for said, value in arguments.items():
        name = snake_case(said)
        if name in rules:
            others.setdefault(name, []).append((said, value))
        else:
            draft.put(name, value, said=said)
    apply(rules, others, draft)
    return Call(tool, draft.finished(), tuple(draft.notes))
