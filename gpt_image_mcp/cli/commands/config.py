"""The command that sets the server up in a client."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gpt_image_mcp.cli.client_config.clients import ClientName, user_folders
from gpt_image_mcp.cli.client_config.launching import How, launch
from gpt_image_mcp.cli.commands.parameters import Flag
from gpt_image_mcp.cli.console import Console
from gpt_image_mcp.cli.output_file import absolute_path
from gpt_image_mcp.environment import clean_for_libraries
from gpt_image_mcp.errors import InvalidSetting

if TYPE_CHECKING:
    from gpt_image_mcp.cli.client_config.blocks import Block


def config(
    client: ClientName,
    /,
    *,
    write: Flag = False,
    sandbox: Flag = False,
    output_dir: str = "",
    command: How = "uvx",
    file: Path | None = None,
) -> int:
    """Print what a client's configuration needs for this server, or put it there.

    Args:
        client: The MCP client.
        write: Merge it into the client's file, keeping the old one beside it.
        sandbox: Start the server with the built-in stand-in: no key, no network, no cost.
        output_dir: Folder for the images; a relative one starts here.
        command: uvx starts the server from where it was installed from, path runs the installed script.
        file: Another file than the user's own, such as a project's .cursor/mcp.json.
    """
    from gpt_image_mcp.cli.client_config.blocks import make_block

    clean_for_libraries()
    started = launch(command)
    folder = str(absolute_path(output_dir)) if output_dir else ""
    block = make_block(client, started, sandbox=sandbox, output_dir=folder)
    files = _files(file, block, write=write)
    console = Console()
    if started.note:
        console.say(started.note)
    if not write:
        _show(files, block, console)
    for path in files if write else []:
        _write(path, block, console)
    return 0


def _files(named: Path | None, block: Block, *, write: bool) -> list[Path]:
    """The client's files; none for a client whose file no other program may write.

    Raises:
        InvalidSetting: If a file was asked for with such a client.
    """
    client = block.client
    if client.file is not None:
        folders = user_folders()
        return [absolute_path(str(named))] if named else [client.file(folders), *client.also(folders)]
    if write or named:
        message = f"{client.title} {client.no_file}, so --write and --file are not for it."
        raise InvalidSetting(message, next_step=f"Leave them out. {client.after}")
    return []


def _show(files: list[Path], block: Block, console: Console) -> None:
    use = f"For {' and '.join(map(str, files))} ({block.client.title}); --write merges it in."
    if not files:
        use = f"For {block.client.title}: {block.client.after}"
    if block.name == "open-webui":
        use = f"{use} {block.started_over_http()}\n"
    console.say(*_sentences(use, block.key_note(block.environment)).split("\n"))
    console.print_lines(block.text().split("\n"))


def _write(path: Path, block: Block, console: Console) -> None:
    from gpt_image_mcp.cli.client_config.writing import write_block

    report = write_block(path, block)
    console.print_lines([str(report.path)])
    backup = f"The old file is {report.backup}." if report.backup else ""
    done = block.client.after if report.changed else "Nothing to change: the server is there already."
    console.say(_sentences(backup, done, block.key_note(report.environment)))


def _sentences(*said: str) -> str:
    return " ".join(sentence for sentence in said if sentence)
