"""The commands on the history: search, show, sum up costs, rebuild and prune."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cyclopts import App

from gpt_image_mcp.cli.commands.parameters import AsJson, Flag
from gpt_image_mcp.cli.console import Console, lineage_tree
from gpt_image_mcp.object_paths import location
from gpt_image_mcp.presentation.history import (
    history_content,
    history_text,
    pruned_content,
    rebuilt_content,
    spending_content,
)
from gpt_image_mcp.presentation.text import counted, readable_size
from gpt_image_mcp.settings import read_settings
from gpt_image_mcp.studio import Studio

if TYPE_CHECKING:
    from gpt_image_mcp.services.maintenance import Pruned
    from gpt_image_mcp.values.history import FoundImages, Spending

_SHOW = "gpt-image-mcp history show ID tells all about an image"

history = App(name="history", help="Search the images made before; show one; sum what they cost.")


@history.default
async def search(
    *query: str,
    limit: int = 20,
    offset: int = 0,
    session_id: str = "",
    model: str = "",
    since: str = "",
    until: str = "",
    as_json: AsJson = False,
) -> int:
    """List images, newest first, with what all that match cost.

    Args:
        query: Words of the prompt, in any order.
        limit: How many, at most 100; 0 for the sums only.
        offset: How many to skip.
        session_id: Only those of this edit session.
        model: Only those of this model.
        since: A date, a month such as 2026-11, today, yesterday, 24h, 7d or 4w.
        until: As since.
        as_json: Print the structured result.
    """
    async with Studio(read_settings()) as studio:
        found = await studio.history.search(
            query=" ".join(query),
            limit=limit,
            offset=offset,
            session_id=session_id,
            model=model,
            since=since,
            until=until,
        )
    step = _next_step(found)
    if as_json:
        Console().print_json(history_content(found, next_step=step))
    else:
        Console().print_lines(history_text(found, step).split("\n"))
    return 0


@history.command
async def show(ref: str, /, *, as_json: AsJson = False) -> int:
    """Show one image with what it was made from and what was made of it.

    Args:
        ref: Its id or file; a file that was moved or renamed is recognised by its bytes.
        as_json: Print everything known about it.
    """
    async with Studio(read_settings()) as studio:
        lineage = await studio.history.trace(ref)
    if as_json:
        from gpt_image_mcp.presentation.details import image_details

        Console().print_json(image_details(lineage))
    else:
        Console().print_tree(lineage_tree(lineage))
    return 0


@history.command
async def spend(
    *,
    by: Literal["day", "model", "session"] = "day",
    since: str = "",
    until: str = "",
    as_json: AsJson = False,
) -> int:
    """Sum what images cost.

    Args:
        by: What each line sums.
        since: A date, a month such as 2026-11, today, yesterday, 24h, 7d or 4w.
        until: As since.
        as_json: Print all sums as JSON.
    """
    settings = read_settings()
    async with Studio(settings) as studio:
        found = await studio.history.search(limit=0, since=since, until=until)
    if settings.is_served:
        Console().say("Without what signed-in people spent: gpt-image-mcp audit has the calls of all.")
    if as_json:
        Console().print_json(spending_content(found.spending))
        return 0
    lines = [f"{name}  ${usd:.4f}" for name, usd in _sums(found.spending, by).items()]
    lines.append(f"total  ${found.spending.total_usd:.4f}")
    if unpaid := found.spending.in_sandbox:
        lines.append(f"in the sandbox, not paid  ${unpaid.total_usd:.4f}")
    Console().print_lines(lines)
    return 0


@history.command
async def rebuild(*folders: Path, as_json: AsJson = False) -> int:
    """Read the metadata files beside the images into the database again, and set a damaged database aside.

    Args:
        folders: More folders to look in, at any depth, and also into image files; the usual ones are always
            looked in.
        as_json: Print what was found as JSON.
    """
    console = Console()
    async with Studio(read_settings()) as studio:
        with console.counting("Looking at folders and files"):
            done = await studio.history.rebuild(folders)
    if as_json:
        console.print_json(rebuilt_content(done))
        return 0
    images, looked_in = counted(done.images, "image"), counted(len(done.folders), "folder")
    console.print_lines([f"{images} read again from {looked_in}"])
    if done.moved:
        console.say(f"{counted(done.moved, 'image')} moved from this machine into the store.")
    if done.set_aside:
        console.say(
            f"The damaged database is now {done.set_aside}; sessions and calls in it are not restored."
        )
    for path in done.unreadable:
        console.say(f"Not used as a metadata file: {location(path)}")
    return 0


@history.command
async def prune(
    *,
    older_than: str = "",
    keep_mb: float | None = None,
    yes: Flag = False,
    as_json: AsJson = False,
) -> int:
    """Delete old images, their metadata and their history; without --yes only say which.

    Args:
        older_than: A date, a month, or a span such as 90d.
        keep_mb: The oldest go until the files of all images together have at most so many megabytes.
        yes: Delete them.
        as_json: Print which ones as JSON.
    """
    console = Console()
    async with Studio(read_settings()) as studio:
        with console.counting("Looking at files"):
            pruned = await studio.history.prune(older_than=older_than, keep_mb=keep_mb, is_confirmed=yes)
    if as_json:
        console.print_json(pruned_content(pruned))
    else:
        _print_pruned(pruned, console)
    return 1 if pruned.failed else 0


def _print_pruned(pruned: Pruned, console: Console) -> None:
    console.print_lines(image.location for image in pruned.images)
    console.print_lines(map(location, (*pruned.start_images, *pruned.answers)))
    for reason in pruned.kept:
        console.say(f"Kept: {reason}.")
    for reason in pruned.failed:
        console.say_error(f"{reason}.")
    if not (pruned.images or pruned.start_images or pruned.answers):
        console.say("Nothing was deleted." if pruned.failed else "Nothing to delete.")
        return
    what = counted(len(pruned.images), "image")
    if pruned.start_images:
        what += f" and {counted(len(pruned.start_images), 'start image')} of edit sessions"
    if pruned.answers:
        what += f" and {counted(len(pruned.answers), 'kept answer')} of the API"
    said = "deleted" if pruned.is_done else "would be deleted; --yes does it"
    console.say(f"{what}, {readable_size(pruned.freed_bytes)}, {said}.")


def _next_step(found: FoundImages) -> str:
    """What to do next with one page of a search."""
    if found.next_offset is not None:
        return f"--offset {found.next_offset} shows the next page; {_SHOW}."
    if found.images:
        return f"{_SHOW}."
    if found.is_sums_only and found.total:
        return "--limit 20 shows the images, newest first."
    if found.total:
        return "Pass a smaller --offset: this one is behind the last image."
    if found.is_library_empty:
        return (
            "The history has no image yet. Make one with gpt-image-mcp generate; if there are some already, "
            "gpt-image-mcp history rebuild reads them from their folders."
        )
    return "Try fewer or other words, or leave all out to see the newest."


def _sums(spending: Spending, by: str) -> dict[str, object]:
    sums = {"day": spending.by_day, "model": spending.by_model, "session": spending.by_session}
    return dict(sums[by])
