"""The tables of the command line, from the commands themselves."""

from __future__ import annotations

from inspect import Parameter
from typing import TYPE_CHECKING

from gpt_image_mcp.cli.app import app
from tests.docs.pages import cell, table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cyclopts import App
    from cyclopts.argument import Argument

_SHARED = "options"
_HEAD = ["argument", "default", "meaning"]
# What people look for first; the others follow as the help lists them.
_FIRST = ("generate", "edit", "batch", "estimate", "models", "history", "gallery")


def commands_reference() -> str:
    """Every command with its arguments."""
    listed = sorted(commands(), key=lambda named: _place(named[0][0]))
    described = [_command(" ".join(names), command) for names, command in listed]
    return "\n" + "\n".join([*described, _shared_options()])


def commands() -> Iterator[tuple[tuple[str, ...], App]]:
    """Every command with its name; a command's own commands follow it."""
    yield from _below((), app)


def option_names(command: App) -> list[str]:
    """The names that a command's options and arguments go by."""
    return [name for argument in _arguments(command) for name in _names(argument)]


def _place(name: str) -> int:
    return _FIRST.index(name) if name in _FIRST else len(_FIRST)


def _below(names: tuple[str, ...], parent: App) -> Iterator[tuple[tuple[str, ...], App]]:
    for name in parent:
        if not name.startswith("-"):
            yield (*names, name), parent[name]
            yield from _below((*names, name), parent[name])


def _command(name: str, command: App) -> str:
    own = [argument for argument in _arguments(command) if not _is_shared(argument)]
    has_shared = len(own) < len(_arguments(command))
    words = " ".join(command.help.partition("Args:")[0].split())
    more = "\nAlso the [output options](#output-options).\n" if has_shared else ""
    body = "\n" + table(_HEAD, [_row(argument) for argument in own]) if own else ""
    return f"## `{name}`\n\n{words}\n{body}{more}"


def _shared_options() -> str:
    shared = [argument for argument in _arguments(app["generate"]) if _is_shared(argument)]
    return "## Output options\n\n" + table(_HEAD, [_row(argument) for argument in shared])


def _arguments(command: App) -> list[Argument]:
    if command.default_command is None:
        return []
    return [
        argument for argument in command.assemble_argument_collection(parse_docstring=True) if argument.show
    ]


def _is_shared(argument: Argument) -> bool:
    """Whether it is one of the options that several commands share."""
    return argument.field_info.name != _SHARED and bool(argument.keys)


def _row(argument: Argument) -> list[str]:
    names = ", ".join(f"`{name}`" for name in _names(argument))
    return [names, _default(argument), cell(_words(argument))]


def _names(argument: Argument) -> list[str]:
    if argument.index is not None:
        return [argument.names[0].strip("-").upper()]
    return list(argument.names)


def _default(argument: Argument) -> str:
    if argument.required:
        return "required"
    value = argument.field_info.default
    if value in (None, "", (), Parameter.empty):
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"`{value}`"


def _words(argument: Argument) -> str:
    words = argument.parameter.help
    assert words, f"{argument.name} has no description in its command's docstring"
    choices = argument.get_choices() or ()
    listed = ", ".join(f"`{choice}`" for choice in choices)
    return f"{words} One of {listed}." if choices else words
