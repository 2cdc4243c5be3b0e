"""The command line: which commands there are, and how a failure becomes an exit code."""

from __future__ import annotations

import os
import re
import shlex
from contextlib import suppress
from importlib.metadata import version
from inspect import iscoroutine
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from cyclopts import App, CoercionError, CycloptsError, Parameter

from gpt_image_mcp.cli.commands.audit import audit
from gpt_image_mcp.cli.commands.batch import batch
from gpt_image_mcp.cli.commands.compare import compare
from gpt_image_mcp.cli.commands.config import config
from gpt_image_mcp.cli.commands.delete import delete
from gpt_image_mcp.cli.commands.demo import demo
from gpt_image_mcp.cli.commands.doctor import doctor
from gpt_image_mcp.cli.commands.estimate import estimate
from gpt_image_mcp.cli.commands.export import export
from gpt_image_mcp.cli.commands.gallery import gallery
from gpt_image_mcp.cli.commands.history import history
from gpt_image_mcp.cli.commands.images import edit, generate
from gpt_image_mcp.cli.commands.models import models
from gpt_image_mcp.cli.commands.serve import serve
from gpt_image_mcp.cli.commands.token import token
from gpt_image_mcp.cli.console import Console
from gpt_image_mcp.coercion import whole_characters
from gpt_image_mcp.environment import secrets
from gpt_image_mcp.errors import ImageError, InvalidSetting, quoted
from gpt_image_mcp.open_files import require_open_files
from gpt_image_mcp.settings import read_settings
from gpt_image_mcp.signals import leave_interrupted, run_until_told
from gpt_image_mcp.visible_text import log_visibly

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cyclopts import ArgumentCollection

EXIT_DONE, EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED = 0, 1, 2, 130
_HELP = (
    "gpt-image-mcp --help lists the commands and their arguments. A text of several words needs quotes, one "
    "that begins with a dash goes behind all options and --."
)
_WORD = re.compile(r"[^\W_]{1,40}[,;!]?")


def _require_whole_numbers(_app: App, _commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
    """Refuses fractions where a whole number is asked for: Cyclopts would round them, 0.4 days to none.

    Raises:
        CoercionError: With the option and the value.
    """
    for argument in arguments:
        for given in argument.tokens if argument.hint is int else ():
            with suppress(ValueError):  # no number, which Cyclopts says itself
                if not float(given.value).is_integer():
                    message = f"{argument.name} is {given.value}, which is no whole number."
                    raise CoercionError(msg=message)


app = App(
    name="gpt-image-mcp",
    help="OpenAI's gpt-image models as an MCP server and on the command line. Without a command it serves "
    "MCP over stdio.",
    help_format="plaintext",
    version=version("gpt-image-mcp-server"),
    config=(_require_whole_numbers,),
    default_parameter=Parameter(json_list=False),  # a folder may be called [2026]
)
for command in (
    generate,
    edit,
    batch,
    estimate,
    models,
    history,
    compare,
    export,
    delete,
    gallery,
    config,
    doctor,
    demo,
    serve,
    token,
    audit,
):
    app.command(command)


def run(arguments: Sequence[str]) -> int:
    """Runs one command line and returns its exit code."""
    log_visibly(secrets())
    console = Console()
    try:
        require_open_files()
        _require_unicode(arguments)
        _require_quotes(arguments)
        command, given, _ = app.parse_args(
            list(arguments), console=console.of_help, exit_on_error=False, print_error=False
        )
        return int(_result_of(command(*given.args, **given.kwargs)) or EXIT_DONE)
    except CycloptsError as error:
        console.say_error(str(error), f"Next: {_HELP}")
        return EXIT_USAGE
    except InvalidSetting as error:
        console.say_error(str(error))
        return EXIT_USAGE
    except ImageError as error:
        console.say_error(str(error))
        return EXIT_FAILED
    except KeyboardInterrupt:
        leave_interrupted(EXIT_INTERRUPTED)
        console.say_error("Interrupted. A request that was already sent may still be billed.")
        return EXIT_INTERRUPTED


def _result_of(work: Any) -> Any:
    """What a command returns; one with a loop is run for it."""
    if not iscoroutine(work):
        return work
    grace_seconds = 0.0
    with suppress(InvalidSetting):  # with which nothing is sent
        grace_seconds = read_settings().shutdown_grace_seconds
    return run_until_told(work, grace_seconds=grace_seconds, exit_code=EXIT_INTERRUPTED)


def _require_unicode(arguments: Sequence[str]) -> None:
    """Refuses bytes that are no text: no prompt, name or path with them can be sent or kept.

    Raises:
        InvalidSetting: With the argument.
    """
    for argument in arguments:
        if whole_characters(argument) != argument:
            message = f"The argument {quoted(argument)} is not valid in UTF-8."
            raise InvalidSetting(message, next_step="Type it anew, or rename the file that it names.")


def _require_quotes(arguments: Sequence[str]) -> None:
    """Refuses a prompt whose words were passed one by one, of which the second would be taken for an image.

    Raises:
        InvalidSetting: With the command line that is meant.
    """
    words = list(takewhile(lambda argument: not argument.startswith("-"), arguments))
    command, text = "".join(words[:1]), words[1:] if words[:1] == ["generate"] else words[1:-1]
    is_text = command == "generate" or (command in {"edit", "batch"} and all(map(_is_word, text[:2])))
    if is_text and text[1:]:
        line = shlex.join(["gpt-image-mcp", command, " ".join(text), *arguments[1 + len(text) :]])
        message = f"The prompt ends before {text[1]!r}, because it has no quotes."
        raise InvalidSetting(message, next_step=f"Put quotes around the prompt: {line}")


def _is_word(argument: str) -> bool:
    return bool(_WORD.fullmatch(argument)) and not os.path.exists(argument)
