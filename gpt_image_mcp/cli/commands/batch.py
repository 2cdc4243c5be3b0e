"""The command that makes the same edit on many images."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from gpt_image_mcp.cli.commands.images import NEXT_STEP
from gpt_image_mcp.cli.commands.parameters import DEFAULTS, AsJson, InSandbox, Options
from gpt_image_mcp.cli.console import Console
from gpt_image_mcp.cli.manifests import read_manifest
from gpt_image_mcp.errors import InvalidArgument
from gpt_image_mcp.presentation.structured import batch_content
from gpt_image_mcp.presentation.text import batch_text
from gpt_image_mcp.settings import read_settings
from gpt_image_mcp.studio import Studio
from gpt_image_mcp.threads import in_folders

if TYPE_CHECKING:
    from gpt_image_mcp.services.batch_items import BatchItem
    from gpt_image_mcp.values.options import OutputOptions
    from gpt_image_mcp.values.results import BatchResult

_WAKING_SECONDS = 0.2
_AFTER_FAILURES = "Correct what the failed ones say, and run the command again with those only."


async def batch(
    prompt: str = "",
    images: Annotated[list[str] | None, Parameter(negative="")] = None,
    /,
    *,
    options: Options = DEFAULTS,
    reference: Annotated[list[str] | None, Parameter(negative="")] = None,
    manifest: Annotated[Path | None, Parameter(negative="", allow_leading_hyphen=True)] = None,
    edit_type: str = "free",
    on_error: Literal["continue", "stop"] = "continue",
    concurrency: int = 3,
    as_json: AsJson = False,
    sandbox: InSandbox = False,
) -> int:
    """Make the same edit on many images, or those that a manifest lists; print the paths of the results.

    Args:
        prompt: What to change; with a manifest, for its lines without a prompt.
        images: Files, folders, globs, addresses or image ids, 100 at most.
        options: How the results should be.
        reference: A picture that goes along with each image; may be given up to 8 times.
        manifest: A file with a JSON object a line: image, and where they differ prompt and options; - reads
            it from stdin.
        edit_type: As for edit.
        on_error: continue, or stop to begin no further image after a failure.
        concurrency: How many images at once.
        as_json: Print the structured result on stdout.
        sandbox: Use the built-in stand-in: no key, no network, no cost.
    """
    if manifest and (images or reference):
        message = "Images or references were passed besides --manifest."
        raise InvalidArgument(message, next_step="Put them into the manifest, or leave it out.")
    items = await _read(manifest, prompt, options) if manifest else ()
    console = Console()
    async with Studio(read_settings(sandbox=sandbox)) as studio:
        with console.progress() as watch:
            if manifest:
                result = await studio.edit_each(
                    items, on_error=on_error, concurrency=concurrency, watch=watch
                )
            else:
                result = await studio.batch_edit(
                    prompt,
                    images or [],
                    references=reference or [],
                    edit_type=edit_type,
                    on_error=on_error,
                    concurrency=concurrency,
                    watch=watch,
                    **options.arguments(),
                )
    return _print_result(result, console, as_json=as_json)


async def _read(manifest: Path, prompt: str, output: OutputOptions) -> tuple[BatchItem, ...]:
    """The items of a manifest, which may be a pipe or a terminal from which nothing comes.

    The loop wakes meanwhile: a signal that comes just before it goes to sleep is heard only then.
    """
    reading = asyncio.create_task(in_folders(read_manifest, manifest, prompt=prompt, output=output))
    while not reading.done():
        await asyncio.wait({reading}, timeout=_WAKING_SECONDS)
    return reading.result()


def _print_result(result: BatchResult, console: Console, *, as_json: bool) -> int:
    """Prints the result and returns the exit code: 1 if an image failed."""
    is_done = all(item.status == "completed" for item in result.items)
    step = NEXT_STEP if is_done else _AFTER_FAILURES
    if as_json:
        console.print_json(batch_content(result, next_step=step))
    else:
        console.say(*batch_text(result, step).split("\n"))
        console.print_lines(image.location for item in result.items for image in item.images)
    return 0 if is_done else 1
