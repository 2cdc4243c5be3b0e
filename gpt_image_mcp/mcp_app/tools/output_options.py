"""A decorator that makes the fields of ``OutputOptions`` parameters of a tool."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import fields
from functools import wraps
from inspect import Parameter
from typing import Annotated, Any, TypeAlias, get_args, get_origin, get_type_hints

from fastmcp.tools import ToolResult
from pydantic import Field

from gpt_image_mcp.mcp_app.published import WORDS
from gpt_image_mcp.values.options import OutputOptions

_Tool: TypeAlias = Callable[..., Awaitable[ToolResult]]
_PLACEHOLDER = "output"
_TYPES = get_type_hints(OutputOptions, include_extras=True)
# What the catalogue says, which the class does not know.
_WORDS = {"model": f"Empty = configured; newest: {WORDS.newest_models}."}
# What only tools have that make animations and vector files.
ANIMATION = ("frame_count", "frame_duration_ms")
STILLS_ONLY = ("complexity", *ANIMATION)
# For the tools that people try first.
MAY_BE_SANDBOX = {"model": f'{_WORDS["model"][:-1]}; "sandbox" = free fake.'}


def output_options(
    *,
    words: Mapping[str, Any] | None = None,
    without: Collection[str] = (),
    before: Mapping[str, str] | None = None,
) -> Callable[[_Tool], _Tool]:
    """Publishes the fields of ``OutputOptions`` in place of a tool's parameter ``output``.

    The tool itself gets one ``OutputOptions``. Goes directly below ``@mcp.tool``.

    Args:
        words: Descriptions of fields that mean something else in this tool, or their whole types, by their
            names.
        without: Fields that this tool does not have.
        before: Parameters of the tool itself that stand among the fields: the name of the field that
            follows, with the name of the parameter.
    """
    published = _parameters({**_WORDS, **(words or {})}, without=without)

    def publish(function: _Tool) -> _Tool:
        parameters = _expanded(function, published, before or {})

        @wraps(function)
        async def tool(**arguments: Any) -> ToolResult:
            given = {field.name: arguments.pop(field.name) for field in published if field.name in arguments}
            return await function(**arguments, output=OutputOptions(**given))

        # What FastMCP reads: the one for defaults and order, the other for types.
        tool.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        tool.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return tool

    return publish


def _expanded(function: _Tool, published: Iterable[Parameter], before: Mapping[str, str]) -> list[Parameter]:
    """The parameters of a tool with the published fields in place of ``output``."""
    own = dict(inspect.signature(function, eval_str=True).parameters)
    inserted = {field: own.pop(name) for field, name in before.items()}
    expanded: list[Parameter] = []
    for name, parameter in own.items():
        if name != _PLACEHOLDER:
            expanded.append(parameter)
            continue
        for field in published:
            expanded.extend([inserted[field.name], field] if field.name in inserted else [field])
    return expanded


def _parameters(words: Mapping[str, Any], *, without: Collection[str]) -> list[Parameter]:
    """The fields of the class as parameters, some with other words than in the class."""
    return [
        Parameter(
            field.name,
            Parameter.KEYWORD_ONLY,
            default=field.default,
            annotation=_described(_TYPES[field.name], words.get(field.name)),
        )
        for field in fields(OutputOptions)
        if field.name not in without
    ]


def _described(annotation: Any, words: Any) -> Any:
    """An annotation with these words as its description; another in its place, or as it is without."""
    if not isinstance(words, str):
        return annotation if words is None else words
    kind, *metadata = get_args(annotation) if get_origin(annotation) is Annotated else [annotation]
    rest = [entry for entry in metadata if not getattr(entry, "description", None)]
    return Annotated[(kind, Field(description=words), *rest)]
