"""The command that sets the server up in a client."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from gpt_image_mcp.client_config.clients import ClientName, user_folders
from gpt_image_mcp.client_config.launching import How, launch
from gpt_image_mcp.console import Console

if TYPE_CHECKING:
    from gpt_image_mcp.client_config.blocks import Block

Flag = Parameter(negative="")


def config(
    client: ClientName,
    /,
    *,
    write: Annotated[bool, Flag] = False,
    sandbox: Annotated[bool, Flag] = False,
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
    from gpt_image_mcp.client_config.blocks import make_block

    folder = str(Path(output_dir).expanduser().absolute()) if output_dir else ""
    block = make_block(client, launch(command), sandbox=sandbox, output_dir=folder)
    if block.client.file is None:
        return _show_command(block, sandbox=sandbox)
    path = file or block.client.file(user_folders())
    if write:
        return _write(path, block, sandbox=sandbox)
    console = Console()
    console.say(
        f"For {path} ({block.client.title}); --write merges it in.{_about_key(block, sandbox=sandbox)}"
    )
    console.print_lines([block.text()])
    return 0


def _show_command(block: Block, *, sandbox: bool) -> int:
    console = Console()
    console.say(f"For {block.client.title}: {block.client.after}{_about_key(block, sandbox=sandbox)}")
    console.print_lines([block.text()])
    return 0


def _write(path: Path, block: Block, *, sandbox: bool) -> int:
    from gpt_image_mcp.client_config.writing import write_block

    console = Console()
    report = write_block(path, block)
    console.print_lines([str(report.path)])
    if not report.changed:
        console.say("Nothing to change: the server is there already.")
        return 0
    kept = f"The old file is {report.backup}. " if report.backup else ""
    console.say(f"{kept}{block.client.after}{_about_key(block, sandbox=sandbox)}")
    return 0


def _about_key(block: Block, *, sandbox: bool) -> str:
    return "" if sandbox else f" {block.client.key_note}"
